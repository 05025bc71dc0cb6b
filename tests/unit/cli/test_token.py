"""`kubeception token` refuses what is impossible, before it reaches for anything."""

import pytest
from click.testing import CliRunner

from kubeception.cli.token import token


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--role", "control-plane"], "role control-plane is reserved"),
        ([], "says whom the token is for"),
        (["--node", "w1", "--rejoin", "w1"], "says whom the token is for"),
        (["--node", "w1", "--any-node"], "says whom the token is for"),
        (["--node", "../w1"], "is no name for a node"),
        (["--rejoin", "W1"], "is no name for a node"),
        (["--node", "a" * 53], "is no name for a node: it has 53 letters"),
        (["--ttl", "soon"], "no length of time"),
        (["--any-node", "--ttl", "0s"], "expired already"),
    ],
)
def test_what_is_impossible_is_a_usage_error(words: list[str], says: str) -> None:
    done = CliRunner().invoke(token, ["create", *words])

    assert done.exit_code == 2
    assert says in done.output


@pytest.mark.parametrize("verb", ["create", "list", "delete"])
def test_every_command_has_an_example(verb: str) -> None:
    done = CliRunner().invoke(token, [verb, "--help"])

    assert done.exit_code == 0
    assert f"kubeception token {verb}" in done.output
