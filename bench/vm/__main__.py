"""`make vm`: boot a Debian machine in QEMU, bootstrap a cluster on it, reset it, and time all that.

Its processors are emulated, many times slower than this machine's: what a limit of ours takes for
granted shows here.
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.vm import disk, machine
from bench.vm.machine import Machine
from kubeception import report
from kubeception.bundle.build import default_folder
from kubeception.bundle.components import SOURCES
from kubeception.errors import CommandFailed, KubeceptionError, WaitTimeout
from kubeception.host import files
from kubeception.lab.paths import CACHE
from kubeception.lab.waiting import wait_for
from kubeception.versions import BUILT_IN

log = logging.getLogger("kubeception.vm")

ARTIFACTS = SOURCES / "artifacts" / "vm"
# Not what is promised: when there is no use in waiting any longer.
BOOTSTRAP_S, AGAIN_S, BACK_S, PREFLIGHT_S = 7200.0, 1800.0, 3600.0, 600.0
_ASKED_S = 600.0
_PREFIX = "kubeception-vm-"
_JOURNAL = "journalctl --no-pager --boot; crictl ps --all; df -h /; free -m"


def main() -> int:
    """Do all of it, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.vm", description=__doc__)
    parser.add_argument(
        "--imported", action="store_true", help="the images are there: importing takes longest"
    )
    is_imported: bool = parser.parse_args().imported
    report.configure()
    shutil.rmtree(ARTIFACTS, ignore_errors=True)
    ARTIFACTS.mkdir(parents=True)
    # Beside what it is made from: hard links don't lead to another file system.
    with own_folder(CACHE) as folder:
        try:
            bundle = default_folder(BUILT_IN.minor)
            made = disk.make(folder, bundle, is_imported=is_imported)
            with machine.on(made, console=ARTIFACTS / "console.log") as found:
                _measure(found)
        except KubeceptionError as error:
            log.error("%s", error)
            return error.exit_code
        except KeyboardInterrupt:
            return 130
    return 0


@contextlib.contextmanager
def own_folder(at: Path) -> Iterator[Path]:
    """Give a folder for a machine's files, for a block; those of runs that were killed go."""
    at.mkdir(parents=True, exist_ok=True)
    for left in at.glob(f"{_PREFIX}*"):
        with contextlib.suppress(BlockingIOError), _held(left):
            files.remove_tree(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=at) as made, _held(Path(made)):
        yield Path(made)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _measure(found: Machine) -> None:
    figures: dict[str, str] = {}
    try:
        with _timed(figures, "boot, until systemd is up"):
            boot = found.wait_up()
        words = found.run("uname -r; stat -fc %T /sys/fs/cgroup; nproc").stdout.split()
        log.info("Linux %s, %s, %s cores", *words)
        with _timed(figures, "`kubeception preflight`"):
            figures["what it found"] = _preflight(found)
        with _timed(figures, "`kubeception bootstrap`"):
            seconds = _bootstrap(found)
        figures["of these, until containerd has the images"] = f"{seconds['runtime']:.0f} s"
        with _timed(figures, "`kubeception bootstrap` again"):
            figures["what it changed"] = f"{len(_changes(found))} things"
        with _timed(figures, "until `kubeception status` finds nothing"):
            _wait_well(found)
        with _timed(figures, "back after a reset, until `kubeception status` finds nothing"):
            found.reset()
            with _timed(figures, "of these, until systemd is up"):
                found.wait_up(but=boot)
            _wait_well(found)
    except KubeceptionError:
        with contextlib.suppress(KubeceptionError):
            said = found.run(_JOURNAL, check=False, timeout_s=_ASKED_S)
            (ARTIFACTS / "journal.log").write_text(said.stdout + said.stderr)
        raise
    finally:
        for what, figure in figures.items():
            print(f"| {what} | {figure} |", flush=True)


@contextlib.contextmanager
def _timed(figures: dict[str, str], what: str) -> Iterator[None]:
    log.info("%s", what)
    started = time.monotonic()
    yield
    figures[what] = f"{time.monotonic() - started:.0f} s"
    log.info("%s: %s", what, figures[what])


def _preflight(found: Machine) -> str:
    argv = ("kubeception", "preflight", "-o", "json")
    said = found.run(*argv, check=False, timeout_s=PREFLIGHT_S)
    findings = json.loads(said.stdout)["findings"] if said.stdout else []
    for finding in findings:
        log.warning("preflight: %s", finding)
    if said.code:
        raise CommandFailed(argv, said.code, said.stderr)
    return f"{len(findings)} findings"


def _bootstrap(found: Machine) -> dict[str, float]:
    seconds: dict[str, float] = _summary(found, "bootstrap", timeout_s=BOOTSTRAP_S)["seconds"]
    for phase, took_s in seconds.items():
        log.info("bootstrap: %s: %.0f s", phase, took_s)
    return seconds


def _changes(found: Machine) -> list[str]:
    changes: list[str] = _summary(found, "again", timeout_s=AGAIN_S)["changes"]
    for change in changes:
        log.warning("bootstrap again: %s", change)
    return changes


def _summary(found: Machine, name: str, *, timeout_s: float) -> dict[str, Any]:
    """Return what a bootstrap has come to; its log is kept under that name."""
    argv = ("kubeception", "bootstrap", "-o", "json")
    with (ARTIFACTS / f"{name}.log").open("w") as log_file:
        summary: dict[str, Any] = json.loads(
            found.run_logged(*argv, log=log_file, timeout_s=timeout_s)
        )
    return summary


def _wait_well(found: Machine) -> None:
    """Wait until its status finds nothing wrong."""

    def problem() -> str | None:
        try:
            said = found.run("kubeception", "status", "-o", "json", check=False, timeout_s=_ASKED_S)
            status = json.loads(said.stdout)
        except (CommandFailed, ValueError) as error:
            return str(error)
        problems = [f"{c['what']}: {c['problem']}" for c in status["checks"] if c["problem"]]
        log.info("status: %s", "; ".join(problems) or "well")
        return "; ".join(problems) or (said.stderr if said.code else None)

    try:
        wait_for("status to find nothing", problem, timeout_s=BACK_S, pause_s=5.0)
    except WaitTimeout:
        log.warning("%s", found.run("kubeception", "status", check=False).stdout)
        raise


if __name__ == "__main__":
    raise SystemExit(main())
