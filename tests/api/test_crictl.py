"""A runtime that serves no kubelet is told by the real crictl, however slow the machine is."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.api.rig import Rig

from kubeception.host import crictl
from kubeception.host.gateway import Host


@pytest.fixture(autouse=True)
def own_crictl(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{rig.bin}:/usr/bin:/bin")


@contextmanager
def listening(at: Path, says: bytes) -> Iterator[None]:
    """Somebody who takes connections, says something on each or nothing, and hears nobody."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(at))
        server.listen()

        def serve() -> None:
            while says:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.sendall(says)
                    connection.recv(1 << 16)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("limit_s", [1.0, 30.0])
def test_a_runtime_that_says_nothing_hangs_whoever_gives_up_first(
    limit_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow machine our limit is longer than that after which crictl leaves."""
    monkeypatch.setattr(crictl, "_ANSWERS_WITHIN_S", limit_s)
    with listening(tmp_path / "runtime.sock", b""):
        assert crictl.problem(Host(), tmp_path / "runtime.sock") == crictl.HANGS


def test_whoever_says_something_else_is_told_by_it(tmp_path: Path) -> None:
    with listening(tmp_path / "runtime.sock", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        found = crictl.problem(Host(), tmp_path / "runtime.sock")

    assert found is not None
    assert found.startswith("crictl ended with exit code 1: ")


def test_where_nobody_is_it_is_others_who_say_so(tmp_path: Path) -> None:
    assert crictl.problem(Host(), tmp_path / "runtime.sock") is None
