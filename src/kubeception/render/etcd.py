"""etcd's environment file and, where the host has none, its unit."""

from pathlib import Path

from kubeception.config import Config
from kubeception.endpoints import ETCD_PEER_PORT, ETCD_PORT, LOOPBACK, url
from kubeception.facts import HostFacts
from kubeception.layout import IMAGE_COMMAND, IMAGE_ENVIRONMENT, MOUNTED_HOST, OUR_MARK
from kubeception.render.units import UNSET_PROXY, UNSET_PYTHON

UNIT = "etcd.service"
# Each of its flags has a variable, which begins so.
PREFIX = "ETCD_"
# What etcd reads of these counts only where there are no data: it needs no restart for them.
FIRST_START = "ETCD_INITIAL_"
# Our unit gives it as a flag, which no empty file can take away; etcd refuses both at once.
DATA_DIR = "ETCD_DATA_DIR"
# The ids of the cluster and of the member stand in comments: etcd knows no such variables.
CLUSTER_NOTE, MEMBER_NOTE = "CLUSTER", "MEMBER"
# Without one of these it would serve other data, or anybody.
REQUIRED = (
    "ETCD_NAME",
    DATA_DIR,
    "ETCD_LISTEN_CLIENT_URLS",
    "ETCD_LISTEN_PEER_URLS",
    "ETCD_CLIENT_CERT_AUTH",
    "ETCD_TRUSTED_CA_FILE",
    "ETCD_CERT_FILE",
    "ETCD_KEY_FILE",
    "ETCD_PEER_CLIENT_CERT_AUTH",
    "ETCD_PEER_TRUSTED_CA_FILE",
    "ETCD_PEER_CERT_FILE",
    "ETCD_PEER_KEY_FILE",
)


def environment(config: Config, host: HostFacts) -> str:
    """Return the settings of a single member; names as `etcd --help` has them.

    Once it has data its cluster exists: told so, etcd itself refuses to start without them, also by
    a unit of the host's own.
    """
    at = config.layout
    pki = at.pki
    known = host.remembered
    client, peer = url(host.address, ETCD_PORT), url(host.address, ETCD_PEER_PORT)
    settings = {
        "ETCD_NAME": host.node,
        DATA_DIR: at.etcd.data,
        "ETCD_LISTEN_CLIENT_URLS": f"{url(LOOPBACK, ETCD_PORT)},{client}",
        "ETCD_ADVERTISE_CLIENT_URLS": client,
        "ETCD_LISTEN_PEER_URLS": peer,
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
        "ETCD_INITIAL_CLUSTER": f"{host.node}={peer}",
        "ETCD_INITIAL_CLUSTER_STATE": "existing" if known.cluster else "new",
        **({"ETCD_INITIAL_CLUSTER_TOKEN": known.token} if known.token else {}),
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
        **{
            PREFIX + flag.upper().replace("-", "_"): value
            for flag, value in config.etcd.extra_args.items()
        },
    }
    notes = {CLUSTER_NOTE: known.cluster, MEMBER_NOTE: known.member} if known.cluster else {}
    return "".join(
        (
            OUR_MARK,
            *(f'# {name}="{value}"\n' for name, value in notes.items()),
            *(f'{name}="{value}"\n' for name, value in settings.items()),
        )
    )


def client_environment(config: Config) -> str:
    """Return what etcdctl goes by on this host; it reads keys that are for root alone."""
    pki = config.layout.pki
    client = pki.etcd_healthcheck_client
    settings = {
        "ETCDCTL_ENDPOINTS": url(LOOPBACK, ETCD_PORT),
        "ETCDCTL_CACERT": pki.etcd_ca.certificate,
        "ETCDCTL_CERT": client.certificate,
        "ETCDCTL_KEY": client.key,
    }
    return OUR_MARK + "".join(f'{name}="{value}"\n' for name, value in settings.items())


def unit(config: Config, host: HostFacts) -> str:
    """Return the unit; etcd says itself when it serves.

    Before each start it is asked whether etcd may start on the data that are there, and after each
    end it is noted how far they go.
    """
    at = config.layout
    ours, unset = f"{at.launchers}/kubeception", f"{DATA_DIR} {UNSET_PROXY}"
    if host.image:
        ours, unset = _in_image(at.image(host.image)), f"{unset} {UNSET_PYTHON}"
    folders = sorted({at.etcd.data, at.pki.folder, at.pki.etcd_folder, at.etcd.environment.parent})
    data, progress = f"--data-dir={at.etcd.data}", f"--progress={at.progress}"
    record = f"--record={at.member}"
    asked = f"{data} --settings={at.etcd.environment} {record} {progress}"
    return f"""{OUR_MARK}
[Unit]
Description=etcd
Documentation=https://etcd.io/docs/
After=network-online.target
Wants=network-online.target
RequiresMountsFor={" ".join(map(str, folders))}
StartLimitIntervalSec=0

[Service]
Type=notify
TimeoutStartSec=300
EnvironmentFile={at.etcd.environment}
UnsetEnvironment={unset}
ExecStartPre={ours} etcd may-start {asked}
ExecStart={at.launchers}/etcd {data}
ExecStopPost=-{ours} etcd stopped {data} {record} {progress}
Restart=always
RestartSec=1
LimitNOFILE=65536
TasksMax=infinity
IOSchedulingClass=best-effort
IOSchedulingPriority=0

[Install]
WantedBy=multi-user.target
"""


def _in_image(root: Path) -> str:
    """Return how our command runs from the file system of our image, on a host without Python."""
    words = " ".join(f"{name}={value}" for name, value in IMAGE_ENVIRONMENT.items())
    enter = f"mkdir -p {root}{MOUNTED_HOST} && mount --rbind / {root}{MOUNTED_HOST}"
    command = " ".join(IMAGE_COMMAND)
    inside = f"exec chroot {root} /usr/bin/env {words} {command}"
    return f"""/usr/bin/unshare --mount /bin/sh -c '{enter} && {inside} "$$@"' sh"""
