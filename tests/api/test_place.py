"""What is a control plane's to do is refused first of all on a worker, and where no cluster is."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kubeception import cli
from kubeception.errors import PreflightError
from kubeception.layout import HOST_VARIABLE, Layout

KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
ONLY_THERE = [
    "upgrade plan",
    f"upgrade apply --from http://192.0.2.1/bundle --sha256 {'ab' * 32}",
    *(f"upgrade {word}" for word in ("status", "pause", "resume", "abort")),
    *(f"node {word} w1" for word in ("remove", "trust", "reboot", "run patch")),
    "node list",
    "token create --any-node",
    "token list",
    "token delete x",
    "kubeconfig",
    "etcd snapshot",
    "etcd list",
    "etcd restore x",
    f"backup --recipient {KEY} --output x",
    "recover",
    "recover --from snapshot",
]


@pytest.mark.parametrize("command", [*ONLY_THERE, "restore x --identity y"])
def test_a_worker_says_so_and_stays_as_it_is(command: str, tmp_path: Path) -> None:
    at = tmp_path / Layout.membership.relative_to("/")
    at.parent.mkdir(parents=True)
    at.write_text("{}")

    error = refused(command, tmp_path)

    assert error.problems == ("this host is a worker",)
    assert error.hint == "do it on a control-plane host"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [at]


@pytest.mark.parametrize("command", [*ONLY_THERE, "certs renew"])
def test_a_host_in_no_cluster_says_so_and_stays_as_it_is(command: str, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()

    error = refused(command, tmp_path)

    assert error.problems == ("this host is in no cluster",)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("left", [Layout.member, Layout.cluster])
def test_a_host_that_has_lost_much_of_its_cluster_is_in_one(left: Path, tmp_path: Path) -> None:
    at = tmp_path / left.relative_to("/")
    (tmp_path / "etc").mkdir()
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text("{}")

    done = CliRunner().invoke(
        cli.root, ["etcd", "list"], env={HOST_VARIABLE: str(tmp_path)}, standalone_mode=False
    )

    assert (done.exception, done.stdout.split()[0]) == (None, "NAME")


def refused(command: str, root: Path) -> PreflightError:
    done = CliRunner().invoke(
        cli.root, command.split(), env={HOST_VARIABLE: str(root)}, standalone_mode=False
    )
    assert isinstance(done.exception, PreflightError), done
    return done.exception
