"""`kubeception status --watch`: a live picture on a terminal, what is new elsewhere."""

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.terminal import CTRL_C, terminal
from tests.unit.cli.looks import BROKEN, HEALTHY

from kubeception.admin.status import Status
from kubeception.cli.status import shown, watch
from kubeception.errors import KubeceptionError

Look = Status | KubeceptionError

ROOT = Path(__file__).parents[2]
# What the command does, with looks that are written out.
PROGRAM = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from tests.unit.cli import looks
from kubeception.cli.status import shown, watch
signal.signal(signal.SIGTERM, signal.default_int_handler)
with shown("text") as show:
    healthy = watch(lambda: getattr(looks, sys.argv[2]), show, every_s=0.2)
sys.exit(0 if healthy else 1)
"""


def watching(name: str) -> Sequence[str]:
    return [sys.executable, "-c", PROGRAM, str(ROOT), name]


def one_after_another(looks: Sequence[Look]) -> Callable[[], Status]:
    """Return them, one a look; and then somebody presses Ctrl-C."""
    rest: Iterator[Look] = iter(looks)

    def once() -> Status:
        found = next(rest, None)
        if found is None:
            raise KeyboardInterrupt
        if isinstance(found, KubeceptionError):
            raise found
        return found

    return once


@pytest.mark.parametrize(("name", "code"), [("HEALTHY", 0), ("BROKEN", 1)])
def test_a_terminal_has_a_picture_until_ctrl_c(name: str, code: int) -> None:
    with terminal(watching(name)) as at:
        at.until(lambda drawn: drawn.count("cp1 · 192.0.2.10") >= 3)
        at.press(CTRL_C)
        ended = at.end()

    assert ended == code
    assert at.is_sane()
    _, _, left = at.drawn.rpartition("\x1b[?1049l")
    assert "cp1 · 192.0.2.10" in left
    assert "Traceback" not in at.drawn


def test_a_watch_that_is_told_to_end_leaves_a_sane_terminal() -> None:
    with terminal(watching("HEALTHY")) as at:
        at.until(lambda drawn: "cp1" in drawn)
        at.running.send_signal(signal.SIGTERM)
        ended = at.end()

    assert (ended, at.is_sane()) == (0, True)


@pytest.mark.parametrize("wish", [{"NO_COLOR": "1"}, {"CI": "1"}, {"TERM": "dumb"}])
def test_a_terminal_may_be_plain(wish: dict[str, str]) -> None:
    with terminal(watching("BROKEN"), **wish) as at:
        at.until(lambda drawn: "node cp1 to be Ready" in drawn)
        at.press(CTRL_C)
        ended = at.end()

    assert ended == 1
    assert "\x1b[?25l" not in at.drawn
    assert at.drawn.count("node cp1 (192.0.2.10)") == 1


def test_elsewhere_text_is_told_when_something_changed(capsys: pytest.CaptureFixture[str]) -> None:
    lost = KubeceptionError("there is no default route", hint="set address")
    looks: list[Look] = [HEALTHY, HEALTHY, BROKEN, BROKEN, lost, lost, HEALTHY]

    with shown("text") as show:
        healthy = watch(one_after_another(looks), show, every_s=0)
    told = capsys.readouterr().out

    assert healthy
    starts = [block.splitlines()[1] for block in told.split("\n\n") if block]
    assert starts == [
        "node cp1 (192.0.2.10), the door leads to port 6445",
        "node cp1 (192.0.2.10), the door leads to nowhere",
        "error: there is no default route",
        "node cp1 (192.0.2.10), the door leads to port 6445",
    ]
    assert len(re.findall(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", told, re.MULTILINE)) == 4


def test_json_is_a_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    looks: list[Look] = [HEALTHY, BROKEN, BROKEN, KubeceptionError("there is no default route")]

    with shown("json") as show:
        healthy = watch(one_after_another(looks), show, every_s=0)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert not healthy
    assert [one["healthy"] for one in told] == [True, False, False]
    assert [one.get("door") for one in told] == [6445, 0, None]
    assert told[2]["error"] == "there is no default route"
    assert all(one["time"].endswith("Z") for one in told)


def test_who_has_seen_nothing_has_not_seen_it_healthy() -> None:
    with shown("json") as show:
        assert not watch(one_after_another([]), show, every_s=0)
