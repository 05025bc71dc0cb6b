"""A machine's files: gone with it, also where its run was killed."""

from pathlib import Path

from bench.vm.__main__ import own_folder


def test_nothing_is_left_of_a_run(tmp_path: Path) -> None:
    with own_folder(tmp_path) as folder:
        (folder / "disk").write_text("x")

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_goes_and_a_living_ones_stays(tmp_path: Path) -> None:
    with own_folder(tmp_path) as living:
        left = living.with_name(f"{living.name}-left")
        left.mkdir()
        (left / "disk").write_text("x")
        with own_folder(tmp_path) as folder:
            assert set(tmp_path.iterdir()) == {living, folder}
