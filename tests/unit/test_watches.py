"""A kernel that lets root watch no more files is told: no kubelet would start."""

import subprocess
import sys

import pytest

# A user namespace has limits of its own (user_namespaces(7)), so nobody else on the machine goes
# without; the kernel's own are read as they are.
ASK = """
import sys
from pathlib import Path
from kubeception.diagnosis import hinted
from kubeception.host import watches
from kubeception.host.gateway import Host

if len(sys.argv) > 1:
    Path("/proc/sys/user", sys.argv[1]).write_text("0")
print(hinted.told(watches.look(Host())))
"""


def told(*limit: str) -> str:
    command = ("unshare", "--user", "--map-root-user", sys.executable, "-c", ASK, *limit)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("name", ["instances", "watches"])
def test_a_limit_of_watches_that_is_reached_is_told_with_what_gives_more(name: str) -> None:
    setting = f"fs.inotify.max_user_{name}"
    problem = told(f"max_inotify_{name}")

    assert problem.startswith("all ")
    assert f" of {setting} are in use (sysctl -w {setting}=" in problem


def test_where_there_are_some_left_nothing_is_told() -> None:
    assert told() == "None"
