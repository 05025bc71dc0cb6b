"""`kubeception kubeconfig` refuses what is impossible, all at once, before it asks anybody."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kubeception.cli.kubeconfig import kubeconfig
from kubeception.errors import ConfigError


def refused(*words: str) -> list[str]:
    """Return all that is wrong with what was asked for."""
    done = CliRunner().invoke(kubeconfig, words)
    assert isinstance(done.exception, ConfigError), done.output
    return list(done.exception.problems)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--user", "system:admin"], "user 'system:admin': names that begin with system: or"),
        (["--user", "kubeception:keeper:cp1"], "names that begin with system: or kubeception:"),
        (["--user", "kubernetes-admin"], "is the name of a certificate of the control plane's own"),
        (["--user", "kube-apiserver-kubelet-client"], "of the control plane's own"),
        (["--user", ""], "a name has letters that can be seen"),
        (["--user", "a\nb"], "a name has letters that can be seen"),
        (["--user", "a" * 65], "a certificate takes names of 64 letters"),
        (["--group", "system:masters"], "beyond RBAC, so nobody could take it back"),
        (["--group", "system:nodes"], "are for programs"),
        (["--ttl", "9m"], "the cluster signs for 10m to 8760h"),
        (["--ttl", "8761h"], "the cluster signs for 10m to 8760h"),
        (["--ttl", "a day"], "'a day' is no length of time"),
        (["--output", "/no/such/folder/file"], "/no/such/folder is no folder"),
        (["--output", "/dev/null"], "is no plain file"),
    ],
)
def test_what_is_impossible_is_refused_with_its_reason(words: list[str], says: str) -> None:
    [problem] = refused(*words)

    assert says in problem


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    theirs = tmp_path / "config"
    theirs.write_text("apiVersion: v1\n")
    ask = ("--user", "system:x", "--group", "system:masters", "--group", "", "--ttl", "soon")

    told = refused(*ask, "--output", str(theirs))

    assert [line.split()[0] for line in told] == ["ttl:", "user", "group", "group", "output:"]
    assert told[-1] == f"output: {theirs} is there already, and not from this command"
    assert theirs.read_text() == "apiVersion: v1\n"


def test_its_help_has_an_example() -> None:
    done = CliRunner().invoke(kubeconfig, ["--help"])

    assert done.exit_code == 0
    assert "kubeception kubeconfig --user jane" in done.output
