"""A command that knows a secret leaves no core dump, whatever ends it."""

import array
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from tests.api.apart import apart
from tests.api.network import new
from tests.api.rig import Rig

from kubeception.endpoints import API_PORT
from kubeception.host.process import run

KUBECEPTION = ("prlimit", "--core=unlimited", "--", sys.executable, "-m", "kubeception")
JOIN = ("join", "--url", "https://127.0.0.1:1/join", "--token-file", "-")


def crashes_without_a_core(process: "subprocess.Popen[bytes]") -> bool:
    process.send_signal(signal.SIGSEGV)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    return os.WTERMSIG(status) == signal.SIGSEGV and not os.WCOREDUMP(status)


def unread(pipe: int) -> int:
    """Return how many bytes of a pipe nobody has read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def test_a_join_that_crashes_with_its_token_leaves_none(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*KUBECEPTION, *JOIN], stdin=reading, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        os.write(writing, b"kc1.")  # and never the rest
        until = time.monotonic() + 30
        while unread(reading) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert process.poll() is None and not unread(reading)

        assert crashes_without_a_core(process)
    finally:
        os.close(reading)
        os.close(writing)


@contextlib.contextmanager
def etc(folder: Path) -> Iterator[Path]:
    """Lay a folder of the test's over /etc."""
    run(["mount", "-t", "tmpfs", "tmpfs", folder])
    for name in ("upper", "work"):
        (folder / name).mkdir()
    options = f"lowerdir=/etc,upperdir={folder}/upper,workdir={folder}/work"
    run(["mount", "-t", "overlay", "overlay", "-o", options, "/etc"])
    yield Path("/etc")


@apart
def test_the_making_of_a_token_that_crashes_leaves_none(rig: Rig, tmp_path: Path) -> None:
    """It asks the API, which never answers here, before it makes one: no dump from then on."""
    config = tmp_path / "config.toml"
    config.write_text('version = 1\n[node]\naddress = "192.0.2.10"\n')
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    with new(), etc(overlay) as here, socket.create_server(("127.0.0.1", API_PORT)) as api:
        shutil.rmtree(here / "kubernetes", ignore_errors=True)
        shutil.copytree(rig.root / "etc/kubernetes", here / "kubernetes")
        process = subprocess.Popen(
            [*KUBECEPTION, "token", "create", "--any-node", "--config", config],
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        api.settimeout(30)
        asking, _ = api.accept()
        with asking:
            assert crashes_without_a_core(process)
