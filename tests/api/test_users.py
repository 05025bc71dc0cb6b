"""Every command for a user who isn't root, and with outputs and files as users have them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests import commands

LEAVES = dict(commands.leaves())
KUBECEPTION = (sys.executable, "-m", "kubeception")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs")
NOT_ALLOWED = 3
# They run in a pod, as whom its image says.
IN_THE_CLUSTER = {("serve",), ("controller",)}
# What a folder of theirs holds is for others to read, or not.
OF_A_FOLDER = {
    *(("bundle", "build"), ("bundle", "list"), ("bundle", "show"), ("bundle", "verify")),
    ("backup", "keygen"),
}
# They name every problem, this one among them.
ALL_AT_ONCE = [("preflight",), ("bootstrap",)]
UNREAD = 141


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that everybody can enter; pytest's own is root's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def junk(folder: Path) -> Path:
    """A file that everybody can read and that holds nothing good."""
    path = folder / "junk"
    path.write_bytes(bytes(range(256)))
    path.chmod(0o644)
    return path


def run(
    *words: str, user: tuple[str, ...] = NOBODY, cache: Path = Path("/root"), script: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a command as a user; `script` is a line of shell in which it is `"$@"`."""
    argv = (*user, *KUBECEPTION, *words)
    return subprocess.run(
        ["bash", "-c", script, "bash", *argv] if script else argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        cwd="/",
        env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)},
    )


@pytest.mark.parametrize(("words", "command"), LEAVES.items(), ids=map(" ".join, LEAVES))
def test_whoever_is_not_root_is_told_so(
    words: tuple[str, ...], command: click.Command, junk: Path
) -> None:
    done = run(*words, *commands.words(command, junk), cache=junk.parent / "none")

    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    if words in IN_THE_CLUSTER:
        assert done.returncode == 1
        assert told[0].startswith(f"error: {junk}")
    elif words in OF_A_FOLDER:
        assert done.returncode in {1, NOT_ALLOWED}
        assert told[0].startswith("error: ")
    elif words in ALL_AT_ONCE:
        assert done.returncode == NOT_ALLOWED
        assert "sudo kubeception" in done.stdout + done.stderr
    else:
        assert done.returncode == NOT_ALLOWED
        assert [line.split()[0] for line in told] == ["error:", "hint:"]
        assert "only root can" in told[0]
        assert "sudo" in told[1]


@pytest.mark.parametrize("script", ['"$@" >/dev/full', '"$@" >&- 2>&-', '"$@" 2>/dev/full | true'])
@pytest.mark.parametrize("words", ALL_AT_ONCE, ids=" ".join)
def test_what_a_command_finds_may_be_heard_by_nobody(words: tuple[str, ...], script: str) -> None:
    done = run(*words, script=f"set -o pipefail; {script}")

    assert done.returncode in {1, NOT_ALLOWED, UNREAD}
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


# Where and how people give a command, as lines of a shell's.
PLACES: dict[str, str] = {
    "a terminal of Latin-1": 'PYTHONIOENCODING=latin1 "$@"',
    "a terminal of ASCII": 'PYTHONIOENCODING=ascii "$@"',
    "a language that is not there": 'LC_ALL=xx_XX.ISO-8859-1 LANGUAGE=xx "$@"',
    "a folder that is gone": 'cd "$(mktemp -d)" && rmdir "$PWD" && "$@"',
    "nothing to read from": '"$@" <&-',
    "few files at once": 'ulimit -n 24; "$@"',
    "no home": 'unset HOME; "$@"',
    "a careful umask": 'umask 777; "$@"',
}


@pytest.mark.parametrize("place", PLACES)
def test_a_command_is_the_same_wherever_it_is_given(place: str) -> None:
    usual, here = run("preflight"), run("preflight", script=PLACES[place])

    assert "Traceback" not in here.stderr
    assert here.returncode == usual.returncode == NOT_ALLOWED
    assert len(here.stdout.splitlines()) == len(usual.stdout.splitlines()) > 1
    assert "IsPrivilegedUser: this user is not root" in here.stdout


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe that nobody ever writes to."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


TAKES_A_CONFIG = [
    words for words, one in LEAVES.items() if any(it.name == "config_file" for it in one.params)
]


@pytest.mark.parametrize("words", TAKES_A_CONFIG, ids=" ".join)
def test_a_configuration_that_is_no_file_is_none(
    words: tuple[str, ...], pipe: Path, junk: Path
) -> None:
    """As root, who may read all of it."""
    given = commands.words(LEAVES[words], junk)
    for path in (pipe, Path("/dev/zero"), Path("/proc/self/mem"), Path("/root"), junk):
        done = run(*words, *given, "--config", str(path), user=())

        assert (done.returncode, "Traceback" in done.stderr) == (2, False), (path, done.stderr)
        assert str(path) in done.stderr


def test_a_configuration_that_may_not_be_read_is_named(folder: Path) -> None:
    path = folder / "hidden" / "config.toml"
    path.parent.mkdir()
    path.write_text("")
    for mode, of_folder in ((0o600, 0o755), (0o644, 0o700)):
        path.chmod(mode)
        path.parent.chmod(of_folder)
        done = run("preflight", "--config", str(path))

        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert str(path) in done.stderr


def test_programs_that_may_not_be_looked_at_are_passed(folder: Path) -> None:
    """As by `su` without a dash, which leaves root's PATH."""
    hidden = folder / "programs"
    hidden.mkdir(mode=0o700)
    script = f'setpriv=$(type -P setpriv); shift; PATH="{hidden}" exec "$setpriv" "$@"'

    for command in ("preflight", "bootstrap"):
        done = run(command, script=script)
        assert (done.returncode, "Traceback" in done.stderr) == (NOT_ALLOWED, False), done.stderr
        assert "IsPrivilegedUser" in done.stdout + done.stderr
