"""A limit of processes and threads is named by whatever the kernel refuses for it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeception.host.process import Completed, run

PREFLIGHT = f"{sys.executable} -m kubeception preflight"
A_PROGRAM = f"""{sys.executable} -c '
from kubeception.errors import KubeceptionError
from kubeception.host.process import run
try:
    run(["true"])
except KubeceptionError as error:
    print(*error.lines(), sep=chr(10))
'"""


def in_a_shell(script: str, *before: str) -> Completed:
    ours = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return run([*before, "bash", "-c", script], check=False, env=ours)


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group for whose tasks there may be a limit."""
    version_1 = Path("/sys/fs/cgroup/pids")
    top = version_1 if version_1.exists() else Path("/sys/fs/cgroup")
    folder = top / f"kubeception-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    folder.rmdir()


def within(group: Path, most: int, script: str) -> Completed:
    (group / "pids.max").write_text(str(most))
    return in_a_shell(f"echo $$ > {group}/cgroup.procs; exec {script}")


def test_a_group_with_too_few_tasks_is_told_with_what_mends_it(group: Path) -> None:
    words = f"{group} may have %d processes and threads, as by TasksMax"

    done = within(group, 2, PREFLIGHT)

    error, hint = done.stderr.splitlines()
    assert (done.code, error) == (1, f"error: can't start new thread: {words % 2}")
    said = within(group, 1, A_PROGRAM).stdout.splitlines()
    assert said == [f"error: true: resource temporarily unavailable: {words % 1}", hint]
    run(["sh", "-c", hint.removeprefix("hint: ")])
    again = in_a_shell(f"echo $$ > {group}/cgroup.procs; exec {PREFLIGHT}")
    assert "preflight: " in again.stdout
    assert "Traceback" not in done.stderr + again.stderr


def test_a_user_who_may_have_too_few_processes_is_told_with_what_mends_it() -> None:
    nobody = ("setpriv", "--reuid=65533", "--regid=65533", "--clear-groups")
    limited = ("prlimit", "--nproc=1:", *nobody)

    said = in_a_shell(f"exec {A_PROGRAM}", *limited).stdout

    error, hint = said.splitlines()
    assert error.endswith(": this user may have 1 processes and threads, by RLIMIT_NPROC")
    mended = in_a_shell(f"{hint.removeprefix('hint: ')}; exec {A_PROGRAM}", *limited)
    assert (mended.stdout, mended.stderr) == ("", "")
