"""Run other programs."""

import logging
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeception import pace
from kubeception.errors import CommandFailed, KubeceptionError
from kubeception.host import descendants, refusal

# What chroot ends with where the program isn't there.
_NOT_FOUND = 127
# As timeout(1) has it.
TOO_LATE = 124

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Completed:
    """What a program that ended left behind."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    root: Path | None = None,
    timeout: float | None = None,
    check: bool = True,
    log_file: Path | None = None,
) -> Completed:
    """Run a program to its end and return what it printed.

    `env` is added to this process's environment. `timeout`, in seconds, is that of a usual machine:
    one that is slower when it has passed gets more, up to half a minute. With `log_file` both
    outputs are appended to that file, and the last lines of it stand in for stderr. With `root` it
    is a program of the file system there and sees nothing else.

    Raises:
        CommandFailed: it ended with another code than 0 and `check` is set, or ran out of time.
        KubeceptionError: there is no such program, or none that this user can run; or this process
            is ending.
    """
    words = tuple(str(word) for word in argv)
    inside = () if root is None else ("chroot", str(root))
    log.debug("running %s", shlex.join(words))
    environment = {**os.environ, **env} if env else None
    text = stdin.encode() if isinstance(stdin, str) else stdin
    sink = log_file.open("ab") if log_file else None
    try:
        with descendants.starting:
            descendants.refuse_if_over()
            child = subprocess.Popen(
                (*inside, *words),
                stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
                stdout=sink or subprocess.PIPE,
                stderr=sink or subprocess.PIPE,
                env=environment,
                cwd=cwd,
            )
        said, complained = _ended(child, text, timeout)
    except FileNotFoundError as error:
        raise KubeceptionError(f"{words[0]}: no such program", hint=_hint(words[0])) from error
    except OSError as error:  # not ours to run, made for another machine, no memory for it
        raise refusal.of_program(words[0], error) from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(words, TOO_LATE, f"not finished after {error.timeout:.3g} s") from error
    finally:
        if sink:
            sink.close()
    if root is not None and child.returncode == _NOT_FOUND:
        raise KubeceptionError(f"{words[0]}: no such program on the host", hint=_hint(words[0]))
    stdout = (said or b"").decode(errors="replace")
    stderr = _tail(log_file) if log_file else (complained or b"").decode(errors="replace")
    if check and child.returncode != 0:
        raise CommandFailed(words, child.returncode, stderr or stdout)
    return Completed(words, child.returncode, stdout, stderr)


def _ended(
    child: "subprocess.Popen[bytes]", stdin: bytes | None, timeout_s: float | None
) -> tuple[bytes | None, bytes | None]:
    """Return both outputs of a program when it has ended; it is killed where that takes too long.

    Raises:
        TimeoutExpired: it did.
    """
    with child:
        try:
            try:
                return child.communicate(stdin, timeout_s)
            except subprocess.TimeoutExpired as error:
                patience_s = pace.patience_s(error.timeout, longest_s=pace.LONGEST_AT_WORK_S)
                if patience_s == error.timeout:
                    raise
                # What it has said so far is kept, and what it has been told is not told again.
                try:
                    return child.communicate(timeout=patience_s - error.timeout)
                except subprocess.TimeoutExpired as late:
                    raise subprocess.TimeoutExpired(child.args, patience_s) from late
        except BaseException:
            child.kill()
            raise


def _hint(program: str) -> str:
    return f"install {program} or add its folder to PATH"


def _tail(path: Path, size: int = 4096) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")
