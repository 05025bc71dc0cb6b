"""The keeper's unit, what it may do in the API, and what must not outlive a boot."""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config import Config
from kubeception.facts import HostFacts
from kubeception.layout import IMAGE_COMMAND, IMAGE_ENVIRONMENT, MOUNTED_HOST, OUR_MARK
from kubeception.pki.catalog import KEEPERS
from kubeception.render import (
    api_service,
    apiserver,
    cluster_settings,
    cluster_upgrade,
    coredns,
    flannel,
    objects,
)
from kubeception.render.controllers import BOTH as CONTROLLERS
from kubeception.render.join_records import RECORDS
from kubeception.render.units import UNSET_PYTHON

UNIT = "kubeception-keeper.service"
# systemd's patience on a usual machine; the keeper asks for more where all is slow.
STARTS_WITHIN_S, WATCHDOG_S = 300, 60
# It can be killed anywhere; nobody is to wait for it, who turns a host off least of all.
_STOPS_WITHIN_S = 15
# Held by the keeper that changes what all hosts share; also what it writes to prove a server.
LEASE = "kubeception-keeper"
COMMAND = "keeper run"
_ROLE = "kubeception:keeper"
_RULES: tuple[objects.Object, ...] = (
    objects.rule("apps", "daemonsets", "get", "patch", names=[apiserver.NAME]),
    objects.rule("apps", "controllerrevisions", "list"),
    objects.rule("", "pods", "list"),
    objects.rule("", "pods/status", "patch"),
    objects.rule("", "events", "create"),
    objects.rule("", "configmaps", "get", names=[cluster_settings.NAME]),
    objects.rule("", "services", "get", names=[coredns.SERVICE]),
    objects.rule("discovery.k8s.io", "endpointslices", "list"),
    objects.rule("coordination.k8s.io", "leases", "get", "patch", names=[LEASE]),
    objects.rule("coordination.k8s.io", "leases", "get", names=[one.name for one in CONTROLLERS]),
)

_CLUSTER_RULES: tuple[objects.Object, ...] = (
    objects.rule("", "nodes", "get", "list"),
    objects.rule(cluster_upgrade.GROUP, cluster_upgrade.PLURAL, "list"),
)


def everything() -> Iterator[objects.Object]:
    """Yield the keepers' Lease, and their right to do their work and nothing else."""
    keepers = {"apiGroup": objects.RBAC, "kind": "Group", "name": KEEPERS}
    lease = objects.metadata(LEASE)
    yield {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": lease}
    yield objects.role(_ROLE, _RULES)
    yield objects.role_binding(_ROLE, role=_ROLE, subject=keepers)
    records = [objects.rule("", "configmaps", "list")]
    yield objects.role(_ROLE, records, namespace=RECORDS)
    yield objects.role_binding(_ROLE, role=_ROLE, subject=keepers, namespace=RECORDS)
    places = [
        objects.rule("", "endpoints", "get", names=[api_service.NAME]),
        objects.rule("discovery.k8s.io", "endpointslices", "get", names=[api_service.NAME]),
    ]
    yield objects.role(_ROLE, places, namespace=api_service.IN)
    yield objects.role_binding(_ROLE, role=_ROLE, subject=keepers, namespace=api_service.IN)
    yield objects.cluster_role(_ROLE, _CLUSTER_RULES)
    yield objects.cluster_role_binding(_ROLE, role=_ROLE, subject=keepers)


def unit(config: Config, host: HostFacts) -> str:
    """Return the unit: up before the kubelet, so that the kubelet starts with an API server."""
    if host.image:
        command = "\n".join(_in_image(config.layout.image(host.image)))
    else:
        command = f"ExecStart={config.layout.launchers}/kubeception {COMMAND}"
    return f"""{OUR_MARK}
[Unit]
Description=kubeception keeper
Documentation=https://kubernetes.io/docs/
After=network-online.target dbus.service
Wants=network-online.target
Before=kubelet.service
RequiresMountsFor={config.layout.member.parent} {config.layout.revisions}
StartLimitIntervalSec=0

[Service]
Type=notify
TimeoutStartSec={STARTS_WITHIN_S}
TimeoutStopSec={_STOPS_WITHIN_S}
KillMode=mixed
{command}
Restart=always
RestartSec=1
WatchdogSec={WATCHDOG_S}
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def _in_image(root: Path) -> Iterator[str]:
    """Yield how it runs on a host that has nothing but the file system of our image."""
    yield f"RootDirectory={root}"
    yield "MountAPIVFS=yes"
    yield f"BindPaths=/:{MOUNTED_HOST}"
    for name, value in IMAGE_ENVIRONMENT.items():
        yield f"Environment={name}={value}"
    yield f"UnsetEnvironment={UNSET_PYTHON}"
    yield f"ExecStart={' '.join(IMAGE_COMMAND)} {COMMAND}"


def volatile(config: Config) -> str:
    """Return the rule of tmpfiles.d(5) that takes flannel's plugin settings away at each boot.

    With them in place a runtime calls the network ready before flannel has come back, and what it
    tries then fails and is not tried again for long.
    """
    return f"{OUR_MARK}r! {config.layout.cni.settings}/{flannel.PLUGIN}\n"
