"""One process at a time, and the others learn who it is."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kubeception.errors import Locked
from kubeception.host.lock import hold

HOLDER = """
import sys; from pathlib import Path; from kubeception.host.lock import hold
with hold(Path(sys.argv[1]), "a long bootstrap"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Let another process hold a lock until its standard input closes."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
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
    assert path.stat().st_mode & 0o777 == 0o600
