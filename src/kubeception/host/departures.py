"""What leaves this host, seen as it leaves (packet(7)): after forwarding and masquerading."""

import array
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address

_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 3  # only who asks for all protocols sees what leaves
_HEADER = 20
# Classic BPF: 'load a byte', 'load a half', 'load a word', 'go on if equal', 'return'.
_INSTRUCTION = struct.Struct("HBBI")
_BYTE, _HALF, _WORD, _EQUAL, _RETURN = 0x30, 0x28, 0x20, 0x15, 0x06
_IPV4_WITHOUT_OPTIONS, _TCP = 0x45, 6


def sources(to: IPv4Address, port: int, *, during: Callable[[], object]) -> set[IPv4Address]:
    """Return from which addresses packets left for a TCP port while something was done.

    Raises:
        OSError: the kernel lets nobody look.
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)) as tap:
        program = _program(to, port)
        where, _ = program.buffer_info()
        count = len(program) // _INSTRUCTION.size
        tap.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", count, where))
        _read(tap)  # what came before the filter
        during()
        return _read(tap)


def _program(to: IPv4Address, port: int) -> "array.array[int]":
    """Return the filter: TCP over IPv4 to that address and port."""
    asked = (
        (_BYTE, 0, _IPV4_WITHOUT_OPTIONS),
        (_BYTE, 9, _TCP),
        (_WORD, 16, int(to)),
        (_HALF, _HEADER + 2, port),
    )
    steps = []
    for number, (load, offset, wanted) in enumerate(asked):
        to_the_end = 2 * (len(asked) - number) - 1
        steps += [(load, 0, 0, offset), (_EQUAL, 0, to_the_end, wanted)]
    steps += [(_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0)]
    return array.array("B", b"".join(_INSTRUCTION.pack(*one) for one in steps))


def _read(tap: socket.socket) -> set[IPv4Address]:
    tap.setblocking(False)  # noqa: FBT003 - its only parameter
    found = set[IPv4Address]()
    while True:
        try:
            packet, (_, _, kind, *_) = tap.recvfrom(_HEADER)
        except BlockingIOError:
            return found
        if kind == socket.PACKET_OUTGOING:
            found.add(IPv4Address(packet[12:16]))
