"""A pause is said until it is over, or ended."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubeception.host import files
from kubeception.keeper import pause

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_pause_ends_by_itself(tmp_path: Path) -> None:
    pause.begin(tmp_path, NOW + timedelta(minutes=30))

    assert pause.said(tmp_path, NOW) == "paused until 2026-11-23T12:30:00Z"
    assert pause.said(tmp_path, NOW + timedelta(minutes=30)) is None


def test_a_pause_is_ended(tmp_path: Path) -> None:
    pause.begin(tmp_path, NOW + timedelta(minutes=30))
    pause.end(tmp_path)
    pause.end(tmp_path)

    assert pause.said(tmp_path, NOW) is None


def test_what_is_no_pause_is_none(tmp_path: Path) -> None:
    files.write(tmp_path / "paused", "soon")

    assert pause.said(tmp_path, NOW) is None
