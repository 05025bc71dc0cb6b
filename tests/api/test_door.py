"""The door in a network of its own: where new connections go, and that old ones stay."""

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest
from tests.api.network import new
from tests.fixed import CONFIG

from kubeception import conditions
from kubeception.conditions import current_problem
from kubeception.host import door
from kubeception.host.process import run
from kubeception.resources.door import Door
from kubeception.session import Session

OURS, THEIRS = "192.0.2.10", "192.0.2.11"
SERVICE = "10.96.0.1"
RULES: dict[str, Any] = {
    "port": 6443,
    "address": ip_address(OURS),
    "service_address": ip_address(SERVICE),
}

# Says which port answered, as a client in another network sees it.
CLIENT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as made:
        print(made.recv(9).decode())
except OSError as error:
    print(error.strerror)
"""


class Servers:
    """Servers that say their own port to whoever connects, and then repeat what they hear."""

    def __init__(self) -> None:
        self.open = contextlib.ExitStack()

    def close(self) -> None:
        self.open.close()

    def start(self, port: int, *, address: str = "0.0.0.0") -> None:
        listening = self.open.enter_context(socket.create_server((address, port)))
        # shutdown wakes the thread that waits for connections.
        self.open.callback(listening.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._serve, args=(listening, port), daemon=True).start()

    def _serve(self, listening: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                made, _ = listening.accept()
                threading.Thread(target=self._answer, args=(made, port), daemon=True).start()

    def _answer(self, made: socket.socket, port: int) -> None:
        with made, contextlib.suppress(OSError):
            made.sendall(str(port).encode())
            while heard := made.recv(99):
                made.sendall(heard)


@dataclass
class Networks:
    """Our network, in which this thread is, and another one with a wire to it."""

    outside: list[str]
    servers: Servers

    def ask(self, address: str, port: int, *, outside: bool = False) -> str:
        """Return which port answers a new connection, or why none does."""
        prefix = self.outside if outside else []
        return run([*prefix, sys.executable, "-c", CLIENT, address, str(port)]).stdout.strip()


@pytest.fixture
def networks() -> Iterator[Networks]:
    """Two network namespaces; they are gone when this thread leaves them."""
    with new() as other, new(), contextlib.closing(Servers()) as servers:
        outside = ["nsenter", f"--net={other}"]
        peer = ["peer", "name", "here", "netns", str(os.getpid())]
        run([*outside, "ip", "link", "add", "there", "type", "veth", *peer])
        for prefix, link, address, way in (
            ([], "here", OURS, THEIRS),
            (outside, "there", THEIRS, OURS),
        ):
            run([*prefix, "ip", "address", "add", f"{address}/24", "dev", link])
            run([*prefix, "ip", "link", "set", link, "up"])
            run([*prefix, "ip", "route", "add", "default", "via", way])
        yield Networks(outside, servers)


@pytest.fixture
def session() -> Session:
    return Session(CONFIG)


def test_a_door_says_where_it_leads(networks: Networks) -> None:
    assert door.read() is None

    door.build(**RULES, inside=6444, outside=0)
    assert door.read() == door.DoorState(6444, 0, door.rules(**RULES))
    door.turn(inside=6445, outside=6445)
    assert door.read() == door.DoorState(6445, 6445, door.rules(**RULES))
    door.build(**RULES, inside=6446, outside=6445)
    assert door.read() == door.DoorState(6446, 6445, door.rules(**RULES))

    door.remove()
    door.remove()
    assert door.read() is None


def test_rules_are_told_apart() -> None:
    others = [{**RULES, "port": 7443}, {**RULES, "address": THEIRS}]
    others += [{**RULES, "service_address": "10.3.0.1"}]

    assert len({door.rules(**rules) for rules in (RULES, RULES, *others)}) == 4


def test_new_connections_go_where_it_leads(networks: Networks) -> None:
    for port in (6444, 6445, 6446):
        networks.servers.start(port)
    ways = [("127.0.0.1", 6443), (OURS, 6443), (SERVICE, 443)]

    door.build(**RULES, inside=6445, outside=6445)
    for port in (6445, 6446, 6445):
        door.turn(inside=port, outside=port)
        assert {networks.ask(*way) for way in ways} == {str(port)}
        assert {networks.ask(*way, outside=True) for way in ways[1:]} == {str(port)}


def test_a_connection_that_stands_stays(networks: Networks) -> None:
    for port in (6445, 6446):
        networks.servers.start(port)
    door.build(**RULES, inside=6445, outside=6445)

    with socket.create_connection(("127.0.0.1", 6443), timeout=5) as standing:
        assert standing.recv(9) == b"6445"
        door.turn(inside=6446, outside=6446)
        door.build(**RULES, inside=6446, outside=6446)
        assert networks.ask("127.0.0.1", 6443) == "6446"
        standing.sendall(b"still there?")
        assert standing.recv(99) == b"still there?"


DROPS = {
    "a port that nobody opened": "chain in { type filter hook input priority 0; policy drop;\n"
    " iif lo accept\n tcp dport 6445 accept\n ct state established accept\n }",
    "whoever comes by a link": "chain in { type filter hook input priority 0;\n"
    " iifname here tcp dport 6446 drop\n }",
    "a reset": "chain in { type filter hook input priority 300;\n"
    " iifname here tcp dport 6446 reject with tcp reset\n }",
    "the answer": "chain out { type filter hook output priority 0;\n"
    " oifname here tcp sport 6446 drop\n }",
}


@pytest.mark.parametrize("name", DROPS)
def test_it_is_told_who_has_come_and_whose_connection_stood(name: str, networks: Networks) -> None:
    for port in (6445, 6446):
        networks.servers.start(port)
    door.build(**RULES, inside=6446, outside=6446)
    run(["nft", "-f", "-"], stdin=f"table inet hostile {{\n{DROPS[name]}\n}}\n")
    assert networks.ask(OURS, 6443) == "6446"
    assert _callers() == (set(), set())

    assert networks.ask(OURS, 6443, outside=True) != "6446"
    assert _callers() == ({(THEIRS, 6446)}, set())
    door.turn(inside=6445, outside=6445)
    assert _callers() == (set(), set())
    assert networks.ask(OURS, 6443, outside=True) == "6445"
    assert _callers() == ({(THEIRS, 6445)}, {(THEIRS, 6445)})

    run(["nft", "delete", "table", "inet", "hostile"])
    door.turn(inside=6446, outside=6446)
    assert _callers() == (set(), {(THEIRS, 6445)})
    assert networks.ask(OURS, 6443, outside=True) == "6446"
    assert _callers() == ({(THEIRS, 6446)}, {(THEIRS, 6445), (THEIRS, 6446)})


def _callers() -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    found = door.read()
    assert found is not None
    return set(found.tried), set(found.reached)


def leading(port: int, address: str = OURS) -> Door:
    """Return the door of a host at an address, as it is wanted."""
    return Door(port, ip_address(address), ip_address(SERVICE))


def test_the_bootstrap_server_is_for_this_host_alone(networks: Networks, session: Session) -> None:
    """It listens on loopback and runs without admission; from outside it is as if nobody were."""
    networks.servers.start(6444, address="127.0.0.1")
    networks.servers.start(6445)
    leading(6444).apply(session)

    for way in (("127.0.0.1", 6443), (SERVICE, 443)):
        assert networks.ask(*way) == "6444"
    assert networks.ask(OURS, 6443, outside=True) == "Connection refused"

    # Once a hosted one was known, those outside keep it.
    leading(6445).apply(session)
    leading(6444).apply(session)
    assert networks.ask("127.0.0.1", 6443) == "6444"
    assert networks.ask(OURS, 6443, outside=True) == "6445"
    assert networks.ask(SERVICE, 443, outside=True) == "6445"


def test_the_door_keeps_its_contract(networks: Networks, session: Session) -> None:
    wanted = leading(6445)

    assert wanted.drift(session) == "missing"
    wanted.apply(session)
    assert wanted.drift(session) is None
    before = run(["nft", "list", "ruleset"]).stdout
    wanted.apply(session)
    assert run(["nft", "list", "ruleset"]).stdout == before

    assert leading(6446).drift(session) == "points at 6445"
    assert leading(6445, THEIRS).drift(session) == "its rules differ"
    door.turn(inside=6445, outside=6446)
    assert wanted.drift(session) == "points outside at 6446"
    door.turn(inside=0, outside=0)
    assert wanted.drift(session) == "points at nothing"


@pytest.mark.parametrize(
    ("command", "drift"),
    [
        (f"delete table ip {door.TABLE}", "missing"),
        ("flush ruleset", "missing"),
        (f"flush chain ip {door.TABLE} from-outside", "its rules differ"),
        (f"add rule ip {door.TABLE} from-inside tcp dport 6443 drop", "its rules differ"),
    ],
)
def test_what_others_did_to_it_is_seen_and_mended(
    command: str, drift: str, networks: Networks, session: Session
) -> None:
    networks.servers.start(6445)
    wanted = leading(6445)
    wanted.apply(session)
    run(["nft", *command.split()])

    assert wanted.drift(session) == drift
    wanted.apply(session)
    assert wanted.drift(session) is None
    assert networks.ask(OURS, 6443, outside=True) == "6445"


def test_other_peoples_rules_stay(networks: Networks, session: Session) -> None:
    run(["nft", "add table ip theirs; add chain ip theirs input"])
    theirs = run(["nft", "list table ip theirs"]).stdout
    wanted = leading(6445)

    wanted.apply(session)
    wanted.apply(session)
    door.remove()
    assert run(["nft", "list", "ruleset"]).stdout == theirs


def test_a_door_to_nobody_is_told_in_words(networks: Networks, session: Session) -> None:
    leads = conditions.door_leads_to(6445)

    assert current_problem(leads, session) == "there is no door"
    door.build(**RULES, inside=0, outside=0)
    assert current_problem(leads, session) == "it points at nothing"
    door.turn(inside=6444, outside=0)
    assert current_problem(leads, session) == "it points at 6444"
