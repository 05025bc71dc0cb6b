"""A container that started before its certificate is ended, once, for the kubelet to start anew.

With a crictl that has no runtime behind it: what counts is what is asked and told.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Answers from a folder: of one pod, the containers that are files of it, by when each started.
CRICTL = """#!/bin/sh
cd "$(dirname "$0")/state" || exit 1
case "$*" in
*" pods "*) echo '{"items": [{"id": "pod"}]}' ;;
*" ps "*)
  say='{"id": "%s", "createdAt": "%s", "metadata": {"name": "it"}}'
  for one in *; do
    [ -e "$one" ] || continue
    made=$(printf "$say" "$one" "$(cat "$one")")
    all="${all:+$all, }$made"
  done
  echo "{\\"containers\\": [$all]}" ;;
*" stop "*) for last; do :; done; rm "$last" ;;
esac
"""
PROGRAM = """
import sys
from pathlib import Path
from kubeception.config import Config
from kubeception.host.gateway import Host
from kubeception.session import Session
from kubeception.resources.fresh import FreshContainer

session = Session(Config(), Host(Path(sys.argv[1])))
wanted = FreshContainer("it", {"app": "it"}, (Path("/certificate"), Path("/missing")))
print(wanted.drift(session))
wanted.apply(session)
print(wanted.drift(session))
"""
CHANGED_S = 1_800_000_000


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with a certificate of a known age, and no containers."""
    root = tmp_path / "host"
    (root / "state").mkdir(parents=True)
    (root / "certificate").touch()
    os.utime(root / "certificate", (CHANGED_S, CHANGED_S))
    return root


def said(host: Path) -> list[str]:
    """Return how it differs, before and after it was applied."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(host)],
        env={**os.environ, "PATH": f"{host}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def with_crictl(host: Path) -> None:
    (host / "crictl").write_text(CRICTL)
    (host / "crictl").chmod(0o755)


def start(host: Path, name: str, at_s: int) -> None:
    (host / "state" / name).write_text(f"{at_s}000000000")


def test_only_those_that_started_before_are_ended(host: Path) -> None:
    with_crictl(host)
    start(host, "old", CHANGED_S - 1)
    start(host, "new", CHANGED_S + 1)

    assert said(host) == ["/certificate is newer than its start", "None"]
    assert [path.name for path in (host / "state").iterdir()] == ["new"]
    assert said(host) == ["None", "None"]


def test_who_does_not_run_is_left_alone(host: Path) -> None:
    with_crictl(host)

    assert said(host) == ["None", "None"]


def test_a_runtime_that_can_not_be_asked_stops_nobody(host: Path) -> None:
    """A distribution's host may have no crictl, and its bootstrap has to go on."""
    assert said(host) == ["None", "None"]
