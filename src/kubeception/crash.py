"""Named moments at which a test may kill this process: right before each durable change.

`KUBECEPTION_CRASH_AT=<step>` kills it at that step. With `next` it dies at the first step that the
file `KUBECEPTION_CRASH_LOG` doesn't name yet: run again and again until it ends by itself, it has
died at every one. The file alone lists the steps of a run. Without the variables nothing happens.
"""

import os
import signal
from pathlib import Path

AT = "KUBECEPTION_CRASH_AT"
LOG = "KUBECEPTION_CRASH_LOG"
NEXT = "next"


def before(change: str, thing: object) -> None:
    """Say that `thing` is about to change; the two name a step, the same one in every run.

    What a kill after a change leaves is what a kill before the next one finds.
    """
    wanted, log = os.environ.get(AT), os.environ.get(LOG)
    if wanted is None and log is None:
        return
    step = f"{change} {thing}"
    is_new = log is not None and _note(Path(log), step)
    if step == wanted or (wanted == NEXT and is_new):
        os.kill(os.getpid(), signal.SIGKILL)


def _note(log: Path, step: str) -> bool:
    """Add a step to the log; return whether it was not there yet."""
    if log.exists() and step in log.read_text().splitlines():
        return False
    with log.open("a") as file:
        file.write(f"{step}\n")
    return True
