"""Recipes are made side by side, and a failure doesn't wait for the others."""

import logging
import threading
from pathlib import Path

import pytest

from kubeception.bundle.build import Workshop
from kubeception.bundle.store import Recipe
from kubeception.errors import KubeceptionError
from kubeception.report import Steps

LOG = logging.getLogger("kubeception.tests")


def test_entries_come_in_the_order_asked_for(tmp_path: Path) -> None:
    recipes = [Recipe(name, name * 20, lambda folder: (folder / "made").touch()) for name in "ba"]
    with Steps(LOG) as steps:
        made = Workshop(tmp_path, steps).make(recipes)
        again = Workshop(tmp_path, steps).make(recipes)

    assert [entry["made"].path.parent.name[0] for entry in made] == ["b", "a"]
    assert again == made


def test_a_failure_is_told_while_others_are_at_work(tmp_path: Path) -> None:
    told = threading.Event()

    def fails(_: Path) -> None:
        raise KubeceptionError("etcd: go build ended with exit code 1")

    def waits(_: Path) -> None:
        told.wait()

    recipes = [Recipe("slow", "1" * 20, waits), Recipe("etcd", "2" * 20, fails)]
    with Steps(LOG) as steps, pytest.raises(KubeceptionError, match="go build"):
        Workshop(tmp_path, steps).make(recipes)
    told.set()


def test_where_there_is_no_room_nothing_heavy_is_begun() -> None:
    """Of /proc the kernel says that it has no byte free."""
    begun = list[Path]()
    heavy = Recipe("kubernetes", "1" * 20, begun.append, heavy=True)

    with Steps(LOG) as steps, pytest.raises(KubeceptionError, match=r"/proc: 0\.0 GiB are free"):
        Workshop(Path("/proc"), steps).make([heavy])

    assert begun == []
