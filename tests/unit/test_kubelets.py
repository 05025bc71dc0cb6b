"""On which nodes logs and commands are tried, why they fail, and how a command's end is read."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from tests import slow
from tests.fixed import NOW
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping

from kubeception.conditions.kubelets import (
    MOST_TRIED,
    TIMEOUT_S,
    TURN_S,
    cause,
    patiently,
    tried,
)
from kubeception.errors import ApiError
from kubeception.kube import pod_command

NODES = [f"n{number:04}" for number in range(1000)]
# Of this host's own: a port there answers at once.
AT = "127.0.0.12"
DIAL = f'Get "https://{AT}:10250/containerLogs/kube-system/kube-flannel-x/flannel": '
CA = Path("/etc/kubernetes/pki/ca.crt")
FORBIDDEN = "Forbidden (user=it, verb=get, resource=nodes, subresource(s)=[proxy])"


def test_every_node_has_its_turn() -> None:
    looks = range(len(NODES) // MOST_TRIED + 1)
    turns = [tried(NODES, (), NOW + timedelta(seconds=TURN_S * look)) for look in looks]

    assert {len(turn) for turn in turns} == {MOST_TRIED}
    assert set.union(*turns) == set(NODES)
    assert tried(NODES[:MOST_TRIED], (), NOW) == set(NODES[:MOST_TRIED])
    assert tried([], (), NOW) == set()


def test_where_it_failed_is_tried_again_beside_others() -> None:
    suspects = {"n0007", "n0900", "gone"}
    for look in range(40):
        turn = tried(NODES, suspects, NOW + timedelta(seconds=TURN_S * look))
        assert {"n0007", "n0900"} <= turn
        assert len(turn) == MOST_TRIED
    assert len(tried(NODES, NODES, NOW) - set(NODES[: MOST_TRIED // 2])) == MOST_TRIED // 2


@pytest.mark.parametrize(
    ("status", "said", "is_well", "told"),
    [
        (
            500,
            f"{DIAL}dial tcp {AT}:10250: connect: connection refused",
            False,
            f"{AT}:10250 refuses connections (there: kubeception status)",
        ),
        (
            500,
            "error: dial tcp 127.0.0.1:41235: connect: connection refused",
            True,
            "the container runtime does not serve it: error: dial tcp 127.0.0.1:41235:"
            " connect: connection refused (there: systemctl restart containerd.service)",
        ),
        (
            0,
            "timed out",
            True,
            "no answer by way of the container runtime"
            " (there: systemctl restart containerd.service)",
        ),
        (
            0,
            "timed out",
            False,
            f"{AT}:10250 takes connections and says nothing"
            " (there: systemctl restart kubelet.service)",
        ),
        (
            500,
            f"{DIAL}tls: failed to verify certificate: x509: signed by unknown authority",
            False,
            f"{AT}:10250 shows a wrong certificate: x509: signed by unknown authority"
            " (there: kubeception certs check)",
        ),
        (
            403,
            FORBIDDEN,
            False,
            f"{AT}:10250 refuses the API server: {FORBIDDEN} (kubeception bootstrap)",
        ),
        (
            401,
            "the server has asked for the client to provide credentials ( pods/log it)",
            False,
            f"{AT}:10250 does not know the API server's certificate"
            f" (kubeception certs check; if that finds nothing, scp {CA} {AT}:{CA})",
        ),
        (
            500,
            "container not found",
            True,
            "container not found (there: journalctl -u kubelet.service -n 50)",
        ),
    ],
)
def test_a_cause_is_told_by_what_was_said(
    status: int, said: str, told: str, *, is_well: bool
) -> None:
    assert cause(ApiError(status, "", said), AT, ca=CA, is_well=is_well) == told


@pytest.mark.parametrize(("status", "limits"), [(0, 2), (403, 1)])
def test_who_is_silent_gets_more_time_where_all_is_slow(status: int, limits: int) -> None:
    asked: list[float] = []

    def way(timeout_s: float) -> None:
        asked.append(timeout_s)
        if len(asked) == 1:
            raise ApiError(status, "", "timed out")

    with slow.machine():
        error = patiently(way, AT)

    assert (error is None) is (limits == 2)
    assert len(asked) == limits
    assert asked == sorted({TIMEOUT_S, *asked})


class Served:
    """A connection on which a server has said all that it says, a few bytes at a time."""

    def __init__(self, events: Sequence[Event]) -> None:
        server = Connection(ConnectionType.SERVER)
        self.left = b"".join(map(server.send, events))
        self.heard = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        assert timeout is None or timeout > 0
        now, self.left = self.left[:7], self.left[7:]
        return now

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.heard += buffer


ENDED = {"metadata": {}, "status": "Success"}


def test_how_a_command_ended_is_read_among_all_else() -> None:
    said = json.dumps(ENDED).encode()
    stream = Served(
        [
            BytesMessage(b"\x01printed, {"),
            Ping(b"there?"),
            BytesMessage(b"\x03" + said[:9], message_finished=False),
            BytesMessage(said[9:]),
        ]
    )

    assert pod_command.outcome(stream, timeout_s=5) == ENDED
    assert len(stream.heard) > len(b"there?")


@pytest.mark.parametrize("events", [[], [BytesMessage(b"\x01printed")], [CloseConnection(1000)]])
def test_a_connection_that_ends_before_the_command_is_an_error(events: Sequence[Event]) -> None:
    with pytest.raises(OSError, match="ended before the command"):
        pod_command.outcome(Served(events), timeout_s=5)


def test_a_command_that_does_not_end_has_a_limit() -> None:
    with pytest.raises(TimeoutError, match="timed out"):
        pod_command.outcome(Served([BytesMessage(b"\x01more")]), timeout_s=0)
