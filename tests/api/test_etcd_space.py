"""A real etcd with a small quota: filled, told, and written to again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.api.rig import Ports, Program, Rig

from kubeception.conditions import current_problem, etcd_has_room
from kubeception.errors import KubeceptionError
from kubeception.etcd import space
from kubeception.etcd.client import EtcdClient
from kubeception.host.process import Completed, run

MIB = 2**20
QUOTA = 16 * MIB
VALUE = "x" * (MIB // 2)
NO_SPACE = "database space exceeded"


@dataclass(frozen=True)
class Small:
    """An etcd of a few MiB, and how to reach it."""

    rig: Rig
    ports: Ports
    program: Program

    @property
    def client(self) -> EtcdClient:
        return replace(self.rig.etcd, port=self.ports.etcd)

    def etcdctl(self, *words: str, stdin: str | None = None) -> Completed:
        client = self.client
        flags = (
            f"--endpoints=https://127.0.0.1:{self.ports.etcd}",
            *(f"--cacert={client.ca}", f"--cert={client.certificate}", f"--key={client.key}"),
        )
        argv = (str(self.rig.bin / "etcdctl"), *flags, *words)
        return run(argv, stdin=stdin, check=False, timeout=30)

    def put(self, key: str, value: str = VALUE) -> str:
        """Write something, and return why that was refused."""
        return self.etcdctl("put", key, stdin=value).stderr

    def fill(self, key: str) -> None:
        """Write until nothing more is taken; `key` may have the number of the turn in it."""
        for turn in range(64):
            if NO_SPACE in self.put(key.format(turn)):
                return
        raise AssertionError("it took all of it")


@pytest.fixture
def small(rig: Rig, tmp_path: Path) -> Iterator[Small]:
    ports = Ports.free()
    of_rig = rig.programs["etcd"].environment
    moved = {
        str(rig.ports.etcd): str(ports.etcd),
        str(rig.ports.etcd_peer): str(ports.etcd_peer),
        str(rig.ports.etcd_metrics): str(ports.etcd_metrics),
    }
    environment = {
        name: re.sub(r"\d+$|\d+(?=,)", lambda found: moved.get(found[0], found[0]), value)
        for name, value in of_rig.items()
    }
    environment["ETCD_DATA_DIR"] = str(tmp_path / "data")
    argv = [*rig.programs["etcd"].argv, f"--quota-backend-bytes={QUOTA}"]
    program = Program.start(argv, tmp_path / "etcd.log", environment)
    made = Small(rig, ports, program)
    try:
        rig.until("the small etcd", lambda: made.client.problem() is None)
        yield made
    finally:
        program.end()


def test_a_member_with_room_says_nothing(small: Small) -> None:
    found = space.look(small.client)

    assert (found.quota, found.is_full, found.is_near) == (QUOTA, False, False)


def test_one_that_is_nearly_full_is_told_before_it_takes_no_writes(small: Small) -> None:
    # What is taken is known late where the disk is busy: so little at a time that it can't matter.
    while not (found := space.look(small.client)).is_near:
        assert small.put("again", VALUE[: len(VALUE) // 4]) == ""

    assert not found.is_full
    assert re.fullmatch(r"etcd: \d\d% of its 16 MiB are taken, \d+% in use", str(found))
    assert found.is_worth_freeing is (found.in_use < found.size / 2)


def test_what_is_full_of_history_is_written_to_again(small: Small) -> None:
    small.fill("the same")
    with small.rig.session() as session:
        session.etcd_port = small.ports.etcd
        problem = current_problem(etcd_has_room(), session)
        assert problem and problem.startswith("etcd takes no writes: ")
        assert small.client.problem() is None  # it serves, all the same

        freed = space.free(small.client)

        assert current_problem(etcd_has_room(), session) is None
    assert not freed.is_near
    assert small.put("another") == ""
    assert small.etcdctl("get", "the same", "--print-value-only").stdout.strip() == VALUE
    space.free(small.client)  # again, with nothing to do


def test_what_is_full_of_data_is_told_and_written_to_once_some_are_gone(small: Small) -> None:
    for again in range(8):  # what is free in its file is used up first
        small.fill(f"key-{again}-{{}}")
        small.client.defragment()
        if space.look(small.client).size >= space.ENOUGH * QUOTA:
            break
        space.free(small.client)

    with pytest.raises(KubeceptionError, match="etcd takes no writes") as caught:
        space.free(small.client)
    assert caught.value.hint == space.HINT
    assert NO_SPACE in small.put("more")

    small.etcdctl("del", "--prefix", "key-0")
    space.free(small.client)
    assert small.put("more") == ""
