"""Standard input, output and error as a command may find them: full, closed, or with no reader."""

import codecs
import errno
import io
import os
import sys
from typing import TextIO

# What a shell says of a program that SIGPIPE has ended, as it ends most others.
NOBODY_READS = 141


class OutputLost(Exception):
    """Standard output takes no more; the command ends, as what it has to say is not heard.

    It is no OSError: those are about the work, and whoever expects them there means no other.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {(error.strerror or str(error)).lower()}")
        self.is_unread = error.errno == errno.EPIPE


class _Stream(io.TextIOWrapper):
    """Text for a standard stream; a letter that its encoding lacks is written as its number."""

    def __init__(self, number: int, found: TextIO | None) -> None:
        raw = open(number, "wb", closefd=False)  # noqa: SIM115 - as long as the process lives
        encoding = found.encoding if found else "utf-8"
        # Nobody wants ASCII: it is what a process gets that was told nothing.
        if codecs.lookup(encoding).name == "ascii":
            encoding = "utf-8"
        super().__init__(raw, encoding, errors="backslashreplace", line_buffering=True)


class _Output(_Stream):
    """Standard output: a command whose result can't be told has failed."""

    def write(self, text: str, /) -> int:
        """Write, or end the command."""
        try:
            return super().write(text)
        except OSError as error:
            raise self._lost(error) from error

    def flush(self) -> None:
        """Write what waits, or end the command."""
        try:
            super().flush()
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> OutputLost:
        # What waits goes nowhere, instead of failing once more when Python ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return OutputLost(error)


class _Errors(_Stream):
    """Standard error: what it doesn't take is lost, and the work goes on."""

    def write(self, text: str, /) -> int:
        """Write what can be written."""
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Write what can be written."""
        try:
            super().flush()
        except OSError:
            return


def prepare() -> None:
    """Have three standard streams that can be used, whatever this process was started with.

    One that is closed would be taken by the next file that is opened, and written to by mistake.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(opened, True)  # noqa: FBT003 - that is how it is called
    # Typed as always there, each is None where it was closed.
    found: tuple[TextIO | None, ...] = (sys.stdin, sys.stdout, sys.stderr)
    if found[0] is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process lives
    sys.stdout, sys.stderr = _Output(1, found[1]), _Errors(2, found[2])
