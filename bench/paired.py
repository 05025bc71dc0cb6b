"""`make compare BEFORE=commit`: a version beside the one before, in pairs, in a drawn order.

What was measured lies in a file of JSON lines; a run that was ended goes on where it was.
"""

import argparse
import json
import logging
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import machine, version
from bench.pairs import CONFIDENCE, Ratio, ratio
from bench.version import Figures, Version
from kubeception import report
from kubeception.bundle.components import SOURCES
from kubeception.errors import KubeceptionError

log = logging.getLogger("kubeception.bench")

SIDES = ("before", "after")


@dataclass(frozen=True)
class Measured:
    """What one version took in one round."""

    round: int
    side: str
    commit: str
    figures: Figures


def main() -> None:
    """Compare, or say why not."""
    try:
        _compare()
    except KubeceptionError as error:
        sys.exit("\n".join(error.lines()))


def _compare() -> None:
    """Measure what has not been, and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench.paired", description=__doc__)
    parser.add_argument("before", help="the commit of the version before")
    parser.add_argument("--after", default="HEAD", help="the other one's (default: HEAD)")
    parser.add_argument("--rounds", type=int, default=10, help="pairs (default: 10)")
    parser.add_argument("--no-power-cuts", action="store_true", help="what else there is, sooner")
    parser.add_argument("--results", type=Path, help="the file of what was measured")
    given = parser.parse_args()
    report.configure()
    commits = (given.before, given.after)
    sides = dict(zip(SIDES, map(version.of_commit, commits), strict=True))
    named = "-".join(one.commit for one in sides.values())
    results = given.results or SOURCES / "artifacts" / "compare" / f"{named}.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    text = results.read_text() if results.exists() else ""
    known = read(text)
    results.write_text(text[: text.rfind("\n") + 1])  # or the next line would go on half a one
    if others := {one.commit for one in known} - {one.commit for one in sides.values()}:
        parser.error(f"{results}: is of {', '.join(sorted(others))}; name another one: --results")
    missing = list(left(known, rounds=given.rounds, names=named))
    for one in sides.values() if missing else ():
        one.build()
    for number, side in missing:
        known.append(_measure(number, side, sides[side], cuts_power=not given.no_power_cuts))
        with results.open("a") as file:
            file.write(json.dumps(vars(known[-1])) + "\n")
    print(f"{machine.words()}\n{results}\n\n" + "\n".join(table(ratios(known))))


def read(text: str) -> list[Measured]:
    """Return what was measured before; half a line, of a run that was killed, is none."""
    *whole, _ = text.split("\n")
    return [Measured(**json.loads(line)) for line in whole]


def left(known: Iterable[Measured], *, rounds: int, names: str) -> Iterator[tuple[int, str]]:
    """Yield what is still to be measured; a round's order is drawn, and the same each time."""
    done = {(one.round, one.side) for one in known}
    for number in range(1, rounds + 1):
        order = random.Random(f"{names} {number}").sample(SIDES, len(SIDES))
        yield from ((number, side) for side in order if (number, side) not in done)


def ratios(known: Sequence[Measured]) -> dict[str, Ratio]:
    """Return each figure's ratio over the rounds that have both sides of it."""
    by = {(one.round, one.side): one.figures for one in known}
    whole = sorted({number for number, _ in by if all((number, side) in by for side in SIDES)})
    names = list(by[whole[0], SIDES[0]]) if whole else []
    return {
        name: ratio(*([by[number, side][name] for number in whole] for side in SIDES))
        for name in names
    }


def table(found: dict[str, Ratio]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"| figure | before | after | ratio | {CONFIDENCE:.0%} bound (sign test) | pairs |"
    yield "| --- | ---: | ---: | ---: | --- | ---: |"
    for name, one in found.items():
        bound = "needs five pairs"
        if one.low is not None and one.confidence is not None:
            bound = f"{one.low:.3f} to {one.high:.3f} ({one.confidence:.1%})"
        yield (
            f"| {name} | {one.before:.2f} | {one.after:.2f} | {one.middle:.3f} | {bound} "
            f"| {one.pairs} |"
        )


def _measure(number: int, side: str, one: Version, *, cuts_power: bool) -> Measured:
    figures = one.measure(cuts_power=cuts_power)
    told = ", ".join(f"{name} {value:.2f}" for name, value in figures.items())
    log.info("round %d, %s (%s): %s", number, side, one.commit, told)
    return Measured(number, side, one.commit, figures)


if __name__ == "__main__":
    main()
