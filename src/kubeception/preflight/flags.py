"""The files that flags name."""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config import flags
from kubeception.preflight.finding import Finding, of_path
from kubeception.preflight.host_state import HostState


def named_files(seen: HostState) -> Iterator[Finding]:
    """Want every file that a flag of a program that runs here names."""
    if not seen.is_root:  # they may be for root alone to read
        return
    for program in ("kubelet",) if seen.is_worker else flags.PROGRAMS:
        for flag, path in flags.brought(program, seen.config):
            if problem := _problem(program, flag, seen.session.host.real(path)):
                key = f"{program}.extra_args.{flag}"
                hint = f"put it there, or take {flag} out of [{program}]"
                yield Finding(of_path("FileContent", path), f"{key}: {path}: {problem}", hint)


def _problem(program: str, flag: str, path: Path) -> str | None:
    known = flags.PROGRAMS[program]
    try:
        path.stat()
        if path.is_dir():
            return None if flag in known.folders else "is a folder"
        if flag not in known.reads or not path.is_file():
            return "is not a regular file" if flag in known.reads else "is not a folder"
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
