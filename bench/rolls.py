"""`make rolls`: roll the API server five times under load, ours and then kubeadm's.

Clients of every kind ask meanwhile: on loopback, from a worker and from a pod by the API's Service,
as an ordinary user, over kept connections and new ones, reading and writing.
"""

import argparse
import logging
from collections.abc import Callable
from functools import partial

from tests.lab import clients, cluster
from tests.lab.cluster import kubectl, until

from bench import kubeadm, kubeadm_upgrade, machine
from bench.lab import own
from kubeception import report
from kubeception.bundle import contents
from kubeception.bundle.components import SOURCES
from kubeception.config.load import load
from kubeception.lab import Host, Lab

log = logging.getLogger("kubeception.bench")

_CONFIG = "/root/kubeadm-roll.yaml"
_REQUESTS = 100_000


def main() -> None:
    """Measure both, and say how each fared."""
    parser = argparse.ArgumentParser(prog="python -m bench.rolls", description=__doc__)
    parser.add_argument("--rolls", type=int, default=5, help="of each (5)")
    rolls: int = parser.parse_args().rolls
    report.configure()
    with own() as lab:
        lab.up(workers=1, bundle=cluster.bundle_folder())
        lab.bootstrap()
        lab.join()
        ours = _rolled(lab, _roll, rolls)
    log.info("kubeception: %s", ours)
    with own() as lab:
        lab.up(workers=1, bundle=cluster.bundle_folder())
        kubeadm_upgrade.make(lab, cluster.bundle_folder())
        theirs = _rolled(lab, _roll_by_kubeadm, rolls)
    print(machine.words(), f"kubeception: {ours}", f"kubeadm: {theirs}", sep="\n")


def _rolled(lab: Lab, roll: Callable[[Host, int], None], rolls: int) -> clients.Total:
    """Return what clients saw while the API server was rolled again and again."""
    cp1, w1 = lab.hosts()
    held = contents.load(cluster.bundle_folder())
    clients.prepare(cp1, lab.hosts(), image=held.images["pause"])
    with clients.everywhere(cp1, w1) as loads:
        for number in range(1, rolls + 1):
            roll(cp1, 1 + number % 2)
            enough = partial(clients.have_answers, loads, _REQUESTS * number / rolls)
            until(enough, timeout_s=300)
    return clients.total(loads)


def _roll(cp1: Host, verbosity: int) -> None:
    cluster.configure(cp1, more=f'\n[apiserver.extra_args]\nv = "{verbosity}"\n')
    cluster.bootstrap(cp1)


def _roll_by_kubeadm(cp1: Host, verbosity: int) -> None:
    """Give the API server another flag.

    https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-reconfigure/
    """
    before = _container(cp1)
    config, held = load(SOURCES / "distros" / "lab.toml"), contents.load(cluster.bundle_folder())
    cp1.put(_CONFIG, kubeadm.settings(cp1, config, held, apiserver={"v": str(verbosity)}))
    cp1.run(
        *("/root/kubeadm", "init", "phase", "control-plane", "apiserver", f"--config={_CONFIG}")
    )
    until(lambda: _container(cp1) not in {"", before}, timeout_s=120)
    until(lambda: kubectl(cp1, "get", "--raw", "/readyz", check=False) == "ok", timeout_s=120)


def _container(cp1: Host) -> str:
    """Return which container the API server is, empty where it is none."""
    return cp1.run("crictl", "ps", "--quiet", "--name", "^kube-apiserver$").stdout.strip()


if __name__ == "__main__":
    main()
