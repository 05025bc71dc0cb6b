"""What the user sees while work goes on: log lines, and a live list of steps on a terminal.

Results (`-o json`, tables) are the commands' own and go to standard output; everything here goes to
standard error.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from kubeception import timestamp

if TYPE_CHECKING:
    from rich.progress import Progress

# A wait that takes longer says what it waits for, again and again.
TELL_EVERY_S = 10.0
LEVELS = ("debug", "info", "warn", "error")


class LineFormat(logging.Formatter):
    """The original's line: level, UTC time, module, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return e.g. ` INFO 2018-07-18T01:23:46Z: kubeception::etcd: bootstrapping`."""
        level = "WARN" if record.levelno == logging.WARNING else record.levelname
        when = timestamp.text(datetime.fromtimestamp(record.created, UTC))
        module = record.name.replace(".", "::")
        line = f"{level:>5} {when}: {module}: {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class _Stderr(logging.Handler):
    """Writes to standard error, above the live list while there is one."""

    live: "Progress | None" = None

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if self.live is None:
            sys.stderr.write(line + "\n")
        else:
            self.live.console.print(line, markup=False, highlight=False, soft_wrap=True)


_stderr = _Stderr()


def configure() -> None:
    """Send log lines to standard error, from the level in `KUBECEPTION_LOG` (info) on.

    On a terminal the live list of steps tells what the info lines would, so there only warnings
    are logged unless the variable says otherwise.
    """
    default = "warn" if is_live(sys.stderr) else "info"
    wanted = os.environ.get("KUBECEPTION_LOG", default).lower()
    _stderr.setFormatter(LineFormat())
    root = logging.getLogger("kubeception")
    root.handlers[:] = [_stderr]
    root.propagate = False
    root.setLevel(wanted.upper() if wanted in LEVELS else default.upper())
    if wanted not in LEVELS:
        root.warning("KUBECEPTION_LOG=%s is none of %s", wanted, ", ".join(LEVELS))


def adopt(*libraries: str) -> None:
    """Make lines like our own of what libraries have to complain about."""
    for library in libraries:
        logger = logging.getLogger(library)
        logger.handlers[:] = [_stderr]
        logger.propagate = False
        logger.setLevel(logging.WARNING)


def is_live(stream: TextIO) -> bool:
    """Tell whether a live display may be drawn on a stream."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("CI")
    return stream.isatty() and not is_plain and os.environ.get("TERM") != "dumb"


class Steps:
    """A list of steps with their times; several may run at once, from several threads.

    On a terminal each step is a line with a running clock. Elsewhere each is a log line when it
    starts, and one with its time when it ends; in between, one every `tell_every_s` of what it is
    waiting for.
    """

    def __init__(self, logger: logging.Logger, *, tell_every_s: float = TELL_EVERY_S) -> None:
        self.times: dict[str, float] = {}
        self.last = ""
        self._log = logger
        self._tell_every_s = tell_every_s
        self._live: Progress | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "Steps":
        """Start the live list where there is a terminal."""
        if is_live(sys.stderr):
            self._live = _rich_progress()
            self._live.start()
            _stderr.live = self._live
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the finished list on the terminal."""
        if self._live is not None:
            _stderr.live = None
            self._live.stop()

    @contextlib.contextmanager
    def step(
        self, name: str, doing: str = "", *, quiet: bool = False
    ) -> Iterator[Callable[[str], None]]:
        """Show one step for the length of the block.

        Yields a function that says what the step is waiting for just now. A `quiet` step logs
        neither its start nor its end; it is still in the live list and in `times`.
        """
        started = time.monotonic()
        self.last = name
        if not quiet:
            self._log.info("%s", f"{name}: {doing}" if doing else name)
        task = self._live.add_task(name, total=1, doing=doing) if self._live else None
        latest, ended = doing, threading.Event()

        def tell() -> None:
            while not ended.wait(self._tell_every_s):
                self._log.info("%s: %s (%.0fs)", name, latest, time.monotonic() - started)

        def note(text: str) -> None:
            nonlocal latest
            latest = text
            if self._live is not None and task is not None:
                self._live.update(task, doing=text)
            else:
                self._log.debug("%s: %s", name, text)

        teller = threading.Thread(target=tell, daemon=True)
        if self._live is None:
            teller.start()
        try:
            yield note
        except BaseException:
            note("failed")
            raise
        finally:
            ended.set()
            took = time.monotonic() - started
            with self._lock:
                self.times[name] = took
            if self._live is not None and task is not None:
                self._live.update(task, completed=1)
        note("done")
        if not quiet:
            self._log.info("%s: done (%.1fs)", name, took)


def _rich_progress() -> "Progress":
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.text import Text

    class Seconds(ProgressColumn):
        def render(self, task: Task) -> Text:
            took = task.finished_time if task.finished else task.elapsed
            return Text(f"{took or 0.0:6.1f}s")

    return Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("[bold]{task.description}"),
        Seconds(),
        TextColumn("[dim]{task.fields[doing]}"),
        console=Console(stderr=True),
    )
