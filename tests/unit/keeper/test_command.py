"""Which programs of its administrator's a host runs by their names, and which not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.keeper.command import commands, obstacle
from kubeception.session import Session

ME = os.getuid()
AT = "/etc/kubeception/steps.d"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A host that has a program of the name `patch`."""
    found = session_of(tmp_path)
    found.layout.steps.mkdir(parents=True, mode=0o755)
    program(found, "patch").touch()
    program(found, "patch").chmod(0o700)
    return found


def program(session: Session, name: str) -> Path:
    return session.layout.steps / name


def test_a_program_that_is_roots_alone_is_run_without_arguments(session: Session) -> None:
    assert obstacle(session, "patch", owner=ME) is None
    assert list(commands("patch")) == [(f"{AT}/patch",)]


def test_one_that_is_not_there_is_not(session: Session) -> None:
    assert obstacle(session, "other", owner=ME) == f"{AT}/other is not there"


@pytest.mark.parametrize("name", ["kubeception", "steps"])
def test_a_program_may_have_any_name(session: Session, name: str) -> None:
    program(session, "patch").rename(program(session, name))

    assert obstacle(session, name, owner=ME) is None


def test_nor_where_nobody_has_put_any(tmp_path: Path) -> None:
    assert obstacle(session_of(tmp_path), "patch") == "/etc/kubeception is not there"


def link(path: Path) -> None:
    """Have a symlink in place of a program lead to one that would do."""
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir(0o755)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "one that leads elsewhere": (link, f"{AT}/patch is no regular file"),
    "a folder": (folder, f"{AT}/patch is no regular file"),
    "one that can't be run": (lambda at: at.chmod(0o644), f"{AT}/patch is not executable"),
    "one that others can run alone": (lambda at: at.chmod(0o655), f"{AT}/patch is not executable"),
    "one that a group may write": (
        lambda at: at.chmod(0o720),
        f"{AT}/patch may be written by others than root",
    ),
    "one that everybody may write": (
        lambda at: at.chmod(0o702),
        f"{AT}/patch may be written by others than root",
    ),
    "one that others may put another in place of": (
        lambda at: at.parent.chmod(0o775),
        f"{AT} may be written by others than root",
    ),
    "one whose folder others may exchange": (
        lambda at: at.parents[1].chmod(0o757),
        "/etc/kubeception may be written by others than root",
    ),
}


@pytest.mark.parametrize(("spoil", "why"), WRONG.values(), ids=WRONG.keys())
def test_what_another_than_root_could_have_put_there_is_not_run(
    session: Session, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(program(session, "patch"))

    assert obstacle(session, "patch", owner=ME) == why


def test_nor_what_belongs_to_another(session: Session) -> None:
    said = f"/etc/kubeception belongs to user {ME}, not to root"

    assert obstacle(session, "patch", owner=ME + 1) == said


def test_nor_what_lies_in_a_folder_that_leads_elsewhere(session: Session) -> None:
    at = session.layout.steps
    at.rename(at.with_name("real.d"))
    at.symlink_to("real.d")

    assert obstacle(session, "patch", owner=ME) == f"{AT} is no folder"
