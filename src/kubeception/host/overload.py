"""Whether this machine has far more to do than it can: then what is late may be only slow."""

import os

from kubeception.host import kernel

# Tasks that run or want to, for each core; a busy host has two or three.
_MUCH = 6.0


def told() -> str | None:
    """Say that it is overloaded, by its load average of the last minute; None where it isn't."""
    return of(os.getloadavg()[0], kernel.cpus())


def of(load: float, cores: int) -> str | None:
    """Say what a load average means for a machine with so many cores."""
    if load < _MUCH * cores:
        return None
    return f"this machine is overloaded: a load average of {load:.0f} on {cores} cores"
