"""Files that are newer than a unit's start, and those that another clock has dated."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fixed import NOW
from tests.unit.sessions import session_of

from kubeception.resources.unit import date_back, newer

FILES = (Path("/etc/a"), Path("/etc/missing"))


@pytest.mark.parametrize(("hours", "is_newer"), [(-2, False), (2, True)])
def test_what_was_changed_after_a_start_is_newer(
    tmp_path: Path, hours: int, is_newer: bool
) -> None:
    session = session_of(tmp_path)
    written(tmp_path, hours)

    found = newer(session, FILES, than_s=NOW.timestamp())

    assert found == (FILES[0] if is_newer else None)


def test_a_link_that_was_turned_is_newer_whatever_it_leads_to(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    written(tmp_path, -2)
    link = tmp_path / "etc/current"
    link.symlink_to("a")
    at_s = (NOW + timedelta(hours=1)).timestamp()
    os.utime(link, (at_s, at_s), follow_symlinks=False)

    path = Path("/etc/current")
    assert newer(session, [path], than_s=NOW.timestamp()) == path
    date_back(session, [path])
    assert newer(session, [path], than_s=NOW.timestamp()) is None


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_file_of_the_future_makes_nobody_start_twice(tmp_path: Path, hours: int) -> None:
    session = session_of(tmp_path)
    at = written(tmp_path, hours)
    before = at.stat().st_mtime

    date_back(session, FILES)

    assert newer(session, FILES, than_s=NOW.timestamp()) is None
    assert at.stat().st_mtime == min(before, NOW.timestamp())


def written(root: Path, hours: int) -> Path:
    """Have a file that was written so many hours from now."""
    at = root / "etc/a"
    at.parent.mkdir(parents=True)
    at.touch()
    changed_s = (NOW + timedelta(hours=hours)).timestamp()
    os.utime(at, (changed_s, changed_s))
    return at
