"""Which mounts lie below a folder, and in which order they can go."""

from pathlib import Path

import pytest

from kubeception.host import mounts
from kubeception.host.mounts import Mount, below, bound_elsewhere, read, shown

FOLDER = Path("/f")


def table(*lines: str) -> list[Mount]:
    """Return mounts of lines such as `2 1 /point` or `2 1 /point shared:3`."""
    text = ""
    for line in lines:
        identity, parent, point, *peers = line.split(" ")
        text += f"{identity} {parent} 0:9 / {point} rw {' '.join(peers)} - tmpfs a b rw\n"
    return read(text.encode())


def order(*lines: str) -> list[int]:
    return [one.identity for one in below(table(*lines), FOLDER)]


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        (b"/a\\040b", b"/a b"),
        (b"/a\\011b\\012c", b"/a\tb\nc"),
        (b"/a\\134040b", b"/a\\040b"),
        (b"/a//deleted", b"/a/deleted"),
        (b"/a\\040(deleted)", b"/a (deleted)"),
        (b"/a\rb\x85c\xff", b"/a\rb\x85c\xff"),
    ],
)
def test_a_mount_point_may_have_any_name(escaped: bytes, name: bytes) -> None:
    line = (
        b"36 35 98:0 /src//deleted " + escaped + b" rw shared:7 master:1 - ext4 /dev/a\\040b rw\n"
    )

    [found] = read(line)

    assert (bytes(found.point), found.identity, found.parent, found.peers) == (name, 36, 35, 7)


def test_a_slave_has_no_peers() -> None:
    [found] = table("2 1 /f master:3 propagate_from:4")

    assert found.peers is None


def test_only_what_lies_at_or_below_a_folder_counts() -> None:
    assert order("2 1 /f", "3 2 /f/a", "4 1 /", "5 1 /fa", "6 1 /g/f") == [3, 2]


def test_a_mount_in_a_mount_goes_first_whichever_is_older() -> None:
    assert order("2 3 /f/a/b", "3 1 /f/a") == [2, 3]
    assert order("3 1 /f/a", "2 3 /f/a/b") == [2, 3]


def test_of_two_at_one_point_the_upper_one_goes_first() -> None:
    assert order("5 4 /f/a", "3 1 /f/a", "4 3 /f/a") == [5, 4, 3]


def test_what_another_mount_hides_goes_after_that() -> None:
    assert order("2 1 /f/a/b", "3 1 /f/a", "4 3 /f/a/b") == [4, 3, 2]


def test_a_bind_mount_of_what_stays_is_told_where_something_lies_in_it() -> None:
    every = table("1 0 / shared:1", "2 1 /f/a shared:1", "3 2 /f/a/disk shared:2")
    every += table("4 1 /f/b shared:1", "5 1 /f/c shared:5", "6 5 /f/c/d shared:6")

    assert bound_elsewhere(every, below(every, FOLDER)) == [every[1]]
    assert bound_elsewhere(every[1:], below(every, FOLDER)) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/a/b", "/a/b"),
        ("/a b", "'/a b'"),
        ("/a\nb'c\\", "$'/a\\x0ab\\'c\\\\'"),
        ("/a\udcff", "$'/a\\xff'"),
    ],
)
def test_a_path_is_shown_in_one_line_that_a_shell_takes(path: str, text: str) -> None:
    assert shown(Path(path)) == text


def test_where_nothing_is_mounted_nothing_is_refused(tmp_path: Path) -> None:
    mounts.refuse(tmp_path)

    assert mounts.points(tmp_path) == []
