"""What people see: the original's log lines, and a live list only where there is a terminal."""

import logging
import os
import pty
import re
import subprocess
import sys

import pytest

from kubeception.report import LineFormat, Steps

LONG = """
import logging, time
from kubeception import report
report.configure()
log = logging.getLogger("kubeception.k8s")
with report.Steps(log, tell_every_s=0.2) as steps:
    with steps.step("short", quiet=True) as note:
        note("waiting for nothing")
    with steps.step("add-ons", quiet=True) as note:
        note("waiting for dns: 0 of 2 ready")
        time.sleep(0.5)
        note("waiting for dns: 1 of 2 ready")
        time.sleep(0.3)
time.sleep(0.3)
"""
TERMINAL = {"TERM": "xterm", "PATH": os.environ["PATH"]}
PROGRAM = """
import logging
from kubeception import report
report.configure()
log = logging.getLogger("kubeception.etcd")
with report.Steps(log) as steps, steps.step("etcd", "starting") as note:
    note("waiting for etcd to serve")
    log.warning("[red]%s[/red]", "a line that is longer than eighty columns " * 3)
log.debug("an end")
"""
LINES = r"""
 INFO TIME: kubeception::etcd: etcd: starting
 WARN TIME: kubeception::etcd: \[red\](a line that is longer than eighty columns ){3}\[/red\]
 INFO TIME: kubeception::etcd: etcd: done \(0\.\ds\)
"""


def line_of(level: int, message: str, *words: object) -> str:
    record = logging.LogRecord("kubeception.k8s", level, __file__, 1, message, words, None)
    record.created = 1531877026.9
    return LineFormat().format(record)


@pytest.mark.parametrize(
    ("level", "start"),
    [
        (logging.DEBUG, "DEBUG"),
        (logging.INFO, " INFO"),
        (logging.WARNING, " WARN"),
        (logging.ERROR, "ERROR"),
    ],
)
def test_a_line_looks_like_the_originals(level: int, start: str) -> None:
    line = line_of(level, "%s", "deploying control plane")

    assert line == f"{start} 2018-07-18T01:23:46Z: kubeception::k8s: deploying control plane"


def run(program: str = PROGRAM, **environment: str) -> str:
    """Run the program without a terminal and return what it says, times replaced."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**TERMINAL, **environment},
    )
    assert done.stdout == ""
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", done.stderr)


def run_on_a_terminal(program: str = PROGRAM, **environment: str) -> str:
    """Run the program on a real terminal and return what it draws."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program], stderr=theirs, env={**TERMINAL, **environment}
    ):
        os.close(theirs)
        drawn = b""
        # The terminal reports an error once nobody is on its other side.
        try:
            while part := os.read(ours, 4096):
                drawn += part
        except OSError:
            pass
    os.close(ours)
    return drawn.decode()


def test_without_a_terminal_steps_are_lines() -> None:
    assert re.fullmatch(LINES.lstrip("\n"), run())


def test_without_a_terminal_a_long_wait_says_what_it_waits_for_again_and_again() -> None:
    told = re.findall(r"(?m)^ INFO TIME: kubeception::k8s: (.*) \(\ds\)$", run(LONG))

    of_dns = [f"add-ons: waiting for dns: {n} of 2 ready" for n in (0, 1)]
    assert (told[0], told[-1]) == tuple(of_dns)
    assert set(told) == set(of_dns)
    assert len(told) <= 4  # none of a wait that is over


def test_on_a_terminal_the_list_has_said_it_already() -> None:
    assert "INFO" not in run_on_a_terminal(LONG, KUBECEPTION_LOG="info")


def test_the_level_comes_from_the_environment() -> None:
    assert "DEBUG TIME: kubeception::etcd: an end\n" in run(KUBECEPTION_LOG="debug")
    assert run(KUBECEPTION_LOG="error") == ""


def test_an_unknown_level_is_told_and_does_no_harm() -> None:
    said = run(KUBECEPTION_LOG="loud").splitlines()

    assert (
        said[0]
        == " WARN TIME: kubeception: KUBECEPTION_LOG=loud is none of debug, info, warn, error"
    )
    assert len(said) == 4


def test_on_a_terminal_steps_are_a_live_list_and_warnings_stand_above_it() -> None:
    drawn = run_on_a_terminal()

    assert "✓" in drawn
    assert "\x1b[" in drawn
    assert "[red]a line that is longer" in drawn
    assert "INFO" not in drawn


@pytest.mark.parametrize("wish", ["NO_COLOR", "CI"])
def test_a_terminal_may_be_plain(wish: str) -> None:
    drawn = run_on_a_terminal(**{wish: "1"})

    assert "\x1b" not in drawn
    assert drawn.count(" INFO ") == 2


def test_times_are_kept_also_of_a_step_that_fails() -> None:
    steps = Steps(logging.getLogger("steps"))

    with pytest.raises(ZeroDivisionError), steps, steps.step("etcd"):
        _ = 1 / 0

    assert list(steps.times) == ["etcd"]
