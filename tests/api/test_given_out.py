"""Addresses of pods that are gone are free again, and no other: in a network of a test's own."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.api import network
from tests.api.test_network_cause import CONFIG

from kubeception import host_network
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.host.own_network import OwnNetwork
from kubeception.host.process import run
from kubeception.host.systemd import Systemd
from kubeception.render import flannel
from kubeception.resources import given_out
from kubeception.resources.given_out import KEEPER, GivenOut
from kubeception.session import Session

GONE, LIVING = "a" * 64, "b" * 64
A_WHILE_S = 601


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A host whose runtime has one pod."""
    runtime = tmp_path / "crictl"
    runtime.write_text(f"""#!/bin/sh\necho '{{"items": [{{"id": "{LIVING}"}}]}}'\n""")
    runtime.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    root = tmp_path / "root"
    host = Host(root, Systemd(tmp_path / "nobody-answers"))
    files.write(host.at(flannel.SUBNET), "FLANNEL_SUBNET=10.64.8.1/24\n")
    files.write(host.at(flannel.GIVEN_OUT) / "lock", "")
    with network.new():
        run(["ip", "link", "add", "cni0", "type", "bridge"])
        run(["ip", "address", "add", "10.64.8.1/24", "dev", "cni0"])
        run(["ip", "link", "set", "cni0", "up"])
        yield Session(CONFIG, host)


def note(session: Session, last: int, container: str, *, old_s: float = A_WHILE_S) -> Path:
    """Note an address as the plugin does."""
    path = session.host.at(flannel.GIVEN_OUT) / f"10.64.8.{last}"
    files.write(path, f"{container}\r\neth0")
    os.utime(path, (time.time() - old_s,) * 2)
    return path


def answered(session: Session, container: str, namespace: str) -> None:
    """Have libcni know of a pod in a network namespace."""
    told = {"interfaces": [{"name": "eth0", "mac": "", "sandbox": namespace}]}
    path = Path(f"/var/lib/cni/results/cbr0-{container}-eth0")
    files.write(session.host.at(path), json.dumps({"result": told}))


def left(session: Session) -> list[str]:
    """Return which addresses are given out."""
    return sorted(path.name for path in session.host.at(flannel.GIVEN_OUT).glob("10.*"))


def test_addresses_of_pods_that_are_gone_are_free_again(session: Session) -> None:
    for last in range(2, 5):
        note(session, last, GONE)
    note(session, 5, LIVING)
    answered(session, GONE, "/run/netns/cni-before-the-boot")

    said = "are given out to pods that are gone: 10.64.8.2 and 2 more"
    assert GivenOut().drift(session) == said
    assert f"{GivenOut()} {said}" in (host_network.lost(session) or "")

    GivenOut().apply(session)

    assert left(session) == ["10.64.8.5"]
    assert GivenOut().drift(session) is None


def test_those_of_a_pod_that_is_being_made_stay(session: Session) -> None:
    note(session, 2, GONE, old_s=240)

    assert GivenOut().drift(session) is None
    GivenOut().apply(session)
    assert left(session) == ["10.64.8.2"]


def test_those_of_whoever_has_a_namespace_stay(session: Session) -> None:
    note(session, 2, GONE)
    files.write(session.host.at(Path("/run/netns/cni-its")), "")
    answered(session, GONE, "/run/netns/cni-its")

    assert GivenOut().drift(session) is None


def test_that_of_the_keeper_stays(session: Session) -> None:
    note(session, 254, KEEPER)

    assert GivenOut().drift(session) is None


def test_that_at_which_somebody_answers_stays(session: Session) -> None:
    """As one whose namespace was left behind with its link."""
    note(session, 2, GONE)
    note(session, 3, GONE)
    other = OwnNetwork()
    try:
        run(["ip", "link", "add", "pod2", "type", "veth", "peer", "pod2-in"])
        run(["ip", "link", "set", "pod2", "master", "cni0", "up"])
        run(["ip", "link", "set", "pod2-in", "netns", other.path])
        for words in ("address add 10.64.8.2/24 dev pod2-in", "link set pod2-in up"):
            other.ask(partial(run, ["ip", *words.split()]))

        GivenOut().apply(session)
    finally:
        other.end()

    assert left(session) == ["10.64.8.2"]


def test_nothing_is_known_of_a_runtime_that_does_not_answer(
    session: Session, tmp_path: Path
) -> None:
    note(session, 2, GONE)
    (tmp_path / "crictl").write_text("#!/bin/sh\nexit 1\n")

    assert GivenOut().drift(session) is None


def test_while_the_plugin_gives_one_out_none_is_taken(session: Session) -> None:
    note(session, 2, GONE)
    with (session.host.at(flannel.GIVEN_OUT) / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        GivenOut().apply(session)
        assert left(session) == ["10.64.8.2"]

    GivenOut().apply(session)
    assert left(session) == []


def test_a_range_that_is_nearly_given_out_is_told(session: Session) -> None:
    for last in range(2, 242):
        note(session, last, LIVING)
    assert given_out.problem(session) is None

    note(session, 242, LIVING)

    assert given_out.problem(session) == (
        "241 of 253 addresses of 10.64.8.0/24 are given out, and without one no pod starts"
    )
    assert GivenOut().drift(session) is None
