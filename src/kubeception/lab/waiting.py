"""Wait until something holds."""

import time
from collections.abc import Callable

from kubeception.errors import WaitTimeout


def wait_for(
    what: str, problem: Callable[[], str | None], *, timeout_s: float, pause_s: float = 0.05
) -> None:
    """Ask `problem` until it answers None; it raises to end the wait at once.

    Raises:
        WaitTimeout: it still answered otherwise after the given time; says what.
    """
    deadline = time.monotonic() + timeout_s
    while (last := problem()) is not None:
        if time.monotonic() > deadline:
            raise WaitTimeout(what, last)
        time.sleep(pause_s)
