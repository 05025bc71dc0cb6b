"""Snapshots are told by name, kept by the hour and the day, and good only as they were made."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.fixed import NOW

from kubeception import versions
from kubeception.errors import KubeceptionError
from kubeception.kept import snapshots
from kubeception.kept.snapshots import Kind, Record

OURS = "a" * 64


def record(sha256: str, *, authority: str = OURS) -> Record:
    return Record(
        authority, "c1", "m1", "cp1", 41, sha256, "1.37.1", "3.7.3", "2025-01-02T03:04:05Z"
    )


def made(
    folder: Path, kind: Kind = Kind.HOURLY, at: datetime = NOW, *, authority: str = OURS
) -> Path:
    database = f"{at}".encode().ljust(4096)
    path = folder / f"{snapshots.name(kind, at)}.db"
    path.write_bytes(database + hashlib.sha256(database).digest())
    told = record(hashlib.sha256(database).hexdigest(), authority=authority)
    snapshots.record_of(path).write_text(snapshots.text(told))
    return path


def names(folder: Path) -> list[str]:
    return [one.name for one in snapshots.look(folder)]


def test_a_year_of_hours_comes_down_to_a_day_of_hours_and_a_week_of_days() -> None:
    end = datetime(2026, 11, 28, 9, 5, tzinfo=UTC)
    taken = [end - timedelta(hours=number) for number in range(24 * 365)]

    kept = set(taken) - snapshots.superfluous(taken)

    of_hours = {end - timedelta(hours=number) for number in range(24)}
    of_days = {datetime(2026, 11, day, 23, 5, tzinfo=UTC) for day in range(22, 28)}
    assert kept == of_hours | of_days


def test_of_one_hour_the_last_is_kept() -> None:
    at = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
    taken = [at + timedelta(minutes=number) for number in (0, 20, 40, 61)]

    assert snapshots.superfluous(taken) == {*taken[:2]}


@given(st.lists(st.integers(0, 10 * 365 * 24 * 60).map(lambda n: NOW + timedelta(minutes=n))))
def test_the_newest_is_always_kept_and_never_more_than_there_is_room_for(
    taken: list[datetime],
) -> None:
    kept = set(taken) - snapshots.superfluous(taken)

    assert len(kept) <= snapshots.HOURS + snapshots.DAYS
    assert not taken or max(taken) in kept
    assert snapshots.superfluous(sorted(kept)) == set()


def test_the_keeper_removes_its_own_alone(tmp_path: Path) -> None:
    for number in range(40):
        made(tmp_path, at=NOW + timedelta(minutes=number))
        made(tmp_path, Kind.MANUAL, NOW + timedelta(minutes=number))
    (tmp_path / "notes.txt").write_text("a person's")
    (tmp_path / f".{snapshots.name(Kind.HOURLY, NOW)}.db.kubeception-unfinished").mkdir()
    (tmp_path / "hourly-gone.db.json").write_text("{}")

    snapshots.prune(tmp_path)

    there = snapshots.look(tmp_path)
    assert len(snapshots.of_kind(Kind.MANUAL, there)) == 40
    assert len(snapshots.of_kind(Kind.HOURLY, there)) <= 2
    assert (tmp_path / "notes.txt").exists()
    # Each with its record, and nothing else.
    assert len(list(tmp_path.iterdir())) == 2 * len(there) + 1


def test_they_are_listed_the_newest_first_with_what_is_known_of_them(tmp_path: Path) -> None:
    older = made(tmp_path, Kind.MANUAL, NOW)
    newer = made(tmp_path, at=NOW + timedelta(hours=1))
    snapshots.record_of(newer).write_text("{")

    newest, oldest = snapshots.look(tmp_path)

    assert newest.path == newer
    assert newest.record is None
    assert (oldest.path, oldest.size, oldest.taken) == (
        older,
        4096 + 32,
        NOW.replace(microsecond=0),
    )
    assert oldest.record is not None
    assert oldest.record.revision == 41


def test_one_of_another_name_says_by_its_record_when_it_was_taken(tmp_path: Path) -> None:
    path = made(tmp_path)
    other = path.rename(tmp_path / "other.db")
    snapshots.record_of(path).rename(snapshots.record_of(other))

    assert snapshots.found(other).taken == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_snapshot_is_what_it_was(tmp_path: Path) -> None:
    assert snapshots.damage(snapshots.found(made(tmp_path))) is None


@pytest.mark.parametrize("at", [0, 100, 4095, 4096, 4127])
def test_one_byte_that_is_another_is_damage(tmp_path: Path, at: int) -> None:
    path = made(tmp_path)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)

    assert "SHA-256" in str(snapshots.damage(snapshots.found(path)))


@pytest.mark.parametrize("size", [0, 31, 32, 4095, 4096, 4127])
def test_a_piece_of_one_is_damage(tmp_path: Path, size: int) -> None:
    path = made(tmp_path)
    os.truncate(path, size)

    assert snapshots.damage(snapshots.found(path))


def test_another_one_under_its_name_is_damage(tmp_path: Path) -> None:
    path, other = made(tmp_path), made(tmp_path, at=NOW + timedelta(days=1))
    path.write_bytes(other.read_bytes())

    assert "is another one than its record" in str(snapshots.damage(snapshots.found(path)))


def test_a_link_is_none(tmp_path: Path) -> None:
    path = made(tmp_path)
    link = tmp_path / "link.db"
    link.symlink_to(path)

    with pytest.raises(KubeceptionError, match="is not a plain file"):
        snapshots.found(link)
    assert names(tmp_path) == [path.name.removesuffix(".db")]


def test_the_last_good_one_is_neither_damaged_nor_anothers_nor_of_a_later_release(
    tmp_path: Path,
) -> None:
    good = made(tmp_path)
    made(tmp_path, at=NOW + timedelta(hours=1), authority="b" * 64)
    os.truncate(made(tmp_path, at=NOW + timedelta(hours=2)), 4096)
    unknown = made(tmp_path, at=NOW + timedelta(hours=3))
    snapshots.record_of(unknown).unlink()

    later = snapshots.found(made(tmp_path, at=NOW + timedelta(hours=4)))
    assert later.record
    of_another = structs.replace(later.record, kubernetes="1.99.0")
    snapshots.record_of(later.path).write_text(snapshots.text(of_another))

    found = snapshots.last_good(tmp_path, OURS, versions.BUILT_IN)

    assert found is not None
    assert found.path == good
    assert snapshots.last_good(tmp_path / "nowhere", OURS, versions.BUILT_IN) is None
