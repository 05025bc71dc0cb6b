"""ICMP echo (RFC 792): whether packets of a size come back from an address."""

import errno
import os
import socket
import struct
import time
from ipaddress import IPv4Address

_ECHO, _REPLY = 8, 0
_HEADER = struct.Struct("!BBHHH")
_OF_IPV4 = 20
_MOST = 65535


def is_answered(address: IPv4Address, size: int, *, timeout_s: float) -> bool:
    """Tell whether a packet of so many bytes, its headers included, comes back.

    One that is larger than the way is known to carry is none that gets lost: it counts as answered.

    Raises:
        PermissionError: this process may not send it.
    """
    payload = os.urandom(size - _OF_IPV4 - _HEADER.size)
    number = int.from_bytes(os.urandom(2))
    head = _HEADER.pack(_ECHO, 0, 0, number, 1)
    packet = _HEADER.pack(_ECHO, 0, _checksum(head + payload), number, 1) + payload
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as own:
        until_s = time.monotonic() + timeout_s
        try:
            own.connect((str(address), 0))
            own.send(packet)
            while (left_s := until_s - time.monotonic()) > 0:
                own.settimeout(left_s)
                if own.recv(_MOST)[_OF_IPV4:] == _answer(number, payload):
                    return True
        except PermissionError:
            raise
        except OSError as error:
            return error.errno == errno.EMSGSIZE
    return False


def _answer(number: int, payload: bytes) -> bytes:
    """Return what comes back, without IPv4's header."""
    checksum = _checksum(_HEADER.pack(_REPLY, 0, 0, number, 1) + payload)
    return _HEADER.pack(_REPLY, 0, checksum, number, 1) + payload


def _checksum(words: bytes) -> int:
    """Return the checksum of RFC 1071."""
    even = words + b"\0" * (len(words) % 2)
    total: int = sum(word for (word,) in struct.iter_unpack("!H", even))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
