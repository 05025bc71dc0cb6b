"""The nonce of one connection: what a proof has to be made over."""

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from kubeception.join.wire import NONCE_BYTES, NONCE_LIFETIME_S


@dataclass
class Nonce:
    """One at a time: it lives for ten seconds, and is gone at the first attempt to use it."""

    clock: Callable[[], float] = time.monotonic
    _current: str = ""
    _until: float = 0.0

    def renew(self) -> str:
        """Return a new one, as hex; the one before is worth nothing from now on."""
        self._current = secrets.token_hex(NONCE_BYTES)
        self._until = self.clock() + NONCE_LIFETIME_S
        return self._current

    def take(self) -> str:
        """Return the current one, "" where there is none, and have it no more."""
        current = self._current if self.clock() < self._until else ""
        self._current = ""
        return current


def is_same(one: str, other: str) -> bool:
    """Tell whether two are the same; none is like no other."""
    return bool(one) and hmac.compare_digest(one, other)
