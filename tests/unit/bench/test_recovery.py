"""The page and the picture of recovery are made of the figures alone."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from bench.recovery import figures
from bench.recovery.figures import Act, Case, Figures, Run
from bench.recovery.page import page
from bench.recovery.picture import picture
from tests.lab.timeline import Span

SVG = "{http://www.w3.org/2000/svg}"


def said(words: str, *, module: str = "keeper") -> str:
    return f" INFO 2026-11-25T12:53:32Z: kubeception::{module}: {words}"


MENDED = Run(
    injected_s=0.5,
    well_s=9.5,
    requests=100,
    slowest_s=0.2,
    spans=[Span(-0.1, 1.0, 10), Span(1.0, 3.5, 1, 25, "Connection refused"), Span(3.5, 10.0, 64)],
    acts=[
        Act(2.0, said("wait: no API answers")),
        Act(3.0, said("applying control plane manifests", module="k8s")),
        Act(3.2, said("turned from 6445 to 6446", module="door")),
        Act(9.0, said("nothing: all is well")),
    ],
)
LOST = replace(MENDED, well_s=None, problems=["etcd is inactive"])
KILLED = Case("API server killed", "2026-11-25", 10, 30, [MENDED])
FOUND = Figures("2 cores", "make recovery", [KILLED])


def row(case: Case) -> list[str]:
    text = page(replace(FOUND, cases=[case]))
    line = next(line for line in text.splitlines() if line.startswith(f"| {case.name}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def lines(text: str, kind: str) -> list[ElementTree.Element]:
    found = ElementTree.fromstring(text).iter()
    return [element for element in found if element.get("class") == kind]


def test_json_gives_back_what_was_written() -> None:
    assert figures.load(figures.dump(FOUND)) == FOUND


def test_a_case_takes_the_place_of_the_one_before_it() -> None:
    other = replace(KILLED, name="etcd killed")
    newer = replace(KILLED, day="2026-11-26")

    assert FOUND.having(other).having(newer).cases == [newer, other]


def test_a_row_has_gap_requests_limits_and_what_the_keeper_did() -> None:
    assert row(KILLED) == [
        "API server killed",
        "2.5",
        "25 of 100",
        "10",
        "9.5",
        "30",
        "2: wait: no API answers<br>3: door turned from 6445 to 6446",
    ]


def test_of_many_runs_there_is_the_median_and_the_worst() -> None:
    runs = [replace(MENDED, well_s=well_s) for well_s in (8.0, 12.0, 9.0)]

    name, gap, _, _, well, _, _ = row(replace(KILLED, runs=runs))

    assert name == "API server killed<br>3 times"
    assert gap == "2.5, 2.5"
    assert well == "9.0, 12.0"


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (replace(KILLED, gap_limit_s=0), "a gap of 2.5 s, of 0"),
        (replace(KILLED, well_limit_s=5), "all well after 9.5 s, of 5"),
        (replace(KILLED, runs=[MENDED, LOST]), "not well: etcd is inactive"),
        (replace(KILLED, runs=[replace(MENDED, lost=["one"])]), "1 acknowledged writes lost"),
    ],
)
def test_what_did_not_keep_to_its_limits_is_named(case: Case, told: str) -> None:
    assert not case.holds()
    assert f"- API server killed: {told}" in page(replace(FOUND, cases=[case]))


def test_where_all_kept_to_their_limits_the_page_says_so() -> None:
    assert KILLED.holds()
    assert "Every one kept to its limits." in page(FOUND)


def test_a_bar_that_is_in_a_keepers_line_does_not_break_the_row() -> None:
    run = replace(MENDED, acts=[Act(1.0, said("a | b"))])

    assert r"1: a \| b" in page(replace(FOUND, cases=[replace(KILLED, runs=[run])]))


def test_the_picture_has_a_bar_for_each_span_and_marks() -> None:
    drawn = picture(FOUND)

    # One of each is the legend's.
    assert len(lines(drawn, "ok")) == 2 + 1
    assert len(lines(drawn, "gap")) == 1 + 1
    assert len(lines(drawn, "act")) == 2 + 1
    assert len(lines(drawn, "well")) == 1 + 1


def test_bars_follow_one_another_on_one_scale() -> None:
    bars = [*lines(picture(FOUND), "ok")[1:], lines(picture(FOUND), "gap")[1]]
    first, last, gap = ([float(bar.get(key, "")) for key in ("x", "width")] for bar in bars)

    assert sum(first) == pytest.approx(gap[0], abs=0.2)
    assert sum(gap) == pytest.approx(last[0], abs=0.2)
    assert gap[1] / last[1] == pytest.approx(2.5 / 6.5, rel=0.02)


def test_a_name_is_text_whatever_it_has_in_it() -> None:
    drawn = picture(replace(FOUND, cases=[replace(KILLED, name="a < b & c")]))

    texts = [element.text for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")]
    assert "a < b & c" in texts


def test_one_that_is_never_well_is_drawn_to_the_end() -> None:
    endless = replace(LOST, spans=[Span(0.0, 999.0, 0, 9990, "refused")])
    drawn = picture(replace(FOUND, cases=[replace(KILLED, runs=[endless])]))

    widths = [float(bar.get("x", "")) + float(bar.get("width", "")) for bar in lines(drawn, "gap")]
    assert max(widths) <= 1000


def test_readers_in_the_dark_see_the_picture_too() -> None:
    assert "prefers-color-scheme: dark" in picture(FOUND)
    assert not re.search(r'(?:fill|stroke)="#', picture(FOUND))
