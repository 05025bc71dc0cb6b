"""A pause is said until it is over, or ended."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubeception.config import Config
from kubeception.errors import Locked
from kubeception.host import files, pause
from kubeception.host.gateway import Host
from kubeception.host.systemd import Systemd
from kubeception.session import Session

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


def test_a_paused_keeper_does_not_hold_the_host_and_a_person_does(tmp_path: Path) -> None:
    """What it had decided before it was paused it does not do afterwards."""
    host = Host(root=tmp_path, systemd=Systemd(tmp_path / "no-bus"))
    with Session(Config(), host) as session:
        pause.begin(session.layout.keeper, datetime.now(UTC) + timedelta(minutes=5))

        with pytest.raises(Locked, match="the keeper is paused until "):
            session.locked("keeper", by_keeper=True).__enter__()
        with session.locked("bootstrap", by_keeper=False):
            pass
        pause.end(session.layout.keeper)
        with session.locked("keeper", by_keeper=True):
            pass
