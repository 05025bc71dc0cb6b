"""`make bench`: race kubeadm, time what the README promises, and write docs/bench.md."""

import argparse
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench import joining
from bench.lab import own
from bench.page import API_ANSWERS, page
from bench.race import Contestant, contestants, lap
from kubeception import report
from kubeception.bundle.components import SOURCES

log = logging.getLogger("kubeception.bench")

HELP_RUNS = 7
BOOTS = 3


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (default: 5)")
    rounds: int = parser.parse_args().rounds
    report.configure()
    running = contestants()
    for number in range(1, rounds + 1):
        for one in running:
            lap(one)
            log.info("round %d: %s: %.1fs", number, one.name, one.laps[-1].seconds)
    command = (
        "make bench" if rounds == parser.get_default("rounds") else f"make bench ROUNDS={rounds}"
    )
    joins = joining.race(hosts=rounds)
    for taken in joins:
        each = ", ".join(f"{lap.registered:.1f}/{lap.ready:.1f}s" for lap in taken.laps)
        log.info("%s: registered/Ready after %s", taken.name, each)
    today = datetime.now(UTC).date()
    text = page(running, joins, _others(running[0]), command=command, day=today)
    (SOURCES / "docs" / "bench.md").write_text(text)
    print(text)


def _others(ours: Contestant) -> dict[str, list[float]]:
    """Return what else is promised."""
    until_api = [_until(one.parts, API_ANSWERS) for one in ours.laps]
    again = [one.again for one in ours.laps if one.again]
    changes = ", ".join(sorted({str(len(run.changes)) for run in again}))
    return {
        "`bootstrap` of a fresh host, until an API answers on 6443": until_api,
        f"`bootstrap` again ({changes} changes)": [run.wall_s for run in again],
        "boot of a lab host, until systemd answers": _boots(),
        "`kubeception --help`": [_seconds(_show_help) for _ in range(HELP_RUNS)],
    }


def _boots() -> list[float]:
    with own() as lab:
        lab.up()
        host = lab.host("cp1")
        taken = []
        for _ in range(BOOTS):
            host.power_off()
            taken.append(_seconds(host.boot))
        return taken


def _until(parts: dict[str, float], last: str) -> float:
    names = list(parts)
    return sum(parts[name] for name in names[: names.index(last) + 1])


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _show_help() -> None:
    argv = [sys.executable, "-m", "kubeception", "--help"]
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)


main()
