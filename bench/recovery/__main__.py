"""`make recovery`: inject each fault, and write docs/recovery.json, .md and .svg."""

import argparse

from bench import machine
from bench.lab import own
from bench.recovery import figures, measure
from bench.recovery.figures import Figures
from bench.recovery.page import page
from bench.recovery.picture import picture
from kubeception import report
from kubeception.bundle.components import SOURCES

JSON = SOURCES / "docs" / "recovery.json"


def main() -> None:
    """Measure, or take what was measured, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="runs of each (default: 1)")
    parser.add_argument("--cuts", type=int, default=2, help="power cuts, reboots (default: 2)")
    parser.add_argument("--only", action="append", metavar="CASE", help="this case; others stay")
    parser.add_argument("--from-json", action="store_true", help="only write the page anew")
    given = parser.parse_args()
    report.configure()
    if given.from_json:
        _write(figures.load(JSON.read_text()))
        return
    known = measure.names()
    wanted = tuple(given.only or known)
    if unknown := set(wanted) - set(known):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    found = _begun(f"make recovery TIMES={given.times} CUTS={given.cuts}", anew=not given.only)
    with own() as lab:
        for case in measure.cases(lab, wanted=wanted, times=given.times, cuts=given.cuts):
            found = found.having(case)
            _write(found)  # what comes after it may take an hour, or fail


def _begun(command: str, *, anew: bool) -> Figures:
    """Return the figures that more are added to: those of this machine, or none."""
    if not anew and JSON.exists():
        held = figures.load(JSON.read_text())
        if held.machine == machine.words():
            return held
    return Figures(machine.words(), command, [])


def _write(found: Figures) -> None:
    JSON.write_text(figures.dump(found))
    JSON.with_suffix(".md").write_text(page(found))
    JSON.with_suffix(".svg").write_text(picture(found))


if __name__ == "__main__":
    main()
