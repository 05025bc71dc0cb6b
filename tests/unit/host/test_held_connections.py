"""Who comes too early waits, and is told when to come again."""

import socket
from collections.abc import Iterator

import pytest

from kubeception.endpoints import LOOPBACK
from kubeception.errors import KubeceptionError
from kubeception.host.held_connections import HeldConnections

HERE = LOOPBACK


@pytest.fixture
def port() -> int:
    with socket.create_server((str(HERE), 0)) as server:
        number: int = server.getsockname()[1]
        return number


@pytest.fixture
def held_connections(port: int) -> Iterator[HeldConnections]:
    with HeldConnections() as made:
        made.open(HERE, port=port)
        yield made


def test_a_connection_waits_and_ends_when_they_are_let_go(
    held_connections: HeldConnections, port: int
) -> None:
    with socket.create_connection((str(HERE), port)) as client:
        client.sendall(b"hello")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)

        held_connections.close(HERE)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_closed_one_takes_nobody(held_connections: HeldConnections, port: int) -> None:
    held_connections.close(HERE)
    held_connections.close(HERE)

    assert not held_connections.is_open(HERE)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(HERE), port))


def test_it_closes_with_the_block(port: int) -> None:
    with HeldConnections() as held_connections:
        held_connections.open(HERE, port=port)
        assert held_connections.is_open(HERE)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(HERE), port))


def test_a_stranger_on_the_port_is_named(held_connections: HeldConnections, port: int) -> None:
    with HeldConnections() as second, pytest.raises(KubeceptionError) as caught:
        second.open(HERE, port=port)

    assert caught.value.message == f"{HERE}:{port}: Address already in use"
    assert caught.value.hint == f"ss -tlnp 'sport = :{port}'"
