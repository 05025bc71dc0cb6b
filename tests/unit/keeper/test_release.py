"""How a host gets to a release, and what may be in the way."""

import re
from pathlib import Path

import pytest
from tests.unit.bundle.conftest import MakeBundle, make_bundle
from tests.unit.sessions import session_of

from kubeception.bundle.install import install, installed
from kubeception.keeper.errand import Asked, Work
from kubeception.keeper.release import (
    Bundles,
    commands,
    outcome,
    preparation,
    preparing,
)
from kubeception.render.cluster_upgrade import Errand

__all__ = ["make_bundle"]


def test_a_bundle_that_is_not_there_is_in_the_way_and_one_without_images_is_waited_for(
    tmp_path: Path,
) -> None:
    bundles = Bundles(session_of(tmp_path))
    bundles.there, bundles.lacking = ("old",), ("new",)

    assert bundles.obstacle("old") is None
    assert bundles.obstacle("new") == ""
    assert bundles.obstacle("other") == "this host has no bundle other"


def test_a_host_has_come_there_once_its_api_server_is_on_trial_no_more(tmp_path: Path) -> None:
    session, wanted = session_of(tmp_path), Asked("0a-1b", "new")

    assert outcome(session, wanted, is_on_trial=True) == (Work.RUNNING, "")
    assert outcome(session, wanted, is_on_trial=False) == (None, "0a-1b/new")


def test_a_bundle_that_was_fetched_is_there_or_comes_or_is_another_one(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    session = session_of(tmp_path / "host")
    bundles, wanted = Bundles(session), Asked("0a-1b", "new", Errand.FETCH)
    another = (None, "0a-1b/new: this host has no bundle new: its source has another one")
    assert bundles.outcome(wanted) == another
    install(make_bundle("3.7.3"), session.host.root, linked=True)

    [one] = installed(session.host.root)
    there = Asked("0a-1b", one.name, Errand.FETCH)
    assert bundles.outcome(there) == (None, str(there)), "it is looked for anew"
    assert bundles.outcome(wanted) == another
    bundles.lacking = ("new",)
    assert bundles.outcome(wanted) == (Work.RUNNING, "")


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

    assert list(commands(session, "new")) == [
        ("/usr/local/bin/kubeception", "bundle", "import", "/opt/kubeception/new"),
        ("/usr/local/bin/kubeception", last),
    ]
