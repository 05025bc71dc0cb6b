"""The image's file system on a host: copied once, whole, beside the one that is in use."""

from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.host import files, tree
from kubeception.resources.image_root import ImageRoot, NoOtherImageRoot
from kubeception.session import Session

WANTED = Path("/opt/kubeception/image-1")
OTHER = Path("/opt/kubeception/image-0")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The file system of a container."""
    folder = tmp_path / "container"
    files.write(folder / "usr/bin/python3", "an interpreter", mode=0o755)
    files.write(folder / "opt/lib/main.py", "a program")
    (folder / "usr/bin/python").symlink_to("python3")
    return folder


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return session_of(tmp_path / "host")


def test_a_copy_is_wanted_once(session: Session, source: Path) -> None:
    wanted = ImageRoot(WANTED, source)

    assert wanted.drift(session) == "missing"
    wanted.apply(session)
    assert wanted.drift(session) is None
    wanted.apply(session)

    copy = session.host.at(WANTED)
    assert (copy / "opt/lib/main.py").read_text() == "a program"
    assert (copy / "usr/bin/python").readlink() == Path("python3")
    assert identity(copy) == identity(source)


def test_half_a_copy_is_thrown_away(session: Session, source: Path) -> None:
    files.write(files.unfinished(session.host.at(WANTED)) / "usr/bin/half", "")
    ImageRoot(WANTED, source).apply(session)

    assert not (session.host.at(WANTED) / "usr/bin/half").exists()


def test_others_go_and_what_is_beside_them_stays(session: Session, source: Path) -> None:
    for path in (OTHER, WANTED):
        ImageRoot(path, source).apply(session)
    files.write(session.host.at(Path("/opt/kubeception/1.37.1/bundle.json")), "")
    files.make_folder(files.unfinished(session.host.at(OTHER)))
    wanted = NoOtherImageRoot(WANTED)

    assert wanted.drift(session) == ".image-0.kubeception-unfinished, image-0"
    wanted.apply(session)
    assert wanted.drift(session) is None
    left = session.host.at(WANTED).parent.iterdir()
    assert sorted(path.name for path in left) == ["1.37.1", "image-1"]


def test_nothing_is_there_yet(session: Session) -> None:
    assert NoOtherImageRoot(WANTED).drift(session) is None


@pytest.mark.parametrize("path", ["opt/lib/main.py", "usr/bin/python3", "usr/bin/new"])
def test_another_file_makes_another_identity(source: Path, path: str) -> None:
    before = identity(source)
    files.write(source / path, "something else")

    assert identity(source) != before


def identity(root: Path) -> str:
    return tree.identity(root, programs=Path("/usr"), library=Path("/opt/lib"))
