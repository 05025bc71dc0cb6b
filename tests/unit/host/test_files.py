"""Files change whole or not at all, whoever looks and whatever ends the writer."""

import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.killed import ended

from kubeception.host import files

ME = {"uid": os.getuid(), "gid": os.getgid()}

SIZE = 200_000


@contextmanager
def watched(look: list[str], path: Path) -> Iterator[None]:
    """Collect what a reader sees of a file or symlink while the block runs."""
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            look.append(str(path.readlink()) if path.is_symlink() else path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        stop.set()
        reader.join()


def test_a_file_has_the_content_mode_and_owner_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/secret"

    files.write(path, "first", mode=0o600, **ME)
    files.write(path, b"second", mode=0o640, **ME)

    assert path.read_text() == "second"
    assert files.mode_of(path) == 0o640
    assert (path.stat().st_uid, path.stat().st_gid) == (ME["uid"], ME["gid"])
    assert list(path.parent.iterdir()) == [path]


def test_readers_see_the_old_or_the_new_file_and_nothing_between(tmp_path: Path) -> None:
    path, seen = tmp_path / "file", list[str]()
    short, long = "a", "b" * 300_000
    files.write(path, short, **ME)

    with watched(seen, path):
        for number in range(40):
            files.write(path, short if number % 2 else long, **ME)

    assert set(seen) <= {short, long}


def test_what_a_killed_writer_left_goes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.unfinished(path).write_text("hal")

    files.remove(path)

    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_file_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def work(letter: str) -> None:
        for _ in range(50):
            files.write(path, letter * SIZE)

    writers = [threading.Thread(target=work, args=(letter,)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert path.read_text() in {"a" * SIZE, "b" * SIZE}
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_folder_is_gone_at_once_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in ("a", "b"):
        files.write(folder / name, name)

    assert ended(lambda: files.discard(folder), at=f"put away {folder}") == -signal.SIGKILL
    assert len(list(folder.iterdir())) == 2
    doomed = files.unfinished(folder)
    assert ended(lambda: files.discard(folder), at=f"remove {doomed}") == -signal.SIGKILL
    assert [entry.name for entry in tmp_path.iterdir()] == [doomed.name]

    files.write(folder / "new", "made before it was cleaned up")
    for _ in range(2):
        files.discard(folder)
        assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken/by").mkdir(parents=True)

    with pytest.raises(IsADirectoryError):
        files.write(tmp_path / "taken", "content", **ME)

    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_symlink_is_swapped_in_one_step(tmp_path: Path) -> None:
    path, seen = tmp_path / "current", list[str]()
    files.link(path, Path("1.0"))

    with watched(seen, path):
        for number in range(40):
            files.link(path, Path(f"1.{number}"))

    assert set(seen) <= {f"1.{number}" for number in range(40)}
    assert path.readlink() == Path("1.39")
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_gone_may_be_removed_again(tmp_path: Path) -> None:
    path = tmp_path / "folder/file"
    files.write(path, "content", **ME)

    for _ in range(2):
        files.remove(path)
        assert not path.exists()
    for _ in range(2):
        files.remove_tree(path.parent)
        assert not path.parent.exists()


def test_removing_a_link_spares_what_it_points_to(tmp_path: Path) -> None:
    files.write(tmp_path / "kept/file", "content", **ME)
    files.link(tmp_path / "link", tmp_path / "kept")

    files.remove_tree(tmp_path / "link")

    assert (tmp_path / "kept/file").read_text() == "content"


def test_a_digest_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)

    assert files.digest(path) == hashlib.sha256(b"x" * 100_000).hexdigest()


def test_what_a_killed_run_put_away_is_removed_under_its_own_name(tmp_path: Path) -> None:
    """Whoever removes all that is in a folder finds it there, and may be killed as well."""
    doomed = files.unfinished(tmp_path / "folder")
    (doomed / "sub").mkdir(parents=True)

    assert ended(lambda: files.discard(doomed), at=f"remove {doomed}") == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == [doomed]

    files.discard(doomed)
    assert list(tmp_path.iterdir()) == []


def test_what_is_put_aside_takes_no_name_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    for content in ("first", "second", "third"):
        path.write_text(content)
        files.put_aside(path)
    files.put_aside(path)

    there = {one.name: one.read_text() for one in tmp_path.iterdir()}
    assert there == {"ca.crt.old": "first", "ca.crt.old2": "second", "ca.crt.old3": "third"}
