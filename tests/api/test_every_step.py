"""Killed at each step of what it does to files, a run is finished by the next ones.

Here on a folder, in seconds; what needs a cluster is killed in tests/lab/test_crash_steps.py.
"""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.conftest import Note
from tests.fixed import CONFIG, on_host
from tests.killed import ended, ratchet, steps_of
from tests.shape import difference, shape
from tests.unit.sessions import session_of

from kubeception.config import Config
from kubeception.engine import Phase, carry_out
from kubeception.facts import Facts
from kubeception.phases import reset
from kubeception.report import Steps
from kubeception.resources import Resource
from kubeception.resources.absent import NoFolder, WhereOurs
from kubeception.resources.file import File
from kubeception.resources.keypair import KeyPair, ServiceAccountKey
from kubeception.workflows import BOOTSTRAP

LOG = logging.getLogger("kubeception.test")
# Everything but what the cluster's programs make: what a run needs a cluster for.
STRANGERS = {
    "etc/kubernetes/manifests/theirs.yaml": "kind: Pod\n",
    "etc/systemd/system/theirs.service": "[Service]\n",
    "etc/cni/net.d/99-theirs.conflist": "{}\n",
    "etc/sysctl.d/99-theirs.conf": "kernel.panic = 10\n",
}


def on_files(phases: Iterable[Phase]) -> list[Phase]:
    """Return the phases with only those wanted things that are files and folders."""
    return [_on_files(phase) for phase in phases]


def _on_files(phase: Phase) -> Phase:
    def plan(config: Config, facts: Facts) -> Iterator[Resource]:
        return (wanted for wanted in phase.plan(config, facts) if _is_file(wanted))

    return Phase(phase.name, phase.title, plan)


def _is_file(wanted: Resource) -> bool:
    if isinstance(wanted, WhereOurs):
        return _is_file(wanted.wanted)
    return isinstance(wanted, File | KeyPair | ServiceAccountKey | NoFolder)


def carried_out(root: Path, phases: Iterable[Phase]) -> list[str]:
    facts = on_host(has_bridge_netfilter=False, has_network_manager=True)
    with Steps(LOG) as steps:
        return carry_out(
            on_files(phases), session_of(root), gather=lambda: facts, steps=steps
        ).changes


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory: whatever is synced a thousand times had better not wait for a disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


def with_strangers(root: Path) -> Path:
    for name, text in STRANGERS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def as_used(root: Path) -> None:
    """Put there what programs of the cluster make of a host."""
    for name in ("var/lib/etcd/default.etcd/member", "var/lib/kubelet/plugins", "run/flannel"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text("theirs")


@pytest.mark.timeout(120)
def test_a_bootstrap_killed_at_every_step_ends_like_one_that_was_not(
    folder: Path, note: Note
) -> None:
    killed, whole = (with_strangers(folder / name) for name in ("killed", "whole"))

    steps = ratchet(lambda: carried_out(killed, BOOTSTRAP), log=folder / "log")

    carried_out(whole, BOOTSTRAP)
    assert difference(shape(killed), shape(whole)) == []
    assert carried_out(killed, BOOTSTRAP) == carried_out(whole, BOOTSTRAP)
    note(f"bootstrap of files alone: killed at each of its {len(steps)} steps")
    assert len(steps) > 150


@pytest.mark.parametrize("everything", [False, True])
def test_a_reset_killed_at_every_step_ends_like_one_that_was_not(
    folder: Path, note: Note, everything: bool
) -> None:
    phases = list(reset.phases(BOOTSTRAP, etcds=everything, pkis=everything))
    killed, whole = (with_strangers(folder / name) for name in ("killed", "whole"))
    for root in (killed, whole):
        carried_out(root, BOOTSTRAP)
        as_used(root)

    steps = ratchet(lambda: carried_out(killed, phases), log=folder / "log")

    assert carried_out(whole, phases)
    assert difference(shape(killed), shape(whole)) == []
    assert carried_out(killed, phases) == []
    assert {name: (killed / name).read_text() for name in STRANGERS} == STRANGERS
    assert (killed / "var/lib/etcd/default.etcd").exists() is not everything
    assert (killed / "etc/kubernetes/pki").exists() is not everything
    flags = " --etcd --pki" if everything else ""
    note(f"reset{flags} of files alone: killed at each of its {len(steps)} steps")


def test_a_reset_leaves_of_a_bootstrap_what_was_there_before(folder: Path) -> None:
    root = with_strangers(folder / "root")
    before = shape(root)
    carried_out(root, BOOTSTRAP)
    as_used(root)

    carried_out(root, reset.phases(BOOTSTRAP, etcds=True, pkis=True))

    units = CONFIG.layout.units.relative_to("/")  # systemd is asked before these go
    assert {
        path: said
        for path, said in shape(root).items()
        if (root / path).is_file() and said != before.get(path) and units not in Path(path).parents
    } == {}
    assert before.keys() <= shape(root).keys()


def test_a_bootstrap_after_a_killed_reset_is_whole_again(folder: Path) -> None:
    root = with_strangers(folder / "root")
    carried_out(root, BOOTSTRAP)
    before = shape(root)
    phases = list(reset.phases(BOOTSTRAP, etcds=False, pkis=False))
    log = folder / "log"
    for step in steps_of(lambda: carried_out(root, phases), log=log):
        carried_out(root, BOOTSTRAP)
        ended(lambda: carried_out(root, phases), at=step)

        carried_out(root, BOOTSTRAP)
        assert difference(shape(root), before) == [], step


def test_a_host_of_somebody_else_is_left_alone(folder: Path) -> None:
    """kubeadm's files have the names that ours have."""
    layout = CONFIG.layout.at(folder)
    theirs = [
        layout.kubernetes.admin,
        layout.kubelet.settings,
        layout.kubelet.environment,
        layout.kubelet.state / "pki/kubelet.crt",
        layout.pki.ca.certificate,
        layout.pki.ca.key,
        layout.etcd.data / "member",
        layout.units / "kubelet.service",
    ]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")

    assert carried_out(folder, reset.phases(BOOTSTRAP, etcds=True, pkis=True)) == []
    assert all(path.read_text() == "theirs" for path in theirs)
