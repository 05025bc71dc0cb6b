"""etcd's environment file and, where the host has none, its unit."""

from kubeception.config import Config
from kubeception.facts import Facts
from kubeception.layout import OUR_MARK

UNIT = "etcd.service"


def environment(config: Config, facts: Facts) -> str:
    """Return the settings of a first, single member; names as `etcd --help` has them."""
    at = config.layout
    pki = at.pki
    settings = {
        "ETCD_NAME": facts.node,
        "ETCD_DATA_DIR": at.etcd.data,
        "ETCD_LISTEN_CLIENT_URLS": f"https://127.0.0.1:2379,https://{facts.address}:2379",
        "ETCD_ADVERTISE_CLIENT_URLS": f"https://{facts.address}:2379",
        "ETCD_LISTEN_PEER_URLS": f"https://{facts.address}:2380",
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": f"https://{facts.address}:2380",
        "ETCD_INITIAL_CLUSTER": f"{facts.node}=https://{facts.address}:2380",
        "ETCD_INITIAL_CLUSTER_STATE": "new",
        "ETCD_LISTEN_METRICS_URLS": "http://127.0.0.1:2381",
        "ETCD_CLIENT_CERT_AUTH": "true",
        "ETCD_TRUSTED_CA_FILE": pki.etcd_ca.certificate,
        "ETCD_CERT_FILE": pki.etcd_server.certificate,
        "ETCD_KEY_FILE": pki.etcd_server.key,
        "ETCD_PEER_CLIENT_CERT_AUTH": "true",
        "ETCD_PEER_TRUSTED_CA_FILE": pki.etcd_ca.certificate,
        "ETCD_PEER_CERT_FILE": pki.etcd_peer.certificate,
        "ETCD_PEER_KEY_FILE": pki.etcd_peer.key,
        "ETCD_FEATURE_GATES": "InitialCorruptCheck=true",
        "ETCD_WATCH_PROGRESS_NOTIFY_INTERVAL": "5s",
    }
    return OUR_MARK + "".join(f'{name}="{value}"\n' for name, value in settings.items())


def unit(config: Config) -> str:
    """Return the unit; etcd says itself when it serves."""
    return f"""{OUR_MARK}
[Unit]
Description=etcd
Documentation=https://etcd.io/docs/
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
EnvironmentFile={config.layout.etcd.environment}
ExecStart={config.layout.launchers}/etcd
Restart=always
RestartSec=1
LimitNOFILE=65536
IOSchedulingClass=best-effort
IOSchedulingPriority=0

[Install]
WantedBy=multi-user.target
"""
