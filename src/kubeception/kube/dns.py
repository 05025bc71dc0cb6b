"""Ask the cluster's DNS for an address, and any server whether it answers at all."""

import secrets
import socket
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from kubeception.endpoints import DNS_PORT, Address

TIMEOUT_S = 1.0
_LENGTH = 512
_HEADER = struct.Struct("!6H")
_RECURSION_DESIRED, _TYPE_A, _TYPE_NS, _CLASS_IN = 0x0100, 1, 2, 1
_AT_MOST = 8
# A packet may be lost.
_TRIES = 2
_RESPONSE_CODE = 0xF


def problem(server: Address, name: str, wanted: Address) -> str | None:
    """Say why a server does not give the one IPv4 address that a name has (RFC 1035)."""
    query = secrets.randbits(16)
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    asked = _HEADER.pack(query, _RECURSION_DESIRED, 1, 0, 0, 0) + labels + b"\0"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.settimeout(TIMEOUT_S)
            end.connect((str(server), DNS_PORT))
            end.send(asked + struct.pack("!2H", _TYPE_A, _CLASS_IN))
            answer = end.recv(_LENGTH)
    except OSError as error:
        return f"{server}: {error}"
    answered, flags, _, count, *_ = _HEADER.unpack_from(answer.ljust(_HEADER.size, b"\0"))
    # With one record alone its data come last.
    if answered == query and count == 1 and wanted.packed in answer[len(asked) :]:
        return None
    return f"{server}: {name}: response code {flags & _RESPONSE_CODE}, {count} addresses"


def answered(servers: Iterable[str]) -> list[bool]:
    """Tell of each of some servers, which are asked at once, whether it answers."""
    with ThreadPoolExecutor(_AT_MOST) as pool:
        return list(pool.map(is_answered, servers))


def is_answered(server: str) -> bool:
    """Tell whether a server answers a question, in whatever words: for the root's servers."""
    query = secrets.randbits(16)
    asked = _HEADER.pack(query, _RECURSION_DESIRED, 1, 0, 0, 0) + b"\0"
    asked += struct.pack("!2H", _TYPE_NS, _CLASS_IN)
    return any(_is_answered(server, asked) for _ in range(_TRIES))


def _is_answered(server: str, asked: bytes) -> bool:
    try:
        [(family, kind, protocol, _, at), *_] = socket.getaddrinfo(
            server, DNS_PORT, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        with socket.socket(family, kind, protocol) as end:
            end.settimeout(TIMEOUT_S)
            end.connect(at)
            end.send(asked)
            return end.recv(_LENGTH)[:2] == asked[:2]
    except OSError:
        return False
