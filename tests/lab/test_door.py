"""The door leads to exactly one API server at any time, and its log tells all of its turns."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from tests.lab import cluster, door_history, healing
from tests.lab.cluster import bootstrap, until
from tests.lab.door_history import Moment, Watch
from tests.lab.machine import scaled

from kubeception.endpoints import HOSTED_PORTS
from kubeception.lab import Host, Lab

MANIFESTS = "/etc/kubernetes/manifests"
# Ten answers in a row of its own port, as the handover wants them.
STABLE = """
while [ "$n" != .......... ]; do
  for port in $(seq 6445 6450); do
    answer=$(curl --silent --max-time 1 --cacert /etc/kubernetes/pki/ca.crt \
      "https://127.0.0.1:$port/readyz")
    [ "$answer" = ok ] && break
  done
  [ "$answer" = ok ] && n="$n." || n=
  sleep 0.2
done
"""

pytestmark = pytest.mark.hosts(1, bundle=True)


@pytest.fixture(scope="module")
def cp1(lab: Lab) -> Host:
    return lab.host("cp1")


@dataclass(frozen=True)
class Seen:
    """What the door's log and the kernel told of a bootstrap, a rebuild and a roll."""

    turns: list[tuple[str, str]]
    moments: list[Moment]
    manifests: str


@pytest.fixture(scope="module")
def seen(cp1: Host, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Make the cluster that all tests of this file share, watched."""
    cluster.configure(cp1)
    with Watch(cp1, tmp_path_factory.mktemp("door") / "heard") as watch:
        log = bootstrap(cp1).log
        log += bootstrap(cp1, "--rebuild").log
        cluster.configure(cp1, more='\n[apiserver.extra_args]\nevent-ttl = "2h"\n')
        log += bootstrap(cp1).log
    return Seen(door_history.turns(log), watch.moments, cp1.run("ls", MANIFESTS).stdout)


@pytest.fixture
def made(seen: Seen, hosts: list[Host]) -> Host:
    """The host of that cluster, well, whatever the test before has done to it."""
    assert seen.turns
    assert healing.wait(hosts[0], patience_s=scaled(healing.SETTLED_S)) == []
    return hosts[0]


def test_the_door_leads_to_one_server_from_bootstrap_to_rebuild_and_roll(seen: Seen) -> None:
    turns, moments = seen.turns, seen.moments
    assert turns == [
        ("nothing", "6444"),
        ("6444", "6445"),
        ("6445", "6444"),
        ("6444", "6445"),
        ("6445", "6446"),
    ]
    # Not two at any time; and inside, once it leads anywhere, never none.
    assert [moment.inside for moment in moments] == [{int(to)} for _, to in turns]
    assert max(len(moment.outside) for moment in moments) == 1
    # Pods and other hosts never get the bootstrap one, which runs without admission.
    assert not any(6444 in moment.outside for moment in moments)
    assert seen.manifests == ""


def test_a_door_that_was_removed_is_raised_by_the_keeper_who_says_so(
    made: Host, tmp_path: Path
) -> None:
    cp1, port = made, door_history.port(made)
    with Watch(cp1, tmp_path / "heard") as watch:
        since = cp1.run("date", "+@%s").stdout.strip()
        cp1.run("nft", "delete", "table", "ip", "kubeception-door")
        until(lambda: cluster.answers(cp1), timeout_s=6)
        assert healing.wait(cp1, patience_s=scaled(healing.SETTLED_S)) == []

    cp1.run("journalctl", "--sync")
    log = cp1.run("journalctl", "--unit", "kubeception-keeper", "--since", since).stdout
    assert door_history.turns(log) == [("nothing", str(port))]
    assert [moment.inside for moment in watch.moments] == [set(), {port}]


def test_after_a_reboot_the_turns_are_a_chain_and_no_manifest_stays(made: Host) -> None:
    cp1 = made
    cp1.reboot()

    cp1.run("sh", "-c", STABLE, timeout_s=scaled(120))
    until(lambda: cp1.run("ls", MANIFESTS).stdout == "", timeout_s=60)

    cp1.run("journalctl", "--sync")
    turns = door_history.turns(
        cp1.run("journalctl", "--boot", "--unit", "kubeception-keeper").stdout
    )
    assert turns[0] == ("nothing", "6444")
    assert all(before[1] == after[0] for before, after in pairwise(turns))
    assert turns[-1][1] in {*map(str, HOSTED_PORTS)}
    assert healing.wait(cp1, patience_s=scaled(healing.SETTLED_S)) == []
