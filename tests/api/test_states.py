"""Whatever a host has lost, or has of another cluster's: never two clusters, never another CA.

A host is a folder here; etcd is real, and starts where its guard lets it.
"""

import contextlib
import hashlib
import itertools
import os
import random
import shutil
import subprocess
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import pytest
from tests.api.rig import Ports, Program
from tests.conftest import Note
from tests.fixed import CONFIG, FACTS, HOST

from kubeception import authorities, losses
from kubeception.bundle.build import default_folder
from kubeception.cli.etcd import problems
from kubeception.conditions import Condition, wait_for
from kubeception.errors import PreflightError
from kubeception.etcd import data
from kubeception.gather import with_belongings
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.layout import OUR_MARK
from kubeception.phases import etcd as etcd_phase
from kubeception.phases import pki as pki_phase
from kubeception.render import keeper, kubelet
from kubeception.resources.file import File
from kubeception.resources.own_data import OwnData
from kubeception.session import Session
from kubeception.versions import BUILT_IN

AT = CONFIG.layout
IS_SOAK = "KUBECEPTION_SOAK" in os.environ
DRAWN = 24
PUBLISHED = "/registry/configmaps/kube-system/extension-apiserver-authentication"


class Whose(StrEnum):
    OWN = "own"
    MISSING = "missing"
    OTHER = "other"


PARTS: dict[str, tuple[str, ...]] = {
    "etcd data": ("var/lib/etcd/default.etcd",),
    "pki": ("etc/kubernetes/pki",),
    "member.json": ("etc/kubeception/member.json",),
    "manifests": ("etc/kubernetes/manifests",),
    "config": (
        "etc/kubernetes/etcd.env",
        "etc/kubernetes/kubelet.env",
        "etc/kubernetes/admin.conf",
    ),
}
STATES = [
    dict(zip(PARTS, chosen, strict=True)) for chosen in itertools.product(Whose, repeat=len(PARTS))
]


@dataclass
class Machine:
    """A host that is a folder: what is done to it, and which etcd clusters ever served on it."""

    root: Path
    binaries: Path
    ports: Ports

    def __post_init__(self) -> None:
        self.served: set[str] = set()
        self.changed_by_refusals = False

    def session(self) -> Session:
        return Session(CONFIG, Host(root=self.root), etcd_port=self.ports.etcd)

    def boot(self) -> list[str]:
        """Have etcd's unit start it; return why that is refused."""
        at = AT.etcd
        lay = {path: self.root / path.relative_to("/") for path in (AT.member, AT.progress)}
        where = (self.root / at.environment.relative_to("/"), lay[AT.member], lay[AT.progress])
        found = problems(self.root / at.data.relative_to("/"), *where)
        if not found:
            with contextlib.suppress(RuntimeError), self.etcd():
                pass  # without its keys it ends by itself
        return [f"{problem}; {hint}" for problem, hint in found]

    def bootstrap(self, *, first: bool = False) -> list[str]:
        """Do what bootstrap does to files, and etcd between; return why that is refused."""
        session = self.session()
        authorities.put_all_back(session)
        before = self.shape()
        try:
            losses.require(session)
            self._carry_out(pki_phase.plan, session)
            self._carry_out(etcd_phase.plan, session)
            if refusal := self.boot_quietly():
                return refusal
            with self.etcd(publishing=first):
                self._carry_out(etcd_phase.member, session)
        except PreflightError as error:
            # Only data that nobody remembers have to be asked themselves.
            if "these data are of a cluster" not in str(error):
                self.changed_by_refusals |= self.shape() != before
            return list(error.lines())
        for path, text in (
            (AT.units / keeper.UNIT, keeper.unit(CONFIG, HOST)),
            (AT.kubelet.environment, kubelet.environment(CONFIG, HOST)),
            (AT.kubelet.manifests / "theirs.yaml", "kind: Pod\n"),
        ):
            files.write(self.root / path.relative_to("/"), text)
        return []

    def boot_quietly(self) -> list[str]:
        where = (AT.etcd.data, AT.etcd.environment, AT.member, AT.progress)
        return [why for why, _ in problems(*(self.root / p.relative_to("/") for p in where))]

    def recover(self) -> list[str]:
        """Do what recover does before it changes anything."""
        session = self.session()
        authorities.put_all_back(session)
        try:
            losses.require(session)
        except PreflightError as error:
            return list(error.lines())
        return self.bootstrap()

    def _carry_out(self, plan: object, session: Session) -> None:
        assert callable(plan)
        for wanted in plan(CONFIG, replace(FACTS, host=with_belongings(HOST, session))):
            if isinstance(wanted, File) or hasattr(wanted, "entry") or hasattr(wanted, "public"):
                if wanted.drift(session):
                    wanted.apply(session)
            elif isinstance(wanted, OwnData) and wanted.drift(session):
                wanted.apply(session)

    def etcd(self, *, publishing: bool = False) -> "Running":
        return Running(self, publishing=publishing)

    def shape(self) -> dict[str, str]:
        """Return every file with its digest, but for etcd's own."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and "default.etcd" not in path.parts and path.suffix != ".log"
        }

    def authorities(self) -> set[bytes]:
        """Return every CA and the ServiceAccount key that there are."""
        own = (AT.pki.join_ca, AT.pki.kubelet_serving_ca)
        cas = (AT.pki.ca, AT.pki.etcd_ca, AT.pki.front_proxy_ca, *own)
        paths = [path for ca in cas for path in (ca.certificate, ca.key)]
        found = (self.root / p.relative_to("/") for p in (*paths, AT.pki.service_account_key))
        return {path.read_bytes() for path in found if path.exists()}


class Running:
    """etcd for the length of a block, with the settings and on the data that the folder has."""

    def __init__(self, machine: Machine, *, publishing: bool) -> None:
        self._machine, self._publishing = machine, publishing

    def __enter__(self) -> None:
        machine = self._machine
        root, ports = machine.root, machine.ports
        text = (root / AT.etcd.environment.relative_to("/")).read_text()
        assert text.startswith(OUR_MARK)
        for there, here in (
            (2379, ports.etcd),
            (2380, ports.etcd_peer),
            (2381, ports.etcd_metrics),
        ):
            text = text.replace(f":{there}", f":{here}")
        text = text.replace("/etc/kubernetes", f"{root}/etc/kubernetes")
        text = text.replace("/var/lib/etcd", f"{root}/var/lib/etcd")
        text = text.replace(str(HOST.address), "127.0.0.2")
        lines = (line.split("=", 1) for line in text.splitlines() if line.startswith("ETCD_"))
        settings = {name: value.strip('"') for name, value in lines}
        argv = [str(machine.binaries / "etcd"), "--unsafe-no-fsync"]
        self._etcd = Program.start(argv, root / "etcd.log", settings)
        session = machine.session()

        def problem(_: Session) -> str | None:
            if why := self._etcd.problem():
                raise RuntimeError(why)
            return session.etcd.problem()

        try:
            wait_for(Condition("etcd to serve", problem, timeout_s=30), session, lambda _: None)
            if self._publishing:
                self._publish(settings)
        except BaseException:
            self._etcd.end()
            raise
        found = data.stored(root / AT.etcd.data.relative_to("/"))
        assert found
        machine.served.add(found.cluster)

    def _publish(self, settings: dict[str, str]) -> None:
        """Have the data know a client CA, as an API server has them."""
        pki = self._machine.root / AT.pki.folder.relative_to("/")
        client = pki / "etcd/healthcheck-client"
        subprocess.run(
            [
                *(self._machine.binaries / "etcdctl", "put", PUBLISHED),
                *("--endpoints", f"https://127.0.0.1:{self._machine.ports.etcd}"),
                *("--cacert", pki / "etcd/ca.crt", "--cert", f"{client}.crt"),
                *("--key", f"{client}.key"),
            ],
            input=b"k8s\0..client-ca-file.." + (pki / "ca.crt").read_bytes(),
            check=True,
            capture_output=True,
        )

    def __exit__(self, *_: object) -> None:
        self._etcd.end()


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> dict[Whose, Machine]:
    """Two hosts that have had a cluster each."""
    binaries = default_folder(BUILT_IN.minor) / "bin"
    made = {}
    for whose in (Whose.OWN, Whose.OTHER):
        machine = Machine(tmp_path_factory.mktemp(whose), binaries, Ports.free())
        assert machine.bootstrap(first=True) == []
        assert machine.bootstrap() == []
        [_] = machine.served
        made[whose] = machine
    return made


def mixed(clusters: dict[Whose, Machine], state: dict[str, Whose], root: Path) -> Machine:
    """Make a host whose parts are its own, gone, or the other one's."""
    own = clusters[Whose.OWN]
    shutil.copytree(own.root, root)
    for part, whose in state.items():
        for name in PARTS[part]:
            at, source = root / name, clusters[Whose.OTHER].root / name
            if whose is not Whose.OWN:
                shutil.rmtree(at) if at.is_dir() else at.unlink()
            if whose is Whose.OTHER:
                shutil.copytree(source, at) if source.is_dir() else shutil.copy(source, at)
    return Machine(root, own.binaries, Ports.free())


@pytest.mark.timeout(3600 if IS_SOAK else 300)
def test_no_state_of_a_host_makes_a_second_cluster_or_another_ca(
    clusters: dict[Whose, Machine], tmp_path: Path, note: Note
) -> None:
    seed = random.randrange(10_000)
    chance = random.Random(seed)
    states = STATES if IS_SOAK else chance.sample(STATES, DRAWN)
    [own], [other] = (clusters[w].served for w in (Whose.OWN, Whose.OTHER))
    known = {key for machine in clusters.values() for key in machine.authorities()}
    refusals = 0
    for number, state in enumerate(states):
        machine = mixed(clusters, state, tmp_path / str(number))
        order = ["boot", "bootstrap", "recover"]
        chance.shuffle(order)
        told = f"seed {seed}: {state}, {order}"

        for step in order:
            refusal = getattr(machine, step)()

            refusals += bool(refusal)
            assert not machine.changed_by_refusals, f"{told}: {step} refused and changed something"
            assert machine.served <= {own, other}, f"{told}: a new cluster at {step}"
            assert machine.authorities() <= known, f"{told}: a new CA or key at {step}"
            named = [line for line in refusal if not line.startswith("hint: ")]
            assert all("/" in line for line in named), f"{told}: names no file: {named}"
            if refusal and step != "boot":
                ways = ("put ", "mount ", "kubeception bootstrap")
                assert any(way in line for line in refusal for way in ways), f"{told}: {refusal}"
            if not refusal and step != "boot":
                whole = {state["etcd data"], state["pki"]}
                assert whole in ({Whose.OWN}, {Whose.OTHER}), f"{told}: {step} went on"
        shutil.rmtree(machine.root)
    note(f"seed {seed}: {len(states)} of {len(STATES)} states, {refusals} refusals")
    assert refusals
