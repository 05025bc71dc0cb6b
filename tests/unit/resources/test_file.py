"""A wanted file: its content, its mode, its absence, and no word of a secret."""

from pathlib import Path

import pytest
from tests.unit.reaching import reach_of

from kubeception.host import files
from kubeception.resources.file import File

PATH = Path("/etc/thing")


def test_a_changed_content_and_a_changed_mode_are_told_apart(tmp_path: Path) -> None:
    reach, wanted = reach_of(tmp_path), File(PATH, "text", mode=0o640)
    wanted.apply(reach)
    real = reach.host.at(PATH)

    real.chmod(0o644)
    assert wanted.drift(reach) == "mode is 0644"
    real.write_text("other")
    assert wanted.drift(reach) == "content differs"
    wanted.apply(reach)
    assert (real.read_text(), files.mode_of(real)) == ("text", 0o640)


def test_content_is_compared_as_bytes(tmp_path: Path) -> None:
    reach, wanted = reach_of(tmp_path), File(PATH, "tést\n")
    reach.host.at(PATH).parent.mkdir()

    for near in (b"t\xe9st\n", "tést\r\n".encode(), b"\xff\xfe"):
        reach.host.at(PATH).write_bytes(near)
        assert wanted.drift(reach) == "content differs"


def test_what_is_wanted_gone_goes_and_nothing_beside_it(tmp_path: Path) -> None:
    reach, wanted = reach_of(tmp_path), File(PATH, None)
    File(PATH, "text").apply(reach)
    File(Path("/etc/other"), "text").apply(reach)

    assert wanted.drift(reach) == "is there"
    wanted.apply(reach)
    assert [path.name for path in reach.host.at(PATH).parent.iterdir()] == ["other"]


def test_a_dangling_link_is_there(tmp_path: Path) -> None:
    reach, wanted = reach_of(tmp_path), File(PATH, None)
    reach.host.at(PATH).parent.mkdir()
    reach.host.at(PATH).symlink_to("/nowhere")

    assert wanted.drift(reach) == "is there"
    wanted.apply(reach)
    assert wanted.drift(reach) is None


def test_a_dangling_link_gives_way_to_a_file(tmp_path: Path) -> None:
    reach, wanted = reach_of(tmp_path), File(PATH, "text")
    reach.host.at(PATH).parent.mkdir()
    reach.host.at(PATH).symlink_to("/nowhere")

    assert wanted.drift(reach) == "missing"
    wanted.apply(reach)
    assert wanted.drift(reach) is None and not reach.host.at(PATH).is_symlink()


def test_the_content_is_in_no_message(tmp_path: Path) -> None:
    wanted = File(PATH, "hush")

    assert "hush" not in f"{wanted!r} {wanted} {wanted.drift(reach_of(tmp_path))}"


@pytest.mark.parametrize(("wanted_mode", "found_mode"), [(0o600, 0o644), (0o644, 0o600)])
def test_a_diff_shows_nothing_that_not_everybody_may_read(
    wanted_mode: int, found_mode: int, tmp_path: Path
) -> None:
    reach, wanted = reach_of(tmp_path), File(PATH, "wanted-secret", mode=wanted_mode)
    if wanted_mode == 0o600:
        assert wanted.diff(reach) == ()
    File(PATH, "found-secret", mode=found_mode).apply(reach)

    assert wanted.drift(reach) == "content differs"
    assert wanted.diff(reach) == ()
