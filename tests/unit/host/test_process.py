"""Programs run to their end, and what they say comes back."""

import time
from pathlib import Path

import pytest
from tests import slow

from kubeception.errors import CommandFailed, KubeceptionError
from kubeception.host.process import run


def test_both_outputs_and_the_code_come_back() -> None:
    done = run(["sh", "-c", "cat; echo oops >&2; exit 3"], stdin="words", check=False)

    assert (done.code, done.stdout, done.stderr) == (3, "words", "oops\n")


def test_a_failure_says_how_in_the_programs_last_words() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "seq 9 >&2; exit 7"])

    assert caught.value.message == "sh ended with exit code 7: 5 | 6 | 7 | 8 | 9"
    assert caught.value.code == 7


def test_words_of_the_environment_are_added() -> None:
    done = run(["sh", "-c", 'echo $A; test -n "$PATH"'], env={"A": "word"})

    assert done.stdout == "word\n"


def test_it_runs_where_it_is_told_to(tmp_path: Path) -> None:
    assert run(["pwd"], cwd=tmp_path).stdout == f"{tmp_path}\n"


def test_standard_input_is_empty_unless_given() -> None:
    assert run(["cat"]).stdout == ""


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert run(["printf", r"\377ok"]).stdout == "\N{REPLACEMENT CHARACTER}ok"


def test_a_log_collects_all_output_and_its_end_stands_for_stderr(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(["echo", "first"], log_file=log)

    with pytest.raises(CommandFailed, match=r"first \| second \| third"):
        run(["sh", "-c", "echo second; echo third >&2; false"], log_file=log)

    assert log.read_text() == "first\nsecond\nthird\n"


def test_a_program_that_takes_too_long_is_ended() -> None:
    started = time.monotonic()

    with pytest.raises(CommandFailed, match=r"not finished after [\d.]+ s"):
        run(["sleep", "60"], timeout=0.1)
    assert time.monotonic() - started < 30


def test_a_machine_that_is_slow_gives_it_more_time_and_loses_no_word() -> None:
    with slow.machine() as slowness:
        usual_s = 1.0
        script = f"echo first; cat; sleep {min(slowness, 4.0) * usual_s / 2}; echo last"

        done = run(["sh", "-c", script], stdin="told\n", timeout=usual_s)

    assert done.stdout == "first\ntold\nlast\n"


def test_a_missing_program_is_named_with_a_next_step() -> None:
    with pytest.raises(KubeceptionError, match="no-such-program: no such program") as caught:
        run(["no-such-program"])

    assert caught.value.hint
