"""kubeadm takes a cluster to the next minor, as its own guide has it, with the bundles' programs.

https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/: `kubeadm upgrade
apply`, then the kubelet; each worker is emptied before, and takes pods again after.
"""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import cluster
from tests.lab.cluster import kubectl

from bench import kubeadm
from bench.kubeadm import Parts
from kubeception.bundle import contents, install
from kubeception.bundle.components import SOURCES
from kubeception.config.load import load
from kubeception.lab import Host, Lab
from kubeception.layout import Layout
from kubeception.render import kubelet

_CONFIG = SOURCES / "distros" / "lab.toml"
_NEXT, _NEXT_CONFIG = "/root/kubeadm-next", "/root/kubeadm-next.yaml"
_AS_ADMIN = "--kubeconfig=/etc/kubernetes/admin.conf"
_WAIT = "--timeout=110s"
# It would wait a minute in vain for its health check, a Job of the upstream pause image, which ends
# with `-v` as ours does not; and from a CoreDNS as new as the bundle's it knows no way on.
_SKIPPED = ("preflight", "addon/coredns")


def make(lab: Lab, before: Path) -> None:
    """Have kubeadm make a cluster of a lab's hosts, by a bundle that they have."""
    parts, config = kubeadm.build(before), load(_CONFIG)
    cp1, *workers = lab.hosts()
    for host in (cp1, *workers):
        kubeadm.prepare(host, parts, config, api=cp1.address, bundle=before)
    kubeadm.lap(cp1)
    for worker in workers:
        printed = cp1.run("/root/kubeadm", "token", "create", "--print-join-command").stdout
        join = (*printed.split()[1:], "--ignore-preflight-errors=all")
        worker.run("/root/kubeadm", *join, timeout_s=300)
        kubectl(cp1, "wait", "--for=condition=Ready", f"node/{worker.name}", _WAIT)
    _have_keys(cp1)


def stage(hosts: list[Host], after: Path, parts: Parts) -> None:
    """Put the programs and images of another release on hosts, where nobody uses them yet."""
    held = contents.load(after)
    for host in hosts:
        install.install(after, host.root(), staged=True)
        shutil.copy(parts.program, host.root() / _NEXT.lstrip("/"))
        for image in sorted((after / "images").glob("*.tar")):
            host.run(*kubeadm.CTR, "import", f"{Layout.bundles}/{held.version}/images/{image.name}")
        host.put(_NEXT_CONFIG, kubeadm.settings(host, load(_CONFIG), held))
        kubeadm.name_images(host, held, _NEXT, _NEXT_CONFIG)


def go(hosts: list[Host], after: Path) -> None:
    """Do what kubeadm's guide says, one host after the other."""
    held = contents.load(after)
    cp1, *workers = hosts
    upgrade = (_NEXT, "upgrade", "apply", f"v{held.kubernetes}", "--yes")
    cp1.run(*upgrade, f"--skip-phases={','.join(_SKIPPED)}", timeout_s=600)
    _exchange_kubelet(cp1, cp1, held)
    for worker in workers:
        with _emptied(cp1, worker):
            worker.run(_NEXT, "upgrade", "node", "--ignore-preflight-errors=all", timeout_s=300)
            _exchange_kubelet(cp1, worker, held)


@contextmanager
def _emptied(cp1: Host, worker: Host) -> Iterator[None]:
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=280s")
    cp1.run("kubectl", _AS_ADMIN, "drain", worker.name, *flags, timeout_s=300)
    yield
    kubectl(cp1, "uncordon", worker.name)


def _exchange_kubelet(cp1: Host, host: Host, held: contents.Bundle) -> None:
    """Have a host run the other release's kubelet, and wait until its Node says so."""
    there = f"{Layout.bundles}/{held.version}/bin/kubelet"
    host.run("ln", "--symbolic", "--force", there, "/usr/local/bin/kubelet")
    host.run("systemctl", "restart", kubelet.UNIT)
    says = "--for=jsonpath={.status.nodeInfo.kubeletVersion}=v" + held.kubernetes
    kubectl(cp1, "wait", says, f"node/{host.name}", _WAIT)
    kubectl(cp1, "wait", "--for=condition=Ready", f"node/{host.name}", _WAIT)


def _have_keys(cp1: Host) -> None:
    """Write the administrator's key beside the CA, where whoever asks the API looks for it."""
    for field, name in (("client-certificate-data", "crt"), ("client-key-data", "key")):
        path = f"jsonpath={{.users[0].user.{field}}}"
        said = cp1.run("kubectl", _AS_ADMIN, "config", "view", "--raw", "--output", path)
        cp1.put(f"/{cluster.PKI}/admin.{name}", base64.b64decode(said.stdout).decode())
