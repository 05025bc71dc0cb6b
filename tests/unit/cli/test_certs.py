"""`kubeception certs` as a process."""

import subprocess
import sys

import pytest

from kubeception.config import Config
from kubeception.pki import catalog


def certs(*words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "kubeception", "certs", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_unknown_names_are_told_all_at_once_with_those_that_are_known() -> None:
    done = certs("renew", "apiserver", "ca", "apisever")

    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    known = ", ".join([*catalog.names(Config()), catalog.KUBELETS_OWN])
    assert last == (
        f"Error: ca, apisever are no certificates that can be renewed; these can: {known}"
    )


def test_names_and_all_are_no_wish() -> None:
    done = certs("renew", "--all", "apiserver")

    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "Error: give either names or --all",
    )


@pytest.mark.parametrize("verb", ["check", "renew"])
def test_each_verb_explains_itself_with_an_example(verb: str) -> None:
    done = certs(verb, "--help")

    assert done.returncode == 0
    assert f"kubeception certs {verb}" in done.stdout.partition("Example:")[2]
