"""Power goes at moments of a first bootstrap, and of a join, that nobody chose.

What was not synced is lost. What bears its final name is whole nevertheless, and the next run makes
of it what one that was left alone makes: with the same CAs, in the same etcd, by the same key. One
moment of each here, in some third of a run; KUBECEPTION_MOMENTS=5 draws five in every third. What
was drawn is drawn again with the KUBECEPTION_SEED that a run prints.
"""

import json
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.lab import cluster, unplugged
from tests.lab.conftest import Names, Note
from tests.lab.lot import SEED
from tests.shape import blocks, torn

from kubeception.etcd.data import stored
from kubeception.facts import Identity
from kubeception.host import files
from kubeception.kept import identity
from kubeception.lab import Host, Lab
from kubeception.lab.host import switch_off

THIRDS = ("early", "middle", "late")
MOMENTS = int(os.environ.get("KUBECEPTION_MOMENTS", "0"))
DRAWN = [f"{third}-{n + 1}" for third in THIRDS for n in range(MOMENTS)] or ["some"]
KILLED = {-9, 128 + 9}
# A run may be faster than the one that was measured; then the moment is drawn anew, earlier.
DRAWS = 4

OURS = (
    "etc/kubeception",
    "etc/kubernetes",
    "etc/systemd/system",
    "var/lib/kubeception",
    "var/lib/kubelet/config.yaml",
    "var/lib/kubelet/pki",
)
ETCD = "var/lib/etcd/default.etcd"
RECORD = "etc/kubeception/member.json"
BOOTSTRAP = ("kubeception", "bootstrap")

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Run:
    """A command on a host, with its input."""

    host: Host
    argv: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True)
class Cut:
    """When power was taken from a run, and the last thing that it had said."""

    after_s: float
    said: str

    def __str__(self) -> str:
        return f"cut after {self.after_s:.1f} s, {self.said!r}; KUBECEPTION_SEED={SEED}"


@dataclass(frozen=True)
class Token:
    """A join token, and how to join by it."""

    id: str
    argv: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Undisturbed:
    """A cluster that nothing happened to, and how long its making and the join to it took."""

    lab: Lab
    cp1: Host
    bootstrap_s: float
    join_s: float


@pytest.fixture(scope="module")
def undisturbed(lab: Lab, note: Note) -> Undisturbed:
    cp1, w1 = lab.hosts()
    cluster.configure(cp1)
    bootstrap_s = cluster.bootstrap(cp1).wall_s
    token = new_token(cp1)
    started = time.monotonic()
    w1.run(*token.argv, stdin=token.text, timeout_s=240)
    join_s = time.monotonic() - started
    note(f"left alone, bootstrap takes {bootstrap_s:.1f} s and a join {join_s:.1f} s")
    return Undisturbed(lab, cp1, bootstrap_s, join_s)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def other(new_name: Names) -> Iterator[Lab]:
    """A lab besides, that does not exist yet."""
    lab = Lab(new_name())
    yield lab
    lab.down()


def new_token(cp1: Host) -> Token:
    made = json.loads(cp1.run("kubeception", "token", "create", "--any-node", "-o", "json").stdout)
    argv = ("kubeception", "join", "--url", made["url"], "--token-file", "-")
    return Token(made["id"], argv, made["token"])


def cut_off(
    fresh: Callable[[], Run], length_s: float, *, part: str, chance: random.Random
) -> tuple[Run, Cut]:
    """Take the power from a new host while a command runs on it, in some third of the run."""
    third = THIRDS.index(part) if part in THIRDS else chance.randrange(len(THIRDS))
    for _ in range(DRAWS):
        moment_s = length_s * (third + chance.random()) / len(THIRDS)
        run = fresh()
        started = time.monotonic()
        with subprocess.Popen(
            run.host.command(*run.argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdin is not None
            assert running.stderr is not None
            running.stdin.write(run.stdin)
            running.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                running.wait(timeout=moment_s)
            length_s = min(length_s, time.monotonic() - started)
            run.host.power_cut()
            log = running.stderr.read().splitlines()
        if running.returncode in KILLED:  # it had not ended when its host stood still
            return run, Cut(moment_s, log[-1] if log else "before its first word")
        assert running.returncode == 0, log
    raise AssertionError(f"KUBECEPTION_SEED={SEED}: {DRAWS} runs ended before their moment came")


def kept(root: Path) -> dict[str, bytes]:
    """Return what is never made anew: every key, and the certificates of CAs."""
    pki = root / "etc/kubernetes/pki"
    found = [*pki.rglob("*.key"), *pki.rglob("ca.crt"), *pki.rglob("*-ca.crt")]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def etcd_of(host: Host) -> tuple[int, int | None]:
    """Return the id of a host's etcd cluster, and in which revision its first namespace was made.

    None where there is none yet.
    """
    pki = "/etc/kubernetes/pki/etcd"
    ask = (
        *("etcdctl", f"--cacert={pki}/ca.crt", "--endpoints=https://127.0.0.1:2379"),
        *(f"--cert={pki}/healthcheck-client.crt", f"--key={pki}/healthcheck-client.key"),
        *("--write-out=json", "get", "/registry/namespaces/kube-system"),
    )
    said = json.loads(host.run(*ask, timeout_s=30).stdout)
    revisions = [found["create_revision"] for found in said.get("kvs", [])]
    return said["header"]["cluster_id"], next(iter(revisions), None)


def known(record: Identity | None) -> str | None:
    """Return the id of the etcd cluster that a host remembers, "" for none yet."""
    return None if record is None else record.cluster


@pytest.mark.parametrize("moment", DRAWN)
def test_a_bootstrap_that_lost_power_is_finished_by_the_next_one(
    undisturbed: Undisturbed,
    other: Lab,
    moment: str,
    chance: random.Random,
    tmp_path: Path,
    note: Note,
) -> None:
    def fresh() -> Run:
        other.down()
        other.up(bundle=cluster.bundle_folder())
        host = other.host("cp1")
        cluster.configure(host)
        return Run(host, BOOTSTRAP)

    part = moment.partition("-")[0]
    run, cut = cut_off(fresh, undisturbed.bootstrap_s, part=part, chance=chance)
    note(f"bootstrap: {cut}")
    cp1 = run.host
    left = unplugged.copied(cp1, tmp_path / "left", *OURS, f"{ETCD}/member/wal")
    before, data, record = kept(left), stored(left / ETCD), identity.read(left / RECORD)
    note(f"left: {len(before)} keys and CAs, of etcd {data}, a record of {known(record)}")

    assert torn(left, *OURS) == [], cut
    assert (left / "etc/kubeception/config.toml").exists(), cut
    assert record is None or record.is_legible, cut
    assert known(record) in {None, "", data and data.cluster}, cut

    cp1.boot()
    etcd = None
    if data is not None:
        cp1.run("systemctl", "start", "etcd.service", timeout_s=60)
        etcd = etcd_of(cp1)
    cluster.bootstrap(cp1)
    cluster.settle(cp1)

    after = kept(cp1.root())
    assert {path: after.get(path) for path in before} == before, cut
    assert torn(cp1.root(), *OURS) == [], cut
    now = stored(cp1.root() / ETCD)
    assert now is not None, cut
    assert data in {None, now}, cut
    assert known(identity.read(cp1.root() / RECORD)) == now.cluster, cut
    cluster_id, made_in = etcd_of(cp1)
    assert f"{cluster_id:x}" == now.cluster, cut
    assert etcd in {None, (cluster_id, made_in), (cluster_id, None)}, cut


def wiped(undisturbed: Undisturbed) -> Host:
    """Return the worker of a lab, forgotten by the cluster and made anew."""
    undisturbed.cp1.run("kubeception", "node", "remove", "w1", "--yes", timeout_s=120)
    place = undisturbed.lab.host("w1").place
    switch_off(place)
    files.remove_tree(place.state)
    undisturbed.lab.up(workers=1, bundle=cluster.bundle_folder())
    return undisturbed.lab.host("w1")


def client_keys(root: Path) -> set[bytes]:
    """Return the keys, by their public halves, that a host joins with or is known by."""
    found = (root / "var/lib/kubelet/pki").glob("kubelet-client-*")
    return {one.public for path in found for one in blocks(path) or ()}


def spent(cp1: Host, token: Token) -> list[Any]:
    """Return what a cluster remembers of a token: its state, who came in by it, and alerts."""
    listed = json.loads(cp1.run("kubeception", "token", "list", "-o", "json").stdout)
    nodes = json.loads(cp1.run("kubeception", "node", "list", "-o", "json").stdout)
    events = cluster.get(cp1, "events", "-A")["items"]
    return [
        *(one["state"] for one in listed if one["id"] == token.id),
        *(one["name"] for one in nodes if one.get("token") == token.id),
        *(one["reason"] for one in events if token.id in one["metadata"]["name"]),
    ]


@pytest.mark.parametrize("moment", DRAWN)
def test_a_join_that_lost_power_is_finished_with_the_same_token(
    undisturbed: Undisturbed, moment: str, chance: random.Random, tmp_path: Path, note: Note
) -> None:
    cp1, tokens = undisturbed.cp1, list[Token]()

    def fresh() -> Run:
        host = wiped(undisturbed)
        tokens.append(new_token(cp1))
        return Run(host, tokens[-1].argv, tokens[-1].text)

    part = moment.partition("-")[0]
    run, cut = cut_off(fresh, undisturbed.join_s, part=part, chance=chance)
    note(f"join: {cut}")
    w1 = run.host
    left = unplugged.copied(w1, tmp_path / "left", *OURS)
    before = client_keys(left)

    assert torn(left) == [], cut
    assert len(before) <= 1, cut

    w1.boot()
    w1.run(*run.argv, stdin=run.stdin, timeout_s=240)
    cluster.settle(cp1)

    after = client_keys(w1.root())
    assert after == before or not before, cut
    assert torn(w1.root(), *OURS) == [], cut
    assert spent(cp1, tokens[-1]) == ["spent", "w1"], cut
    ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    assert cluster.kubectl(cp1, "get", "nodes", "-o", ready) == "True True", cut
