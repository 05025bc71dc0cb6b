"""Which release a Node asks its host for, what there is to do for it, and what the Node is told."""

import re
from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.keeper.release import (
    Asked,
    Releases,
    Work,
    asked,
    commands,
    due,
    preparation,
    preparing,
)
from kubeception.render.cluster_upgrade import ANSWER_NOTE, BUNDLES_NOTE, RELEASE_NOTE

WANTED = Asked("0a-1b", "new")
THERE = ("old", "new")
SAID = {BUNDLES_NOTE: "old new"}
ASKING = {**SAID, RELEASE_NOTE: "0a-1b/new"}


def nobody(_wanted: Asked) -> tuple[Work | None, str]:
    raise AssertionError("nothing is asked for")


@pytest.mark.parametrize(
    "said", ["", "new", "/new", "0a/", "../x/new", "0a/../new", "0a/a b", "keeper/new"]
)
def test_what_asks_for_nothing_is_no_request(said: str) -> None:
    """It becomes the name of a unit, and of a folder."""
    assert asked({RELEASE_NOTE: said}) is None


def test_a_host_says_which_bundles_it_has() -> None:
    assert due({}, THERE, nobody) == Releases(notes=((BUNDLES_NOTE, "old new"),))
    assert due(SAID, THERE, nobody) == Releases()
    assert due({}, (), nobody) == Releases()


@pytest.mark.parametrize("work", Work)
def test_what_is_asked_for_is_done_and_waited_for(work: Work) -> None:
    assert due(ASKING, THERE, lambda _: (work, "")) == Releases(WANTED, work)


@pytest.mark.parametrize("answer", ["0a-1b/new", "0a-1b/new: it broke"])
def test_its_end_is_told_once(answer: str) -> None:
    told = due(ASKING, THERE, lambda _: (None, answer))

    assert told == Releases(WANTED, notes=((ANSWER_NOTE, answer),))
    assert due({**ASKING, ANSWER_NOTE: answer}, THERE, nobody) == Releases(WANTED)


def test_one_whose_images_are_on_their_way_is_waited_for() -> None:
    told = due({**ASKING, BUNDLES_NOTE: "old"}, ("old",), nobody, lacking=("new",))

    assert told == Releases(WANTED)


@pytest.mark.parametrize("before", ["0a-1c/new", "0a-1b/older", "0a-1b/new2"])
def test_what_was_told_of_another_is_no_answer(before: str) -> None:
    said = {**ASKING, ANSWER_NOTE: before}

    assert due(said, THERE, lambda _: (Work.DUE, "")) == Releases(WANTED, Work.DUE)


def test_a_bundle_that_is_not_there_is_told_at_once() -> None:
    told = due({**ASKING, BUNDLES_NOTE: "old"}, ("old",), nobody)

    assert told.work is None
    assert told.notes == ((ANSWER_NOTE, "0a-1b/new: this host has no bundle new"),)


def test_a_unit_has_a_name_whatever_the_bundle_has(tmp_path: Path) -> None:
    assert re.fullmatch(r"kubeception-prepare-[0-9a-f]{12}\.service", preparing("1.37.1+a~b"))
    assert preparing("a") != preparing("b")
    *_, folder, flag = preparation(session_of(tmp_path), "new")
    assert (folder, flag) == ("/opt/kubeception/new", "--stage")


@pytest.mark.parametrize(("is_worker", "last"), [(False, "bootstrap"), (True, "join")])
def test_it_is_done_as_a_person_would(tmp_path: Path, is_worker: bool, last: str) -> None:
    session = session_of(tmp_path)
    if is_worker:
        session.layout.membership.parent.mkdir(parents=True)
        session.layout.membership.touch()

    assert list(commands(session, WANTED)) == [
        ("/usr/local/bin/kubeception", "bundle", "import", "/opt/kubeception/new"),
        ("/usr/local/bin/kubeception", last),
    ]
