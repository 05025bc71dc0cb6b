"""A run can be killed right before each durable change, and at the next one it has not died at."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.killed import ended, ratchet, steps_of

from kubeception import crash
from kubeception.host import files


def test_nothing_happens_unless_it_is_asked_for(tmp_path: Path) -> None:
    crash.before("write", tmp_path)

    assert not {crash.AT, crash.LOG} & set(os.environ)
    assert list(tmp_path.iterdir()) == []


def test_a_run_dies_by_sigkill_right_before_the_step_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"

    assert ended(lambda: files.write(path, "text"), at=f"rename to {path}") == -signal.SIGKILL
    assert not path.exists()
    assert ended(lambda: files.write(path, "text"), at=f"sync the folder of {path}") < 0
    assert path.read_text() == "text"


@pytest.mark.parametrize("number", range(4))
def test_the_ratchet_dies_once_at_each_step_and_then_ends(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "folder"

    def work() -> None:
        for n in range(number):
            files.write(folder / f"{n}", "text")

    steps = ratchet(work, log=tmp_path / "log")

    assert len(steps) == len(set(steps))
    assert steps == steps_of(work_elsewhere(work, folder), log=tmp_path / "again")
    assert len(steps) == (1 + 3 * number if number else 0)


def work_elsewhere(work: Callable[[], None], folder: Path) -> Callable[[], None]:
    """The same work from the start: on a folder that is gone."""

    def again() -> None:
        files.remove_tree(folder)
        work()

    return again
