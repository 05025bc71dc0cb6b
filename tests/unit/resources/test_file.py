"""A wanted file: its content, its mode, its absence, and no word of a secret."""

from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.host import files
from kubeception.layout import OUR_MARK
from kubeception.resources.file import File

PATH = Path("/etc/thing")


def test_a_changed_content_and_a_changed_mode_are_told_apart(tmp_path: Path) -> None:
    session, wanted = session_of(tmp_path), File(PATH, "text", mode=0o640)
    wanted.apply(session)
    real = session.host.at(PATH)

    real.chmod(0o644)
    assert wanted.drift(session) == "mode is 0644"
    real.write_text("other")
    assert wanted.drift(session) == "content differs"
    wanted.apply(session)
    assert (real.read_text(), files.mode_of(real)) == ("text", 0o640)


def test_content_is_compared_as_bytes(tmp_path: Path) -> None:
    session, wanted = session_of(tmp_path), File(PATH, "tést\n")
    session.host.at(PATH).parent.mkdir()

    for near in (b"t\xe9st\n", "tést\r\n".encode(), b"\xff\xfe"):
        session.host.at(PATH).write_bytes(near)
        assert wanted.drift(session) == "content differs"


def test_what_is_wanted_gone_goes_and_nothing_beside_it(tmp_path: Path) -> None:
    session, wanted = session_of(tmp_path), File(PATH, None)
    File(PATH, "text").apply(session)
    File(Path("/etc/other"), "text").apply(session)

    assert wanted.drift(session) == "is there"
    wanted.apply(session)
    assert [path.name for path in session.host.at(PATH).parent.iterdir()] == ["other"]


def test_what_only_we_may_change_is_left_where_it_is_somebody_elses(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    ours, gone = File(PATH, OUR_MARK + "text", if_ours=True), File(PATH, None, if_ours=True)
    assert (ours.drift(session), gone.drift(session)) == ("missing", None)
    ours.apply(session)
    session.host.at(PATH).write_text(OUR_MARK + "of before")
    assert (ours.drift(session), gone.drift(session)) == ("content differs", "is there")

    session.host.at(PATH).write_text("theirs")
    files.unfinished(session.host.at(PATH)).touch()
    assert (ours.drift(session), gone.drift(session)) == (None, None)


def test_a_dangling_link_is_there(tmp_path: Path) -> None:
    session, wanted = session_of(tmp_path), File(PATH, None)
    session.host.at(PATH).parent.mkdir()
    session.host.at(PATH).symlink_to("/nowhere")

    assert wanted.drift(session) == "is there"
    wanted.apply(session)
    assert wanted.drift(session) is None


def test_a_dangling_link_gives_way_to_a_file(tmp_path: Path) -> None:
    session, wanted = session_of(tmp_path), File(PATH, "text")
    session.host.at(PATH).parent.mkdir()
    session.host.at(PATH).symlink_to("/nowhere")

    assert wanted.drift(session) == "missing"
    wanted.apply(session)
    assert wanted.drift(session) is None and not session.host.at(PATH).is_symlink()


def test_the_content_is_in_no_message(tmp_path: Path) -> None:
    wanted = File(PATH, "hush")

    assert "hush" not in f"{wanted!r} {wanted} {wanted.drift(session_of(tmp_path))}"


@pytest.mark.parametrize(("wanted_mode", "found_mode"), [(0o600, 0o644), (0o644, 0o600)])
def test_a_diff_shows_nothing_that_not_everybody_may_read(
    wanted_mode: int, found_mode: int, tmp_path: Path
) -> None:
    session, wanted = session_of(tmp_path), File(PATH, "wanted-secret", mode=wanted_mode)
    if wanted_mode == 0o600:
        assert wanted.diff(session) == ()
    File(PATH, "found-secret", mode=found_mode).apply(session)

    assert wanted.drift(session) == "content differs"
    assert wanted.diff(session) == ()
