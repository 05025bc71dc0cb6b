"""A machine that has far more to do than it can is told apart from one that is busy."""

from pathlib import Path

import pytest

from kubeception.host import overload
from kubeception.host.overload import Pressure

IDLE = Pressure(cores=0.0, memory=0.0, disks=0.0)
CROWDED = Pressure(cores=98.0, memory=0.0, disks=0.0)
# As the kernel writes it.
TEXT = """some avg10={0} avg60={0} avg300=0.00 total=11724064485
full avg10={1} avg60={1} avg300=0.00 total=0
"""


def proc(folder: Path, **said: tuple[str, str]) -> Path:
    """Make a /proc whose kernel tells for how much of the time some wait, and all do."""
    (folder / "pressure").mkdir()
    for name in ("cpu", "memory", "io"):
        some, full = said.get(name, ("0.00", "0.00"))
        (folder / "pressure" / name).write_text(TEXT.format(some, full))
    return folder


@pytest.mark.parametrize("waits", [None, CROWDED])
@pytest.mark.parametrize(("load", "cores"), [(0.0, 1), (5.9, 1), (11.9, 2), (90.0, 16)])
def test_a_busy_machine_is_not_overloaded(load: float, cores: int, waits: Pressure | None) -> None:
    assert overload.of(load, cores, waits) is None


@pytest.mark.parametrize("waits", [None, CROWDED])
@pytest.mark.parametrize(("load", "cores"), [(6.0, 1), (120.0, 2), (100.0, 16)])
def test_an_overloaded_machine_is_told_with_its_load(
    load: float, cores: int, waits: Pressure | None
) -> None:
    told = str(overload.of(load, cores, waits))

    assert f"load average of {load:.0f} on {cores} cores" in told


def test_tasks_that_wait_for_a_server_that_is_away_are_no_load() -> None:
    """As those on a network's disk, which Linux counts, and which take no core's time."""
    assert overload.of(120.0, 2, IDLE) is None


@pytest.mark.parametrize(
    ("name", "words"), [("memory", "waits for memory 43 %"), ("io", "waits for disks 72 %")]
)
def test_a_machine_whose_tasks_wait_is_told_whatever_its_load(
    name: str, words: str, tmp_path: Path
) -> None:
    full = {"memory": "43.20", "io": "71.90"}[name]

    found = overload.pressure(proc(tmp_path, **{name: ("99.00", full)}))

    assert words in str(overload.of(0.5, 2, found))


def test_disks_that_some_wait_for_are_in_use(tmp_path: Path) -> None:
    found = overload.pressure(proc(tmp_path, memory=("30.00", "4.00"), io=("95.00", "20.00")))

    assert overload.of(0.5, 2, found) is None


def test_a_kernel_that_tells_nothing_of_it_leaves_the_load_average(tmp_path: Path) -> None:
    assert overload.pressure(tmp_path) is None


def test_this_kernel_is_understood_where_it_tells() -> None:
    assert (overload.pressure(Path("/proc")) is not None) is Path("/proc/pressure/cpu").exists()
