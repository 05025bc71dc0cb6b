"""Programs that have mounts of their own are told, and nobody of whom that can't be told."""

from pathlib import Path

import pytest

from kubeception.diagnosis import own_mounts
from kubeception.render import containerd, kubelet

HOSTS, OWN = "mnt:[4026531841]", "mnt:[4026532595]"


@pytest.mark.parametrize(
    ("namespaces", "told"),
    [
        ({1: HOSTS, 20: HOSTS, 30: HOSTS}, []),
        ({1: HOSTS, 20: HOSTS, 30: OWN}, [kubelet.UNIT]),
        ({1: HOSTS, 20: OWN, 30: OWN}, [containerd.UNIT, kubelet.UNIT]),
        ({1: HOSTS, 20: OWN}, [containerd.UNIT]),  # the other one has just ended
        ({20: HOSTS, 30: OWN}, []),  # who isn't root sees nothing of the first one
    ],
)
def test_a_unit_with_mounts_of_its_own_is_told_whatever_gave_it_these(
    namespaces: dict[int, str], told: list[str], tmp_path: Path
) -> None:
    for pid, name in namespaces.items():
        (tmp_path / str(pid) / "ns").mkdir(parents=True)
        (tmp_path / str(pid) / "ns/mnt").symlink_to(name)

    assert own_mounts.apart(tmp_path, {containerd.UNIT: 20, kubelet.UNIT: 30}) == told
    assert own_mounts.apart(tmp_path, {containerd.UNIT: 0, kubelet.UNIT: 0}) == []
