"""Who is asked, where, and what a command says to do where nobody is."""

import os
import subprocess
import sys

import pytest

from kubeception.cli.terminal import unasked

ASKS = """
from kubeception.cli.terminal import confirm, emit
from kubeception.errors import KubeceptionError
try:
    confirm("upgrade apply", ["This takes 3 nodes to 1.36.4."])
    emit({"name": "upgrade-1"})
except KubeceptionError as error:
    emit([str(error), error.hint])
"""


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (
            "upgrade apply 1.36.4 --window 22:00-04:00 --offline skip",
            "kubeception upgrade apply 1.36.4 --window 22:00-04:00 --offline skip --yes",
        ),
        (
            "recover --from snapshot --snapshot hourly-20261128T060000Z",
            "kubeception recover --from snapshot --snapshot hourly-20261128T060000Z --yes",
        ),
        (
            "etcd restore before.db --accept-cluster 14c5",
            "kubeception etcd restore before.db --accept-cluster 14c5 --yes",
        ),
        ("restore --identity K -- -odd.age", "kubeception restore --identity K --yes -- -odd.age"),
    ],
)
def test_the_command_that_does_not_ask_is_the_one_that_was_given(given: str, hint: str) -> None:
    assert unasked(given.split()) == hint


def test_words_are_quoted_as_a_shell_wants_them() -> None:
    given = ["restore", "/mnt/my backup/it's.age", "--identity", "$KEY"]

    assert unasked(given) == (
        """kubeception restore '/mnt/my backup/it'"'"'s.age' --identity '$KEY' --yes"""
    )


def test_where_nobody_can_be_asked_the_hint_has_every_word() -> None:
    argv = [sys.executable, "-c", ASKS, "upgrade", "apply", "1.36.4", "--offline", "skip"]

    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    assert b"kubeception upgrade apply 1.36.4 --offline skip --yes" in done.stdout


def test_a_question_is_no_result() -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ASKS],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        os.close(theirs)
        os.write(ours, b"y\n")
        said, asked = running.communicate(timeout=60)
    os.close(ours)

    assert said == '{\n  "name": "upgrade-1"\n}\n'
    assert asked == "This takes 3 nodes to 1.36.4.\nGo on? [y/N]: "
