"""Requests to join that were good once: changed at random, by a seed that says how."""

import json
import random
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]

# Enough to end whatever the service may wait for, so that each request gets its answer at once.
_END = b"\r\n\r\n" + b"x" * 17_000
_NOISE = (b"\x00", b"\xff", b"\r\n", b"{", b"[", b'"', b":")
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, "", "\x00", "../..", "a" * 5_000, "\ud800", "\u202e", "💣" * 100),
    *([], {}, [[]], [None], [["192.0.2.1"]], {"a": {"b": {}}}, "00" * 32, "{{7*7}}", "%s%n"),
)
# What a field may well say: it is read, verified, and asked for in the cluster.
_PLAUSIBLE: Document = {
    "token": ("0123456789", "zzzzzzzzzz"),
    "node": ("w1", "w2", "a.b-c.d", "a" * 63),
    "addresses": (["192.0.2.99"], ["2001:db8::1", "192.0.2.1"], ["192.0.2.1"] * 2, ["fe80::1"]),
    "nonce": ("00" * 32, "ab" * 32),
    "proof": ("00" * 64, "ab" * 64),
}


def changed(
    chance: random.Random, document: Document, prove: Callable[[Document], Document]
) -> tuple[bytes, bool]:
    """Return a whole HTTP request that is not as it was, and whether it is good for another one.

    Most are proven again once they are changed, or nothing behind the proof would ever be reached.
    """
    if chance.random() < 0.03:
        return _noisy(chance, _posted(json.dumps(document).encode()), times=4) + _END, False
    for _ in range(chance.choice([0, 1, 1, 2, 3])):
        key = chance.choice([*document, "more"])
        if key in _PLAUSIBLE and chance.random() < 0.6:
            document[key] = chance.choice(_PLAUSIBLE[key])
        elif chance.random() < 0.2:
            document.pop(key, None)
        else:
            document[key] = chance.choice([*_VALUES, *document.values()])
    if chance.random() < 0.8:
        document = prove(document)
    body = json.dumps(document, ensure_ascii=chance.random() < 0.5).encode(errors="replace")
    if chance.random() < 0.15:
        body = _noisy(chance, body, times=3)
    if chance.random() < 0.05:
        body = body[: chance.randint(0, len(body))]
    if chance.random() < 0.02:
        body *= chance.randint(2, 30)
    return _posted(body), True


def _posted(body: bytes) -> bytes:
    head = "POST /join HTTP/1.1\r\nhost: join\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _noisy(chance: random.Random, text: bytes, *, times: int) -> bytes:
    """Put some other bytes in, in place of some or between them."""
    made = bytearray(text)
    for _ in range(times):
        at = chance.randint(0, len(made) - 1) if made else 0
        what = chance.choice([*_NOISE, bytes([chance.randrange(256)])])
        made[at : at + chance.randint(0, 2)] = what * chance.choice([1, 1, 1, 50])
    return bytes(made)
