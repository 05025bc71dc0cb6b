"""A command on a terminal of its own, used as a person would."""

import os
import select
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

ROWS, COLUMNS = 50, 120
CTRL_C = b"\x03"


@dataclass
class Terminal:
    """What a command has drawn so far, and the keyboard."""

    running: "subprocess.Popen[bytes]"
    drawn: str = ""
    _ours: int = -1

    def until(self, holds: Callable[[str], object], *, timeout_s: float = 30.0) -> None:
        """Read on until what is drawn is as wanted."""
        deadline = time.monotonic() + timeout_s
        while not holds(self.drawn):
            left = deadline - time.monotonic()
            assert left > 0, f"drawn within {timeout_s} s: {self.drawn!r}"
            assert self._read(left), f"ended after {self.drawn!r}"

    def press(self, key: bytes) -> None:
        """Press a key, such as Ctrl-C."""
        os.write(self._ours, key)

    def end(self, *, timeout_s: float = 30.0) -> int:
        """Read on until the command ends; return its exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(deadline - time.monotonic()):
            pass
        return self.running.wait(max(0.1, deadline - time.monotonic()))

    def is_sane(self) -> bool:
        """Tell whether the cursor and the ordinary screen are back."""
        return all(
            self.drawn.rfind(back) >= self.drawn.rfind(gone)
            for gone, back in (("\x1b[?25l", "\x1b[?25h"), ("\x1b[?1049h", "\x1b[?1049l"))
        )

    def _read(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, timeout_s))
        try:
            part = os.read(self._ours, 65536) if ready else b""
        except OSError:  # nobody is on its other side any more
            return False
        self.drawn += part.decode(errors="replace")
        return bool(part)


@contextmanager
def terminal(argv: Sequence[str], **environment: str) -> Iterator[Terminal]:
    """Run a command on a new terminal for the length of the block."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(ours, (ROWS, COLUMNS))
    running = subprocess.Popen(
        # Its controlling terminal, or Ctrl-C would be a key like any other.
        ["setsid", "--ctty", *argv],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"TERM": "xterm-256color", "PATH": os.environ["PATH"], **environment},
    )
    os.close(theirs)
    try:
        yield Terminal(running, _ours=ours)
    finally:
        running.kill()
        running.wait()
        os.close(ours)
