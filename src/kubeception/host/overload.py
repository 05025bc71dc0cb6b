"""Whether this machine has far more to do than it can: then what is late may be only slow.

Where the kernel tells for how much of the time tasks wait for something, that counts; a load
average alone also counts tasks that wait for a server that is away, and nobody is slower for it.
See https://docs.kernel.org/accounting/psi.html.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from kubeception.host import kernel

# Tasks that run or want to, for each core; a busy host has two or three.
_MUCH = 6.0
# Per cent of the last minute: somebody waits for a core, everybody for memory or for a disk.
_FOR_A_CORE, _FOR_MEMORY, _FOR_DISKS = 50.0, 20.0, 60.0


@dataclass(frozen=True)
class Pressure:
    """For how much of the last minute, in per cent, tasks waited: some for cores, else all."""

    cores: float
    memory: float
    disks: float


def told(proc: Path = Path("/proc")) -> str | None:
    """Say that it is overloaded, and by what; None where it isn't."""
    return of(os.getloadavg()[0], kernel.cpus(), pressure(proc))


def pressure(proc: Path) -> Pressure | None:
    """Return what the kernel tells of waiting tasks, None where it doesn't."""
    found = []
    for of_what, who in (("cpu", "some"), ("memory", "full"), ("io", "full")):
        try:
            text = (proc / "pressure" / of_what).read_text()
        except OSError:  # a kernel without it, or told to do without
            return None
        said = re.search(rf"^{who} .*\bavg60=([\d.]+)", text, re.MULTILINE)
        found.append(float(said[1]) if said else 0.0)
    return Pressure(*found)


def of(load: float, cores: int, waits: Pressure | None) -> str | None:
    """Say what a load average and waiting tasks mean for a machine with so many cores."""
    words = []
    if load >= _MUCH * cores and (waits is None or waits.cores >= _FOR_A_CORE):
        words.append(f"a load average of {load:.0f} on {cores} cores")
    if waits and waits.memory >= _FOR_MEMORY:
        words.append(f"everything waits for memory {waits.memory:.0f} % of the time")
    if waits and waits.disks >= _FOR_DISKS:
        words.append(f"everything waits for disks {waits.disks:.0f} % of the time")
    return f"this machine is overloaded: {', '.join(words)}" if words else None
