"""What every test may use."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Golden = Callable[[Path, str], None]
Note = Callable[[str], None]

_NOTES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden", action="store_true", help="write golden files instead of comparing"
    )


def pytest_configure() -> None:
    # A run in the background has Ctrl-C ignored, and would hand that down to what it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Only a process that runs tests for another one has this.
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["notes"] = session.config.stash.get(_NOTES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    told = getattr(node, "workeroutput", {}).get("notes", [])
    node.config.stash.setdefault(_NOTES, []).extend(told)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(_NOTES, []):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Note:
    """Have a line, such as a figure or a seed, shown at the end of the run."""
    return pytestconfig.stash.setdefault(_NOTES, []).append


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with a golden file; `make golden` writes the files anew."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert text == (path.read_text() if path.exists() else ""), f"{path}: run make golden"

    return compare
