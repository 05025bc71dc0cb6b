"""A bundle's folder holds exactly the bundle, whatever was in it before."""

from pathlib import Path

import pytest

from kubeception.bundle import contents, output
from kubeception.bundle.contents import Bundle, BundleFile
from kubeception.errors import KubeceptionError
from kubeception.host import files


def lay_out(folder: Path, made: dict[str, Path]) -> int:
    sources = {BundleFile(name, p.stat().st_size, files.digest(p)): p for name, p in made.items()}
    bundle = Bundle.of(
        components={"kubernetes": "1.37.1"},
        architecture="amd64",
        python="python3.11",
        images={},
        files=list(sources),
    )
    return output.lay_out(folder, bundle, sources)


def made(folder: Path, *names: str) -> dict[str, Path]:
    for name in names:
        files.write(folder / name, name)
    return {f"bin/{name}": folder / name for name in names}


def test_nothing_changes_the_second_time(tmp_path: Path) -> None:
    wanted = made(tmp_path / "made", "etcd", "runc")

    assert lay_out(tmp_path / "bundle", wanted) == 2
    assert lay_out(tmp_path / "bundle", wanted) == 0


def test_what_is_no_longer_wanted_goes(tmp_path: Path) -> None:
    lay_out(tmp_path / "bundle", made(tmp_path / "made", "etcd", "runc"))

    assert lay_out(tmp_path / "bundle", made(tmp_path / "made", "etcd")) >= 1
    assert not (tmp_path / "bundle/bin/runc").exists()


def test_a_changed_file_is_laid_anew(tmp_path: Path) -> None:
    wanted = made(tmp_path / "made", "etcd", "runc")
    lay_out(tmp_path / "bundle", wanted)
    files.write(tmp_path / "bundle/bin/runc", "somebody's own")

    assert lay_out(tmp_path / "bundle", wanted) == 1
    assert (tmp_path / "bundle/bin/runc").read_text() == "runc"


def test_killed_in_the_middle_it_is_no_bundle_and_goes_on_later(tmp_path: Path) -> None:
    wanted = made(tmp_path / "made", "etcd", "runc")
    lay_out(tmp_path / "bundle", made(tmp_path / "made", "etcd"))
    broken = {BundleFile(name, 1, ""): path for name, path in wanted.items()}
    (tmp_path / "made/runc").rename(tmp_path / "made/away")
    with pytest.raises(FileNotFoundError):
        output.lay_out(tmp_path / "bundle", contents.load(tmp_path / "bundle"), broken)

    with pytest.raises(KubeceptionError, match="no bundle here"):
        contents.load(tmp_path / "bundle")
    (tmp_path / "made/away").rename(tmp_path / "made/runc")
    output.check(tmp_path / "bundle")
    lay_out(tmp_path / "bundle", wanted)
    contents.check(tmp_path / "bundle", contents.load(tmp_path / "bundle"))


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(KubeceptionError, match="other files"):
        output.check(tmp_path)


def test_a_new_empty_or_own_folder_is_taken(tmp_path: Path) -> None:
    output.check(tmp_path / "new")
    output.check(tmp_path)
    lay_out(tmp_path / "bundle", made(tmp_path / "made", "etcd"))
    output.check(tmp_path / "bundle")
