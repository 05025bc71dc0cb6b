"""How a status is told: as text, as a document, and as a live picture."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click
import pytest
from rich.console import Console
from tests.conftest import Golden
from tests.fixed import NOW
from tests.unit.cli.looks import BROKEN, HEALTHY, REFUSED

from kubeception.admin.status import FirstToExpire, Status
from kubeception.cli.picture import Seen, document, first, following, length, lines, picture
from kubeception.errors import KubeceptionError

GOLDEN = Path(__file__).parent / "golden"
LOST = KubeceptionError("there is no default route", hint="set address")


def drawn(look: Seen, *, width: int = 80, is_folded: bool = False) -> str:
    paper = io.StringIO()
    Console(file=paper, width=width, force_terminal=False).print(picture(look, is_folded=is_folded))
    return "".join(f"{line.rstrip()}\n" for line in paper.getvalue().splitlines())


def after(look: Seen, found: Status | KubeceptionError, *, seconds: int) -> Seen:
    return following(look, found, look.at + timedelta(seconds=seconds))


@pytest.mark.parametrize(("name", "found"), [("healthy", HEALTHY), ("broken", BROKEN)])
def test_the_text(name: str, found: Status, golden: Golden) -> None:
    text = "".join(f"{click.unstyle(line)}\n" for line in lines(found))

    golden(GOLDEN / f"{name}.txt", text)


def test_the_document_has_every_field() -> None:
    told = json.loads(json.dumps(document(HEALTHY)))

    assert list(told) == [
        *("node", "address", "door", "keeper", "versions", "certificates", "revisions"),
        *("opened", "checks", "worker_of", "notices", "snapshots"),
        "healthy",
    ]
    assert told["versions"] == {
        "kubernetes": "1.2.3",
        "kubelet": "1.2.3",
        "etcd": "3.4.5",
        "containerd": "2.3.4",
        "kubeception": "0.0",
    }
    assert told["certificates"] == {
        "first": "/etc/kubernetes/pki/apiserver.crt",
        "expires": "2027-03-01T12:00:00Z",
        "days": 365,
    }
    assert told["checks"][0] == {"group": "host", "what": "etcd.service to run", "problem": None}
    assert told["healthy"] is True


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (365, "certificates: 365 days until x.crt expires"),
        (30, "certificates: 30 days until x.crt expires"),
        (29, "certificates: ! 29 days until x.crt expires"),
        (1, "certificates: ! 1 day until x.crt expires"),
        (0, "certificates: ! 0 days until x.crt expires"),
        (-1, "certificates: ✗ x.crt expired at 2026-03-01T00:00:00Z"),
        (None, "certificates: -"),
    ],
)
def test_a_certificate_near_its_end_is_marked(days: int | None, words: str) -> None:
    found = (
        FirstToExpire() if days is None else FirstToExpire("x.crt", "2026-03-01T00:00:00Z", days)
    )
    text = [click.unstyle(line) for line in lines(replace(HEALTHY, certificates=found))]

    assert words in text


@pytest.mark.parametrize("is_folded", [False, True])
def test_the_picture_of_a_healthy_host(is_folded: bool, golden: Golden) -> None:
    look = first(HEALTHY, NOW)

    name = "picture-healthy-folded" if is_folded else "picture-healthy"
    golden(GOLDEN / f"{name}.txt", drawn(look, is_folded=is_folded))


@pytest.mark.parametrize("is_folded", [False, True])
def test_the_picture_of_a_host_that_broke(is_folded: bool, golden: Golden) -> None:
    look = first(HEALTHY, NOW)
    look = after(look, BROKEN, seconds=10)
    look = after(look, BROKEN, seconds=64)

    name = "picture-broken-folded" if is_folded else "picture-broken"
    golden(GOLDEN / f"{name}.txt", drawn(look, is_folded=is_folded))


def test_a_wide_picture_has_columns(golden: Golden) -> None:
    golden(GOLDEN / "picture-wide.txt", drawn(first(HEALTHY, NOW), width=140))


def test_a_problem_of_the_first_look_may_be_older() -> None:
    look = after(first(BROKEN, NOW), BROKEN, seconds=3)

    assert f"Lease kube-scheduler to be held: {REFUSED}  for over 3s" in drawn(look, width=140)


def test_a_problem_that_comes_back_is_a_new_one() -> None:
    look = first(HEALTHY, NOW)
    for found in (BROKEN, HEALTHY, BROKEN, BROKEN):
        look = after(look, found, seconds=5)

    assert f"Lease kube-scheduler to be held: {REFUSED}  for 5s" in drawn(look, width=140)


def test_what_turned_lately_is_told_with_its_time() -> None:
    look = first(HEALTHY, NOW)
    for found in (BROKEN, HEALTHY):
        look = after(look, found, seconds=5)

    assert [f"{turn.at:%S} {turn.mark or ''} {turn.words}" for turn in look.lately] == [
        "05  the door: 6445 → -",
        f"05 ✗ 4 checks: {REFUSED}",
        "10  the door: - → 6445",
        "10 ✓ 4 checks, after 5s",
    ]


def test_only_the_last_turns_are_kept() -> None:
    look = first(HEALTHY, NOW)
    for found in (BROKEN, HEALTHY) * 10:
        look = after(look, found, seconds=1)

    assert len(look.lately) == 5
    assert look.lately[-1].at == look.at


def test_where_nothing_is_seen_the_picture_says_why() -> None:
    look = after(first(BROKEN, NOW), LOST, seconds=1)
    text = drawn(look)

    assert "error: there is no default route" in text
    assert "hint: set address" in text
    assert not look.healthy


def test_problems_go_on_standing_while_nothing_is_seen() -> None:
    look = after(first(HEALTHY, NOW), BROKEN, seconds=1)
    look = after(after(look, LOST, seconds=1), BROKEN, seconds=1)

    assert f"Lease kube-scheduler to be held: {REFUSED}  for 2s" in drawn(look, width=140)


def test_the_same_seen_again_is_no_change() -> None:
    look = first(HEALTHY, NOW)
    again, other = after(look, HEALTHY, seconds=1), after(look, BROKEN, seconds=1)

    assert [look.has_changed(None), again.has_changed(look), other.has_changed(look)] == [
        *(True, False, True)
    ]


def test_the_same_failure_again_is_no_change() -> None:
    look = after(first(HEALTHY, NOW), LOST, seconds=1)
    again = after(look, KubeceptionError(LOST.message), seconds=1)
    other = after(look, KubeceptionError("another"), seconds=1)

    assert [again.has_changed(look), other.has_changed(look)] == [False, True]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0s"),
        (59.9, "59s"),
        (60, "1m 00s"),
        (3599, "59m 59s"),
        (3600, "1h 00m"),
        (90000, "1d 1h"),
    ],
)
def test_a_length_of_time_has_two_units(seconds: float, words: str) -> None:
    assert length(timedelta(seconds=seconds)) == words
