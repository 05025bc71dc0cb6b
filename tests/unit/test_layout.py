"""Every path on a host, and the same tree at another place."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from kubeception.config import Config
from kubeception.layout import Layout


def paths_of(tree: object) -> Iterator[Path]:
    if isinstance(tree, Path):
        yield tree
    else:
        assert is_dataclass(tree)
        for field in fields(tree):
            yield from paths_of(getattr(tree, field.name))


def test_no_two_things_share_a_path() -> None:
    paths = list(paths_of(Config().layout))

    assert len(set(paths)) == len(paths)
    assert all(path.is_absolute() for path in paths)


def test_the_tree_can_stand_at_another_place(tmp_path: Path) -> None:
    layout = Config().layout
    moved = layout.at(tmp_path)

    assert isinstance(moved, Layout)
    assert [path.relative_to(tmp_path) for path in paths_of(moved)] == [
        path.relative_to("/") for path in paths_of(layout)
    ]
    assert moved.bundle == tmp_path / "opt/kubeception/current"
    assert layout.at(Path("/")) == layout
