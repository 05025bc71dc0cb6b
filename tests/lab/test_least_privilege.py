"""What somebody finds who has broken into a pod of the control plane: its own files, no way out."""

import hashlib
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import after_the_keeper, until
from tests.lab.machine import scaled
from tests.unit.render.test_pod_folder import TABLE

from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(600)]

KUBERNETES = "/etc/kubernetes"
PKI = f"{KUBERNETES}/pki"
# Each program of the control plane, and the component whose files it has.
COMPONENTS = {
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "serve": "kubeception",
    "controller": "kubeception-controller",
}
JOIN_POD = re.compile("kubeception-(?!controller)")
ROOTS = {"kube-apiserver", "kube-controller-manager"}
# What makes whoever has it the cluster's owner, or lets him pass as somebody else.
SECRETS = {
    f"{PKI}/{name}"
    for name in ("ca.key", "sa.key", "admin.key", "etcd/ca.key", "etcd/server.key", "apiserver.key")
}
ALLOWED = {
    "kube-apiserver": {f"{PKI}/sa.key", f"{PKI}/apiserver.key"},
    "kube-controller-manager": {f"{PKI}/ca.key", f"{PKI}/sa.key"},
}


@dataclass(frozen=True)
class Process:
    """A process of the control plane, as its host's kernel has it; files are its file system's."""

    program: str
    command: tuple[str, ...]
    user: int
    capabilities: int
    no_new_privileges: bool
    seccomp: int
    files: dict[str, str]


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    return healing.proven(lab)


@pytest.fixture
def cp1(made: Host, hosts: list[Host]) -> Host:
    assert len(hosts) == 1
    return made


def processes(host: Host, *words: str) -> list[Process]:
    """Return those of the control plane that run there."""
    host.put("/tmp/processes.py", Path(__file__).with_name("processes.py").read_text())
    done = host.run("python3", "/tmp/processes.py", *words, timeout_s=240)
    return [Process(**one) for one in json.loads(done.stdout)]


def digest(host: Host, path: str) -> str:
    return hashlib.sha256(host.get(path).encode()).hexdigest()


def check(one: Process, secrets: dict[str, str]) -> None:
    """Expect that it may nothing on its host, and has the files of the table and no secret else."""
    held = (one.capabilities, one.no_new_privileges, one.seccomp)
    assert held == (0, True, 2), (one.command, held)
    assert (one.user == 0) is (one.program in ROOTS), (one.command, one.user)
    found = {path for path in one.files if path.startswith(f"{KUBERNETES}/")}
    assert found == {f"{KUBERNETES}/{name}" for name in TABLE[COMPONENTS[one.program]]}
    has = {name for name, content in secrets.items() if content in one.files.values()}
    assert has == ALLOWED.get(one.program, set()), one.command


def test_each_has_its_own_files_and_may_nothing_on_its_host(cp1: Host) -> None:
    secrets = {path: digest(cp1, path) for path in SECRETS}

    found = processes(cp1, *COMPONENTS)

    twice = ("kube-controller-manager", "kube-scheduler")
    assert Counter(one.program for one in found) == Counter([*COMPONENTS, *twice])
    for one in found:
        check(one, secrets)


def test_the_same_holds_of_the_bootstrap_ones(cp1: Host) -> None:
    secrets = {path: digest(cp1, path) for path in SECRETS}
    ports = [f"--secure-port={port}" for port in (6444, 10267, 10269)]

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(processes, cp1, "--until", str(len(ports)), *ports)
        cluster.bootstrap(cp1, "--rebuild")
        found = looking.result()

    programs = {word: one for word in ports for one in found if word in one.command}
    assert [*programs] == ports
    for one in programs.values():
        check(Process(**{**vars(one), "program": one.command[0]}), secrets)
    assert healing.wait(cp1, patience_s=scaled(healing.SETTLED_S)) == []


def test_what_is_renewed_arrives_in_running_pods(cp1: Host) -> None:
    """None of them starts anew but the join service, which reads its own at its start."""
    names = ("apiserver", "controller-manager", "scheduler", "join")
    renewed = [f"{PKI}/{name}.crt" for name in names]
    before = {path: digest(cp1, path) for path in renewed}
    started = cluster.standing(cp1)["pods"]

    done = after_the_keeper(cp1, "kubeception", "certs", "renew", *names)

    assert done.code == 0, done.stderr
    after = {path: digest(cp1, path) for path in renewed}
    assert not {*before.values()} & {*after.values()}

    def has_arrived() -> bool:
        found = processes(cp1, *COMPONENTS)
        shown = [
            one.files[path] == after[path] for one in found for path in renewed if path in one.files
        ]
        return len(found) == len(shown) + 1 and all(shown)

    def is_other() -> set[str]:
        return {name for name, now in cluster.standing(cp1)["pods"].items() if now != started[name]}

    # The controller has no certificate; all others have one each.
    until(has_arrived, timeout_s=60)
    # A file that is there says nothing about the process that is to end for it.
    until(lambda: bool(is_other()), timeout_s=60)
    [join] = [name for name in started if JOIN_POD.match(name)]
    assert is_other() == {join}
    checked = cp1.run("kubeception", "certs", "check", check=False)
    assert checked.code == 0, checked.stdout


def test_the_keeper_brings_a_copy_up_to_date(cp1: Host) -> None:
    """Somebody has written to the folder of keys, where no pod looks any more."""
    copy = f"{KUBERNETES}/kubeception/kube-scheduler{PKI}/scheduler.crt"
    cp1.run("sh", "-c", f"echo >> {PKI}/scheduler.crt")
    checked = cp1.run("kubeception", "certs", "check", check=False)
    assert (checked.code, copy in checked.stdout) == (1, True)

    cp1.run("systemctl", "restart", "kubeception-keeper")

    until(lambda: digest(cp1, copy) == digest(cp1, f"{PKI}/scheduler.crt"), timeout_s=120)
    assert healing.wait(cp1, patience_s=scaled(healing.SETTLED_S)) == []


def test_programs_of_the_network_hold_its_capabilities_alone(cp1: Host) -> None:
    admin, raw = 1 << 12, 1 << 13  # capabilities(7): CAP_NET_ADMIN, CAP_NET_RAW
    found = {one.program: one for one in processes(cp1, "kube-proxy", "flanneld")}

    assert found["kube-proxy"].capabilities == admin
    assert found["flanneld"].capabilities == admin | raw
    for one in found.values():
        assert (one.no_new_privileges, one.seccomp) == (True, 2)
        assert not [path for path in one.files if path.startswith(f"{KUBERNETES}/")]
