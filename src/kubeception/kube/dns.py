"""Ask the cluster's DNS for an address."""

import secrets
import socket
import struct

from kubeception.endpoints import DNS_PORT, Address

TIMEOUT_S = 1.0
_LENGTH = 512
_HEADER = struct.Struct("!6H")
_RECURSION_DESIRED, _TYPE_A, _CLASS_IN = 0x0100, 1, 1
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
