"""`kubeception status`, once or for as long as somebody watches."""

import contextlib
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from kubeception import report, timestamp
from kubeception.admin.lately import Lately
from kubeception.admin.status import GOOD_FOR_S, Status, look
from kubeception.cli import options
from kubeception.cli.picture import Seen, document, first, following, lines, picture
from kubeception.errors import KubeceptionError
from kubeception.host import refusal
from kubeception.session import Session

EVERY_S = 1.0

Show = Callable[[Seen], None]


@click.command()
@options.config_file
@options.output
@click.option("-w", "--watch", "is_watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.pass_context
def status(context: click.Context, config_file: Path | None, output: str, is_watch: bool) -> None:
    """Say what holds of this control plane, and what doesn't.

    Ends with 0 only if all holds. With --watch it is a live picture on a terminal; elsewhere, and
    with -o json, it is told anew whenever something has changed: one JSON document a line.

    \b
    Example:
      kubeception status -o json
      kubeception status --watch
    """
    options.only_root("read the keys of this host", "status")
    logging.getLogger("kubeception").setLevel(logging.ERROR)
    config = options.loaded(config_file)
    lately = Lately(GOOD_FOR_S)

    def once() -> Status:
        # Each look has connections of its own, so that it goes where the door leads now.
        with Session(config) as session:
            return look(session, lately)

    if is_watch:
        # However it is ended, the terminal is left as it was.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with shown(output) as show:
            healthy = watch(once, show)
    else:
        found = once()
        healthy = found.healthy
        told = [json.dumps(document(found), indent=2)] if output == "json" else lines(found)
        for line in told:
            click.echo(line)
    context.exit(0 if healthy else 1)


def watch(once: Callable[[], Status], show: Show, *, every_s: float = EVERY_S) -> bool:
    """Look and show it, again and again until interrupted; return whether all held at the end."""
    last: Seen | None = None
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            started = time.monotonic()
            found: Status | KubeceptionError
            try:
                found = once()
            except KubeceptionError as error:
                found = error
            except OSError as error:
                if (expected := refusal.told(error)) is None:
                    raise
                found = expected
            now = datetime.now(UTC)
            last = following(last, found, now) if last else first(found, now)
            show(last)
            time.sleep(max(0.0, started + every_s - time.monotonic()))
    return last is not None and last.healthy


@contextlib.contextmanager
def shown(output: str) -> Iterator[Show]:
    """Offer what shows a look: a live picture on a terminal, what is new elsewhere."""
    if output == "text" and report.is_live(sys.stdout):
        with _live() as show:
            yield show
        return
    last: Seen | None = None

    def tell(what: Seen) -> None:
        nonlocal last
        if what.has_changed(last):
            for line in _as_json(what) if output == "json" else _as_text(what):
                click.echo(line)
        last = what

    yield tell


@contextlib.contextmanager
def _live() -> Iterator[Show]:
    """Draw on a screen of its own, and leave the last picture where the command was given."""
    from rich.console import Console, RenderableType
    from rich.live import Live

    console = Console()
    last: Seen | None = None

    def fitting(what: Seen) -> RenderableType:
        whole = picture(what)
        fits = len(console.render_lines(whole)) <= console.height
        return whole if fits else picture(what, is_folded=True)

    with Live("looking …", console=console, screen=True, auto_refresh=False) as live:

        def show(what: Seen) -> None:
            nonlocal last
            last = what
            live.update(fitting(what), refresh=True)

        yield show
    if last is not None:
        console.print(picture(last))


def _as_text(what: Seen) -> Iterator[str]:
    yield timestamp.text(what.at)
    if what.found:
        yield from lines(what.found)
    elif what.error:
        yield from what.error.lines()
    yield ""


def _as_json(what: Seen) -> Iterator[str]:
    """Yield one line; where nothing could be seen it says why in place of the rest."""
    lost = {"error": str(what.error), "healthy": False}
    told = document(what.found) if what.found else lost
    yield json.dumps({"time": timestamp.text(what.at), **told})
