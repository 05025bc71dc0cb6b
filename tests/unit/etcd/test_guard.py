"""Whether etcd may start on the data that are there, as a table."""

from dataclasses import replace
from pathlib import Path

import pytest

from kubeception.etcd import guard
from kubeception.etcd.guard import Remains
from kubeception.facts import Accept, Identity, Stored
from kubeception.layout import OUR_MARK

FOLDER = Path("/var/lib/etcd/default.etcd")
OURS, OTHERS = Stored("a1", "b1"), Stored("a2", "b2")
KNOWN = Identity(node="cp1", token="00", cluster="a1", member="b1")
FINE = Remains(FOLDER, OURS, 9, KNOWN, "member.json says so", 9)

TABLE: dict[str, tuple[Remains, Accept | None]] = {
    "its own data": (FINE, None),
    "a host that never had any": (Remains(FOLDER), None),
    "a first start that was killed": (replace(FINE, stored=None, identity=Identity("cp1")), None),
    "data that nobody remembers": (replace(FINE, identity=None), None),
    "no data": (replace(FINE, stored=None), Accept.EMPTY_ETCD),
    "no data and an illegible record": (
        replace(FINE, stored=None, identity=Identity()),
        Accept.EMPTY_ETCD,
    ),
    "data and an illegible record": (replace(FINE, identity=Identity()), None),
    "another cluster's data": (replace(FINE, stored=OTHERS), Accept.OTHER_ETCD),
    "another member's data": (replace(FINE, stored=Stored("a1", "b2")), Accept.OTHER_ETCD),
    "a log that nobody can read": (replace(FINE, stored=Stored()), None),
    "older data": (replace(FINE, index=8), Accept.OLDER_ETCD),
    "newer data": (replace(FINE, index=10), None),
    "data of an age that was not asked": (replace(FINE, index=None), None),
    "a log that ends where it begins": (replace(FINE, index=0), Accept.OLDER_ETCD),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_may_start(name: str) -> None:
    remains, accepted_as = TABLE[name]

    found = list(guard.losses(remains))

    assert [loss.accepted_as for loss in found] == ([accepted_as] if accepted_as else [])
    for loss in found:
        assert loss.path == FOLDER
        assert f"kubeception bootstrap --accept {accepted_as}" in loss.hint


@pytest.mark.parametrize("name", [name for name, (_, accepted_as) in TABLE.items() if accepted_as])
def test_a_snapshot_is_named_before_what_would_be_given_up(name: str) -> None:
    remains, accepted_as = TABLE[name]

    [loss] = guard.losses(replace(remains, way_back="restore hourly-1: kubeception recover"))

    assert "; or restore hourly-1: kubeception recover; or " in loss.hint
    assert loss.hint.index("hourly-1") < loss.hint.index(f"--accept {accepted_as}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ('A="1"\nB="2"\n', "was not written by kubeception"),
        (OUR_MARK, "does not set A, B"),
        (f'{OUR_MARK}A="1"\n', "does not set B"),
        (f'{OUR_MARK}A="1"\nB=""\n', "does not set B"),
        (f'{OUR_MARK}A="1"\nB="2"\n', None),
    ],
)
def test_settings_that_are_not_ours(text: str, problem: str | None) -> None:
    assert guard.settings_problem(text, mark=OUR_MARK, wanted=("A", "B")) == problem
