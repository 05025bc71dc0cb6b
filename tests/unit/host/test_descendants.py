"""A process that ends leaves none of the programs that it has started, nor of theirs."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

# Generations that no signal but SIGKILL ends, and a thread that goes on starting more.
PROGRAM = """
import threading
from kubeception.errors import KubeceptionError
from kubeception.host import descendants, process

# Its name is cut within a letter, as the kernel does.
named = r"printf 'aaaaaaaaaaaaaa\\303' > /proc/$$/comm"
below = "sleep 1000 & sh -c \\"sleep 1000; true\\" & echo; wait; true"
stubborn = f"{named}; trap '' TERM; sh -c '{below}' >&2"
threading.Thread(target=process.run, args=[["sh", "-c", stubborn]], daemon=True).start()
many = threading.Event()

def go_on():
    for count in range(10**9):
        try:
            process.run(["sleep", "0.01"], check=False)
        except KubeceptionError as error:
            print(error.message)
            return
        if count == 5:
            many.set()

starting = threading.Thread(target=go_on)
starting.start()
many.wait()
descendants.end()
starting.join()
"""


def members(session: int) -> list[str]:
    """Return the processes of a session that have not ended, as proc_pid_stat(5) has them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just gone
            text = stat.read_text(errors="replace")
            state, *_, own = text.rpartition(")")[2].split()[:4]
            if int(own) == session and state != "Z":
                found.append(text)
    return found


def test_none_is_left_and_none_is_started_any_more() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    try:
        said, _ = child.communicate(timeout=60)
        left = members(child.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    assert child.returncode == 0
    assert said == "no program is started any more: this process is ending\n"
    assert left == []
