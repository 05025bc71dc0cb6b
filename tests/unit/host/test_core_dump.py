"""A process that crashes leaves a core dump, and one that refused it leaves none."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = """
import os, resource, signal
from kubeception.host import core_dump
_, most = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
{first}
os.kill(os.getpid(), signal.SIGSEGV)
"""


@pytest.mark.parametrize(("first", "leaves_one"), [("", True), ("core_dump.refuse()", False)])
def test_a_crash_leaves_what_was_not_refused(first: str, leaves_one: bool, tmp_path: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    assert most, "this machine allows no core dumps, so that nothing can be seen here"
    argv = [sys.executable, "-c", CRASH.format(first=first)]
    process = subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.DEVNULL)

    _, status = os.waitpid(process.pid, 0)

    process.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert os.WCOREDUMP(status) is leaves_one
