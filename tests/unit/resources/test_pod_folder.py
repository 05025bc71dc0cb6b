"""A pod's folder has copies of its own files as they are now, and nothing else."""

import os
from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.host import files
from kubeception.render import pod_folder
from kubeception.resources.pod_folder import PodFolder
from kubeception.session import Session

KEY, CRT = Path("/etc/kubernetes/pki/a.key"), Path("/etc/kubernetes/pki/a.crt")
MORE = Path("/etc/kubernetes/pki/more")
TOP = Path("/etc/kubernetes/kubeception/it")
WANTED = PodFolder(pod_folder.PodFolder(TOP, (KEY.parent,), (CRT, KEY, MORE)))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A host with two of its files, and their copies."""
    session = session_of(tmp_path)
    for path in (KEY, CRT):
        files.write(session.host.at(path), path.name)
    WANTED.apply(session)
    return session


def copy(session: Session, path: Path) -> Path:
    return session.host.at(TOP) / path.relative_to("/")


def test_copies_are_for_the_pod_alone(session: Session) -> None:
    for path in (CRT, KEY):
        assert files.mode_of(copy(session, path)) == 0o600
        assert copy(session, path).read_text() == path.name
    inner = copy(session, KEY).parent
    assert {files.mode_of(one) for one in (session.host.at(TOP), inner)} == {0o700}
    assert WANTED.drift(session) is None


def test_what_is_renewed_arrives_in_the_same_folder_by_a_rename(session: Session) -> None:
    """The pod has the folder, and sees whatever bears the name."""
    before, folder = copy(session, CRT).stat().st_ino, copy(session, CRT).parent.stat().st_ino
    untouched = copy(session, KEY).stat().st_ino
    files.write(session.host.at(CRT), "renewed")

    assert WANTED.drift(session) == f"{TOP}{CRT} is not as {CRT} is"
    WANTED.apply(session)

    assert copy(session, CRT).read_text() == "renewed"
    assert copy(session, CRT).stat().st_ino != before
    assert copy(session, CRT).parent.stat().st_ino == folder
    assert copy(session, KEY).stat().st_ino == untouched
    assert WANTED.drift(session) is None


def test_what_does_not_belong_there_goes(session: Session) -> None:
    """Such as a key that it has had and needs no more, or what a killed writer left of one."""
    other = copy(session, KEY).with_name("ca.key")
    for path in (other, files.unfinished(copy(session, KEY))):
        files.write(path, "secret")
        assert str(WANTED.drift(session)).endswith(f"{path.name} does not belong there")
        WANTED.apply(session)
        assert not path.exists()
    other.symlink_to("/etc/shadow")
    assert WANTED.drift(session)
    WANTED.apply(session)
    assert not other.is_symlink()
    assert WANTED.drift(session) is None


@pytest.mark.parametrize("inside", [KEY, KEY.parent, Path("/")])
def test_one_that_others_may_use_is_taken_back(session: Session, inside: Path) -> None:
    path = copy(session, inside)
    mode = files.mode_of(path)
    path.chmod(0o755)

    assert str(WANTED.drift(session)).endswith("is not for its pod alone")
    WANTED.apply(session)

    assert files.mode_of(path) == mode
    assert WANTED.drift(session) is None


def test_the_folder_may_lie_elsewhere_and_a_copy_may_not(session: Session) -> None:
    """A person's link to another disk is followed as the host follows it, also from a container."""
    elsewhere = session.host.at(Path("/srv/copies"))
    elsewhere.parent.mkdir()
    session.host.at(TOP).rename(elsewhere)
    session.host.at(TOP).symlink_to("/srv/copies")
    assert WANTED.drift(session) is None
    inner = elsewhere / KEY.relative_to("/")
    inner.rename(inner.with_name("moved"))
    inner.symlink_to("moved")

    assert WANTED.drift(session)
    WANTED.apply(session)

    assert WANTED.drift(session) is None
    assert not inner.is_symlink() and session.host.at(TOP).is_symlink()
    assert {path.name for path in elsewhere.rglob("*") if path.is_file()} == {KEY.name, CRT.name}


def test_where_the_original_is_lost_the_copy_stays(session: Session) -> None:
    session.host.at(KEY).unlink()

    assert WANTED.drift(session) is None
    WANTED.apply(session)
    assert copy(session, KEY).read_text() == KEY.name


def test_of_a_folder_all_is_copied(session: Session) -> None:
    for name in ("b/c", "d"):
        files.write(session.host.at(MORE / name), name)

    assert WANTED.drift(session)
    WANTED.apply(session)

    assert copy(session, MORE / "b/c").read_text() == "b/c"
    assert copy(session, MORE / "d").read_text() == "d"
    assert WANTED.drift(session) is None


def test_who_is_not_root_may_read_and_not_write() -> None:
    """The group is that user's; the owner is root."""
    other = os.getegid() + 1
    modes = {user: PodFolder(pod_folder.PodFolder(TOP, (), (), user)).modes for user in (0, other)}

    assert modes == {0: (0o700, 0o600), other: (0o750, 0o640)}
