"""The command as a process: quick help, and exit codes that mean something."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kubeception.cli import COMMANDS

# Each takes longer to import than `--help` may take altogether, or a good part of it.
SLOW = {"asyncio", "cryptography", "httpx2", "msgspec", "rich", "urllib.request"}


def kubeception(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kubeception", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def imported(done: "subprocess.CompletedProcess[str]") -> set[str]:
    return set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE))


def said(done: "subprocess.CompletedProcess[str]") -> str:
    return "".join(
        line for line in done.stderr.splitlines(keepends=True) if not line.startswith("import time")
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_help_imports_nothing_slow(words: list[str]) -> None:
    done = kubeception(*words)

    assert "kubeception.cli" in imported(done)
    assert not SLOW & imported(done)


def test_help_names_every_command() -> None:
    done = kubeception("--help")

    assert done.returncode == 0
    for name, (_, line) in COMMANDS.items():
        assert re.search(rf"^  {name} +{line.split()[0]} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = kubeception(name, "--help")

    assert (done.returncode, said(done)) == (0, "")
    assert done.stdout.startswith(f"Usage: kubeception {name} ")


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"kubeception \d+\.\d+\.\d+\n", kubeception("--version").stdout)


@pytest.mark.parametrize(
    "words",
    [
        *(["upside-down"], ["--upside-down"], ["serve"]),
        ["upgrade", "apply", "--from", "http://192.0.2.1"],
        ["upgrade", "apply", "--sha256", "ab" * 32],
        ["upgrade", "apply", "--from", "http://a:b@192.0.2.1", "--sha256", "ab" * 32],
        ["bundle", "fetch", "http://192.0.2.1"],
    ],
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    assert kubeception(*words).returncode == 2


def test_a_wrong_configuration_ends_with_2_and_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[net]\ncni = "calico"\nclustr_cidr = "10.0.0.0/8"\n')

    done = kubeception("bootstrap", "--config", str(path))

    assert done.returncode == 2
    assert said(done) == (
        f'error: {path}:2:net.cni: "calico" is not "flannel" or "none"\n'
        f'error: {path}:3:net.clustr_cidr: unknown key; did you mean "cluster_cidr"?\n'
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--url", "http://h/join"], "--url is no URL such as https://HOST:30000/join"),
        (["--url", "https://h/join"], "{token} is no token: "),
    ],
)
def test_what_join_can_not_read_ends_with_2(words: list[str], problem: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("kc1.hush.hush.hush")

    done = kubeception("join", *words, "--token-file", str(token))

    assert done.returncode == 2
    assert problem.format(token=token) in said(done)
    assert "hush" not in said(done)
