"""What a command does whose output is full, closed or read by nobody; and one without input."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests import commands

COMMANDS = [words for words, _ in commands.leaves()]
KUBECEPTION = (sys.executable, "-m", "kubeception")
UNREAD = 141


def said_by(script: str, *words: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command from a line of shell in which it is `"$@"`."""
    argv = ["bash", "-c", script, "bash", *KUBECEPTION, *words]
    env = {**os.environ, **variables}
    return subprocess.run(argv, capture_output=True, check=False, env=env)


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_a_full_output_is_told_in_one_line_wherever_it_is(words: tuple[str, ...]) -> None:
    """Also without a home, a terminal that is known, or a folder to be in."""
    done = said_by(
        'folder=$(mktemp -d); cd "$folder"; rmdir "$folder"; unset HOME; exec "$@" >/dev/full',
        *(*words, "--help"),
        TERM="of-no-kind",
        LC_ALL="C",
        KUBECEPTION_HOST="/of/no/host",
        COLUMNS="-3",
    )

    told = b"error: standard output: no space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize("words", [(), ("status",), ("lab", "up")], ids=" ".join)
def test_an_output_that_nobody_reads_ends_the_command_quietly(words: tuple[str, ...]) -> None:
    # The reader has gone before anything is written.
    wait = 'exec 3> >(exec 0<&-; :); wait $!; "$@" >&3'
    done = said_by(wait, *words, "--help")

    assert (done.returncode, done.stderr) == (UNREAD, b"")


@pytest.mark.parametrize(
    ("redirected", "code"),
    [
        (">&-", 0),
        (">&- 2>&-", 0),
        ("<&- >&- 2>&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full 2>/dev/full", 1),
        (">/dev/full 2>&-", 1),
        ("1</dev/null", 1),
    ],
)
def test_what_is_closed_or_full_ends_nothing_by_a_traceback(redirected: str, code: int) -> None:
    done = said_by(f'"$@" {redirected}', "--help")

    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", "2>&1 | true"])
def test_log_lines_and_errors_that_nobody_takes_change_no_exit_code(redirected: str) -> None:
    done = said_by(
        f'set -o pipefail; "$@" {redirected}',
        *("preflight", "--config", "/nowhere"),
        KUBECEPTION_LOG="nonsense",
    )

    assert (done.returncode, done.stderr) == (2, b"")


def test_a_closed_output_is_not_the_next_file_that_is_opened(tmp_path: Path) -> None:
    code = "\n".join(
        [
            "import sys",
            "from kubeception.cli import streams",
            "streams.prepare()",
            f"file = open({str(tmp_path / 'file')!r}, 'w')",
            "print('out'); print('err', file=sys.stderr); sys.stdout.flush()",
            "file.close()",
            "assert sys.stdin.read() == ''",
        ]
    )
    argv = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", sys.executable, "-c", code]
    done = subprocess.run(argv, check=False)

    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_letter_that_the_output_lacks_ends_nothing(encoding: str) -> None:
    code = "from kubeception.cli import streams; streams.prepare(); import click; click.echo('✓ é')"
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=env)

    told = {"latin-1": b"\\u2713 \xe9\n"}.get(encoding, "✓ é\n".encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, told, b"")
