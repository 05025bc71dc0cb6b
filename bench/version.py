"""A version of kubeception out of git, built and run by its own command on lab hosts of its own.

Only the commands that people type are used, so that versions may differ in everything else.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import accounting, spent_s
from kubeception.bundle.build import cache
from kubeception.bundle.components import SOURCES
from kubeception.errors import CommandFailed, KubeceptionError
from kubeception.host import files, process

# What a host has done is counted until so long after the command began.
WINDOWS_S = {"bootstrap": 90.0, "join": 30.0, "power cut": 60.0}
_PATIENCE_S = 400
_CONFIG = "/etc/kubeception/config.toml"
# Prints the two moments and the CPU seconds of the command, by the host's own clock and shell.
_TIMED = """\
date +%s.%N
"$@" >/dev/null 2>/tmp/bench.log || { cat /tmp/bench.log >&2; exit 1; }
date +%s.%N
times
"""
_READY = """\
export KUBECONFIG=/etc/kubernetes/admin.conf
until kubectl wait --for=condition=Ready --timeout=60s "$@" >/dev/null 2>&1; do sleep 0.2; done
"""
_UNTIL_API = """\
until [ "$(curl -s -m 2 --cacert /etc/kubernetes/pki/ca.crt https://127.0.0.1:6443/readyz)" = ok ]
do sleep 0.1; done
date +%s.%N
"""
_UNTIL_WELL = """\
until kubeception status >/dev/null 2>&1; do sleep 1; done
date +%s.%N
"""

Figures = dict[str, float]


@dataclass(frozen=True)
class Version:
    """A commit, the clone that it lies in, and the cache that its bundle lies in."""

    commit: str
    sources: Path
    cache_home: Path

    def build(self) -> None:
        """Set the clone up and build the bundle; what has been done is not done again."""
        self._run("make", "--quiet", "bundle", within_s=7200)

    def measure(self, *, cuts_power: bool = True) -> Figures:
        """Measure every figure on fresh hosts; seconds, and CPU seconds of the host."""
        lab = f"pair{os.getpid()}"
        try:
            self.lab("up", "--no-bootstrap", "--workers=1", f"--name={lab}")
            return _Hosts(self, lab).figures(cuts_power=cuts_power)
        finally:
            self.lab("down", f"--name={lab}")

    def lab(self, *words: str, stdin: str = "") -> str:
        """Run its own `kubeception lab`; return what that printed."""
        own = (self.sources / ".venv/bin/python", "-m", "kubeception", "lab")
        return self._run(*own, *words, stdin=stdin)

    def _run(self, *argv: str | Path, stdin: str = "", within_s: float = _PATIENCE_S) -> str:
        # Nothing of the make and the Python that started this one.
        ours = {"MAKEFLAGS": "", "MAKELEVEL": "", "PYTHONPATH": ""}
        env = {**ours, "XDG_CACHE_HOME": str(self.cache_home)}
        return process.run(argv, stdin=stdin, timeout=within_s, cwd=self.sources, env=env).stdout


def of_commit(name: str) -> Version:
    """Clone a commit beside what is built, and let it share that by hard links."""
    try:
        commit = _git("rev-parse", "--verify", "--short=12", f"{name}^{{commit}}")
    except CommandFailed as error:
        problem = f"{name!r}: no commit of this repository"
        raise KubeceptionError(problem, hint="git log --oneline") from error
    folder = cache() / "compare" / commit
    sources, home = folder / "sources", folder / "cache"
    if not sources.exists():
        partial = folder / "sources.partial"
        files.remove_tree(partial)
        files.make_folder(folder)
        _git("clone", "--quiet", "--no-checkout", str(SOURCES), str(partial))
        _git("-C", str(partial), "checkout", "--quiet", "--detach", commit)
        partial.rename(sources)
    if not home.exists():
        partial = folder / "cache.partial"
        files.remove_tree(partial)
        files.make_folder(partial / "kubeception")
        process.run(["cp", "-al", cache() / "made", partial / "kubeception/made"])
        (partial / "kubeception/go").symlink_to((cache() / "go").resolve())
        partial.rename(home)
    return Version(commit, sources, home)


class _Hosts:
    """A control-plane host and a worker of one version."""

    def __init__(self, version: Version, lab: str) -> None:
        self._version, self._lab = version, lab

    def figures(self, *, cuts_power: bool) -> Figures:
        """Measure one thing after the other; each goes on from where the one before ended."""
        config = (self._version.sources / "distros/lab.toml").read_text()
        self._on("cp1", "sh", "-c", f"mkdir -p /etc/kubeception && cat >{_CONFIG}", stdin=config)
        found = self._bootstrap() | self._rerun() | self._join()
        return found | self._power_cut() if cuts_power else found

    def _bootstrap(self) -> Figures:
        before_s = self._spent_s("cp1")
        began, ended, _ = self._timed("cp1", "kubeception", "bootstrap")
        _wait_until(began + WINDOWS_S["bootstrap"])
        return {
            "bootstrap: s": ended - began,
            "bootstrap: CPU s": self._spent_s("cp1") - before_s,
        }

    def _rerun(self) -> Figures:
        began, ended, cpu_s = self._timed("cp1", "kubeception", "bootstrap")
        return {"rerun: s": ended - began, "rerun: CPU s": cpu_s}

    def _join(self) -> Figures:
        printed = self._on("cp1", "kubeception", "token", "create", "--node", "w1")
        before_s = self._spent_s("w1")
        began, *_ = self._timed("w1", "sh", stdin=printed)  # no token in an argv
        self._on("cp1", "sh", "-c", _READY, "sh", "node/w1")
        ready = time.time()
        _wait_until(began + WINDOWS_S["join"])
        return {"join: s": ready - began, "join: CPU s": self._spent_s("w1") - before_s}

    def _power_cut(self) -> Figures:
        self._version.lab("power-cut", f"--name={self._lab}", "cp1")
        began = time.time()
        self._version.lab("boot", f"--name={self._lab}", "cp1")
        api, well = (
            float(self._on("cp1", "sh", "-c", script)) for script in (_UNTIL_API, _UNTIL_WELL)
        )
        _wait_until(began + WINDOWS_S["power cut"])
        return {
            "power cut: API s": api - began,
            "power cut: well s": well - began,
            "power cut: CPU s": self._spent_s("cp1"),  # its cgroup is a new one
        }

    def _timed(self, host: str, *argv: str, stdin: str = "") -> tuple[float, float, float]:
        """Run a command to its end; return when it began and ended, and its CPU seconds."""
        began, ended, _, times = self._on(
            host, "sh", "-c", _TIMED, "sh", *argv, stdin=stdin
        ).splitlines()
        return float(began), float(ended), cpu_s(times)

    def _on(self, host: str, *argv: str, stdin: str = "") -> str:
        return self._version.lab("run", f"--name={self._lab}", host, *argv, stdin=stdin)

    def _spent_s(self, host: str) -> float:
        return spent_s(accounting() / "kubeception-lab" / self._lab / host)


def cpu_s(times: str) -> float:
    """Return the seconds that a shell's `times` says its children took: `1m2.5s 0m0.25s`."""
    parts = re.findall(r"(\d+)m([\d.]+)s", times)
    return sum(int(minutes) * 60 + float(seconds) for minutes, seconds in parts)


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _git(*words: str) -> str:
    return process.run(["git", *words], cwd=SOURCES).stdout.strip()
