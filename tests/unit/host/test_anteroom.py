"""Who comes too early waits, and is told when to come again."""

import socket
from collections.abc import Iterator

import pytest

from kubeception.errors import KubeceptionError
from kubeception.host.anteroom import Anteroom

HERE = "127.0.0.1"


@pytest.fixture
def port() -> int:
    with socket.create_server((HERE, 0)) as server:
        number: int = server.getsockname()[1]
        return number


@pytest.fixture
def anteroom(port: int) -> Iterator[Anteroom]:
    with Anteroom() as made:
        made.open(HERE, port=port)
        yield made


def test_a_connection_waits_and_ends_when_the_anteroom_closes(
    anteroom: Anteroom, port: int
) -> None:
    with socket.create_connection((HERE, port)) as client:
        client.sendall(b"hello")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)

        anteroom.close(HERE)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_closed_one_takes_nobody(anteroom: Anteroom, port: int) -> None:
    anteroom.close(HERE)
    anteroom.close(HERE)

    assert not anteroom.is_open(HERE)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HERE, port))


def test_it_closes_with_the_block(port: int) -> None:
    with Anteroom() as anteroom:
        anteroom.open(HERE, port=port)
        assert anteroom.is_open(HERE)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HERE, port))


def test_a_stranger_on_the_port_is_named(anteroom: Anteroom, port: int) -> None:
    with Anteroom() as second, pytest.raises(KubeceptionError) as caught:
        second.open(HERE, port=port)

    assert caught.value.message == f"{HERE}:{port}: Address already in use"
    assert caught.value.hint == f"ss -tlnp 'sport = :{port}'"
