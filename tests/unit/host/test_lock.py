"""One process at a time, and the others learn who it is; a person goes before the keeper."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeception.errors import Locked
from kubeception.host import lock
from kubeception.host.lock import hold

HOLDER = """
import sys; from pathlib import Path; from kubeception.host.lock import hold
with hold(Path(sys.argv[1]), "a long bootstrap"):
    print("held", flush=True)
    sys.stdin.read()
"""
# What it is at: a program of its own that never ends.
KEEPER = """
import subprocess, sys
from pathlib import Path
from kubeception.errors import Locked
from kubeception.host.lock import hold
try:
    with hold(Path(sys.argv[1]), "kubeception keeper", gives_way=True):
        print("held", flush=True)
        try:
            subprocess.run(["sleep", "600"])
        except Exception:
            print("taken for a failure", flush=True)
except Locked as error:
    print(error.message, flush=True)
"""
# A moment, on a machine that is busy with other tests.
SOON_S = 20.0


@contextlib.contextmanager
def holder(path: Path, program: str = HOLDER) -> Iterator["subprocess.Popen[str]"]:
    """Let another process hold a lock until its standard input closes."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process


def test_the_holder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run/lock"
    with holder(path) as process, pytest.raises(Locked) as caught, hold(path, "another one"):
        pass

    assert caught.value.message == f"{path} is held by pid {process.pid}: a long bootstrap"
    assert caught.value.hint


def test_a_holder_that_ends_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path):
        pass

    with hold(path, "the next one"):
        assert path.read_text().endswith(": the next one\n")
    assert path.read_text() == ""


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        process.kill()

    with hold(path, "the next one"):
        assert path.read_text().endswith(": the next one\n")


def test_it_is_not_held_twice_by_one_process_either(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold(path, "first"), pytest.raises(Locked, match="first"), hold(path, "second"):
        pass


def test_nobody_else_can_hold_it(tmp_path: Path) -> None:
    """Whoever can open a file to read it can lock it, and so keep everybody from the host."""
    path = tmp_path / "lock"
    path.touch(mode=0o644)

    with hold(path, "a bootstrap"):
        pass
    assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


def test_the_keeper_gives_way_to_a_person_whatever_it_is_at(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path, KEEPER) as keeper:
        started = time.monotonic()
        with hold(path, "kubeception reset"):
            took_s = time.monotonic() - started
            assert lock.holder(path) == f"pid {os.getpid()}: kubeception reset"
        assert keeper.stdout
        assert keeper.stdout.read() == f"gave way to pid {os.getpid()}: kubeception reset\n"

    assert took_s < SOON_S


def test_the_keeper_does_not_begin_while_a_person_waits(tmp_path: Path) -> None:
    """He waits for a keeper that stands still, and so can't give way just now."""
    path = tmp_path / "lock"
    with holder(path, KEEPER) as keeper:
        keeper.send_signal(signal.SIGSTOP)
        person = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)])
        try:
            wanted = f"pid {person.pid}: a long bootstrap"
            until(lambda: lock.holder(path.with_name("lock.wanted")) == wanted)
            own = hold(path, "kubeception keeper", gives_way=True)
            with pytest.raises(Locked, match=f"is wanted by {wanted}"), own:
                pass
        finally:
            person.kill()
            person.wait()
        keeper.kill()

    assert lock.holder(path) is None
    with hold(path, "kubeception keeper", gives_way=True):
        assert lock.holder(path) == f"pid {os.getpid()}: kubeception keeper"


def test_a_person_does_not_wait_for_another_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        started = time.monotonic()
        with pytest.raises(Locked, match=f"pid {process.pid}"), hold(path, "a reset"):
            pass

    assert time.monotonic() - started < SOON_S


def test_who_only_looks_keeps_nobody_out(tmp_path: Path) -> None:
    path, ended = tmp_path / "lock", threading.Event()
    path.touch()

    def look() -> None:
        while not ended.is_set():
            lock.holder(path)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for number in range(300):
            with hold(path, f"run {number}"):
                pass
    finally:
        ended.set()
        for looker in lookers:
            looker.join()


def test_after_it_has_given_way_a_signal_means_what_it_did(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)

    with hold(tmp_path / "lock", "kubeception keeper", gives_way=True):
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_keeper_is_interrupted_and_a_person_is_not(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path, KEEPER) as keeper:
        lock.interrupt(path, "kubeception keeper pause")
        assert keeper.stdout
        assert keeper.stdout.read().startswith("gave way to ")
    with holder(path) as person:
        lock.interrupt(path, "kubeception keeper pause")
        assert lock.holder(path) == f"pid {person.pid}: a long bootstrap"
    lock.interrupt(path, "kubeception keeper pause")
    assert lock.holder(path) is None
