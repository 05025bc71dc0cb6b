"""`make bench`: time what the README promises, on fresh lab hosts, and write docs/bench.md."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.lab import cluster

from kubeception import report
from kubeception.host import kernel
from kubeception.lab import Lab

RUNS = 3
HELP_RUNS = 7
PAGE = Path(__file__).parents[1] / "docs" / "bench.md"


def main() -> None:
    """Measure, print, and write the page."""
    report.configure()
    helps = [_seconds(_show_help) for _ in range(HELP_RUNS)]
    boots: list[float] = []
    firsts: list[cluster.Run] = []
    seconds: list[cluster.Run] = []
    for number in range(RUNS):
        lab = Lab(f"bench{os.getpid()}-{number}")
        try:
            lab.up(bundle=cluster.bundle_folder())
            cp1 = lab.host("cp1")
            cp1.power_off()
            boots.append(_seconds(cp1.boot))
            cluster.configure(cp1)
            firsts.append(cluster.bootstrap(cp1))
            seconds.append(cluster.bootstrap(cp1))
        finally:
            lab.down()
    page = _page(helps, boots, firsts, seconds)
    PAGE.write_text(page)
    print(page)


def _page(
    helps: list[float], boots: list[float], firsts: list[cluster.Run], seconds: list[cluster.Run]
) -> str:
    until_api = [_until(run, "bootstrap-door") for run in firsts]
    changes = sorted({len(run.changes) for run in seconds})
    rows = [
        ("`bootstrap` of a fresh host, until every pod is ready", [run.wall_s for run in firsts]),
        ("… until an API answers on 6443", until_api),
        (
            f"`bootstrap` again ({', '.join(map(str, changes))} changes)",
            [r.wall_s for r in seconds],
        ),
        ("boot of a lab host, until systemd answers", boots),
        ("`kubeception --help`", helps),
    ]
    steps = [
        (f"`{name}`", [run.seconds.get(name, 0.0) for run in firsts]) for name in firsts[0].seconds
    ]
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"""# How long things take

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores,
{memory_gib:.0f} GiB of memory, Linux {platform.release().split("-")[0]},
cgroup v{kernel.cgroup_version()}.
Images are on the host before the clock starts.
Times are in seconds.

{_table("What", rows)}
## The steps of a fresh bootstrap

{_table("Step", steps)}"""


def _table(title: str, rows: list[tuple[str, list[float]]]) -> str:
    lines = [f"| {title} | median | of |", "| --- | ---: | --- |"]
    for name, values in rows:
        each = ", ".join(f"{value:.2f}" for value in values)
        lines.append(f"| {name} | {median(values):.2f} | {each} |")
    return "\n".join(lines) + "\n"


def _until(run: cluster.Run, last: str) -> float:
    names = list(run.seconds)
    return sum(run.seconds[name] for name in names[: names.index(last) + 1])


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _show_help() -> None:
    argv = [sys.executable, "-m", "kubeception", "--help"]
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)


main()
