"""containerd's settings and unit, where the host has no container runtime of its own."""

from pathlib import Path

from kubeception.config import Config
from kubeception.facts import HostFacts
from kubeception.layout import OUR_MARK

UNIT = "containerd.service"
# Settings of others, which ours import.
OF_OTHERS = Path("/etc/containerd/conf.d")


def settings(config: Config, host: HostFacts) -> str:
    """Return containerd's settings, version 3 of their format.

    https://github.com/containerd/containerd/blob/main/docs/cri/config.md
    """
    systemd_cgroup = str(host.cgroup_version == 2).lower()
    # Without this capability the kernel refuses to lower a score, and no container would start.
    restrict_oom = str(not host.has_sys_resource).lower()
    return f"""{OUR_MARK}
version = 3
# Settings of others, which are left alone and count more than ours.
imports = ["{OF_OTHERS}/*.toml"]

[grpc]
  address = "{config.layout.containerd.socket}"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{host.release.images["pause"]}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {restrict_oom}
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{config.layout.cni.plugins}"]
    conf_dir = "{config.layout.cni.settings}"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = {systemd_cgroup}
"""


def crictl(config: Config) -> str:
    """Return crictl's settings, so that it asks this runtime and no other first."""
    return f"""{OUR_MARK}
runtime-endpoint: unix://{config.layout.containerd.socket}
image-endpoint: unix://{config.layout.containerd.socket}
timeout: 10
"""


def unit(config: Config) -> str:
    """Return the unit; its containers outlive it, so that a restart harms nobody."""
    return f"""{OUR_MARK}
[Unit]
Description=containerd
Documentation=https://containerd.io
After=network.target local-fs.target dbus.service
RequiresMountsFor={config.layout.containerd.state}
StartLimitIntervalSec=0

[Service]
Type=notify
TimeoutStartSec=300
Environment=PATH={config.layout.launchers}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart={config.layout.launchers}/containerd --config {config.layout.containerd.settings}
Delegate=yes
KillMode=process
Restart=always
RestartSec=1
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""
