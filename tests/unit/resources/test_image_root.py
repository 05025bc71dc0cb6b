"""The image's file system on a host: copied once, whole, beside the one that is in use."""

from pathlib import Path

import pytest
from tests.unit.reaching import reach_of

from kubeception.host import files, tree
from kubeception.reach import Reach
from kubeception.resources.image_root import ImageRoot, NoOtherImageRoot

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
def reach(tmp_path: Path) -> Reach:
    return reach_of(tmp_path / "host")


def test_a_copy_is_wanted_once(reach: Reach, source: Path) -> None:
    wanted = ImageRoot(WANTED, source)

    assert wanted.drift(reach) == "missing"
    wanted.apply(reach)
    assert wanted.drift(reach) is None
    wanted.apply(reach)

    copy = reach.host.at(WANTED)
    assert (copy / "opt/lib/main.py").read_text() == "a program"
    assert (copy / "usr/bin/python").readlink() == Path("python3")
    assert identity(copy) == identity(source)


def test_half_a_copy_is_thrown_away(reach: Reach, source: Path) -> None:
    files.write(files.unfinished(reach.host.at(WANTED)) / "usr/bin/half", "")
    ImageRoot(WANTED, source).apply(reach)

    assert not (reach.host.at(WANTED) / "usr/bin/half").exists()


def test_others_go_and_what_is_beside_them_stays(reach: Reach, source: Path) -> None:
    for path in (OTHER, WANTED):
        ImageRoot(path, source).apply(reach)
    files.write(reach.host.at(Path("/opt/kubeception/1.37.1/bundle.json")), "")
    files.make_folder(files.unfinished(reach.host.at(OTHER)))
    wanted = NoOtherImageRoot(WANTED)

    assert wanted.drift(reach) == ".image-0.kubeception-unfinished, image-0"
    wanted.apply(reach)
    assert wanted.drift(reach) is None
    left = reach.host.at(WANTED).parent.iterdir()
    assert sorted(path.name for path in left) == ["1.37.1", "image-1"]


def test_nothing_is_there_yet(reach: Reach) -> None:
    assert NoOtherImageRoot(WANTED).drift(reach) is None


@pytest.mark.parametrize("path", ["opt/lib/main.py", "usr/bin/python3", "usr/bin/new"])
def test_another_file_makes_another_identity(source: Path, path: str) -> None:
    before = identity(source)
    files.write(source / path, "something else")

    assert identity(source) != before


def identity(root: Path) -> str:
    return tree.identity(root, programs=Path("/usr"), library=Path("/opt/lib"))
