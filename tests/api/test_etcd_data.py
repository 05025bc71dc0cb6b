"""What a real etcd's data say of themselves is what etcd says of them."""

import shutil
from pathlib import Path

import pytest
from tests.api.rig import Rig

from kubeception.etcd import data
from kubeception.facts import Stored
from kubeception.kube.client import Api


@pytest.fixture
def folder(rig: Rig) -> Path:
    return rig.root / "var/lib/etcd/default.etcd"


def test_whose_data_they_are(rig: Rig, folder: Path) -> None:
    of, _ = rig.etcd.progress()

    assert data.stored(folder) == of


def test_their_log_goes_as_far_as_etcd_has_committed(rig: Rig, api: Api, folder: Path) -> None:
    _, before = rig.etcd.progress()
    metadata = {"generateName": "one-entry-more-", "namespace": "default"}
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    there = data.last_index(folder)

    _, after = rig.etcd.progress()
    assert before < there
    assert before < after
    assert data.last_index(folder) >= after


@pytest.mark.parametrize("left", [(), ("member",), ("member", "member/snap"), ("lost+found",)])
def test_a_folder_without_a_log_has_no_data(tmp_path: Path, left: tuple[str, ...]) -> None:
    for name in left:
        (tmp_path / name).mkdir()

    assert data.stored(tmp_path) is None
    assert data.last_index(tmp_path) == 0
    assert data.stored(tmp_path / "nowhere") is None


@pytest.mark.parametrize("at", [0, 1, 8, 11, 30, 70])
def test_a_log_that_is_cut_is_somebodys_all_the_same(folder: Path, tmp_path: Path, at: int) -> None:
    copy = tmp_path / "data"
    shutil.copytree(folder, copy)
    for log in (copy / "member/wal").glob("*.wal"):
        log.write_bytes(log.read_bytes()[:at])

    found = data.stored(copy)

    assert found is not None
    assert found in {Stored(), data.stored(folder)}
    assert isinstance(data.last_index(copy), int)


def test_a_log_of_noise_is_read_to_an_end(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(folder, copy)
    for log in (copy / "member/wal").glob("*.wal"):
        log.write_bytes(bytes(range(256)) * 64)

    assert data.stored(copy) is not None
    assert isinstance(data.last_index(copy), int)
