"""Where a unit's command line has etcd keep its data."""

import pytest

from kubeception.resources.foreign_data import data_folder


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        ("etcd", None),
        ("etcd --data-dir=/srv/etcd --name=a", "/srv/etcd"),
        ("etcd --data-dir /srv/etcd", "/srv/etcd"),
        ("etcd -data-dir=/srv/etcd", "/srv/etcd"),
        ("etcd --data-dir=/srv/a --data-dir=/srv/b", "/srv/b"),
        ("etcd --data-dir=${ETCD_DATA_DIR}", None),
        ("etcd --data-dir-x=/srv/etcd", None),
        ("etcd --data-dir", None),
        ("etcd --data-dir=relative", None),
    ],
)
def test_a_flag_tells_the_folder(command: str, folder: str | None) -> None:
    found = data_folder(command.split())

    assert (None if found is None else str(found)) == folder
