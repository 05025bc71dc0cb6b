"""The keeper's unit, and what must not outlive a boot."""

from kubeception.config import Config
from kubeception.layout import OUR_MARK

UNIT = "kubeception-keeper.service"


def unit(config: Config) -> str:
    """Return the unit: up before the kubelet, so that the kubelet starts with an API server."""
    return f"""{OUR_MARK}
[Unit]
Description=kubeception keeper
Documentation=https://kubernetes.io/docs/
After=network-online.target dbus.service
Wants=network-online.target
Before=kubelet.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={config.layout.launchers}/kubeception keeper run
Restart=always
RestartSec=1
WatchdogSec=60

[Install]
WantedBy=multi-user.target
"""


def volatile(config: Config) -> str:
    """Return the rule of tmpfiles.d(5) that takes flannel's plugin settings away at each boot.

    With them in place a runtime calls the network ready before flannel has come back, and what it
    tries then fails and is not tried again for long.
    """
    return f"{OUR_MARK}r! {config.layout.cni.settings}/10-flannel.conflist\n"
