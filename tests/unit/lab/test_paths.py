"""Names, addresses and files of lab hosts."""

from pathlib import Path

import pytest

from kubeception.errors import KubeceptionError
from kubeception.lab import rootfs
from kubeception.lab.paths import CONTROL_PLANE, WORKER, HostPlace, HostSpec, Place

CP1 = HostSpec.of(CONTROL_PLANE, 1, lower=[Path("/bundle"), Path("/debian")])
W2 = HostSpec.of(WORKER, 2, lower=[Path("/debian")])


@pytest.mark.parametrize("name", ["", ".cache", "a/b", "-x", "Lab", "a" * 33, "a b"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(KubeceptionError, match="lab name"):
        Place(name)


def test_two_labs_share_no_path() -> None:
    one, other = (HostPlace(Place(name), "cp1") for name in ("one", "other"))

    assert {one.state, one.pid, one.cgroup}.isdisjoint({other.state, other.pid, other.cgroup})


def test_hosts_have_fixed_names_and_addresses() -> None:
    assert (CP1.name, CP1.role, CP1.address) == ("cp1", "control-plane", "10.89.0.11")
    assert (W2.name, W2.role, W2.address) == ("w2", "worker", "10.89.0.22")


def test_every_host_finds_every_other_by_name() -> None:
    text = rootfs.hosts_file([CP1, W2])

    assert "10.89.0.11 cp1\n" in text
    assert "10.89.0.22 w2\n" in text


def test_a_host_gets_its_own_name_address_and_machine_id() -> None:
    tree = rootfs.tree(W2, machine_id="0123")

    assert tree["etc/hostname"] == "w2\n"
    assert tree["etc/machine-id"] == "0123\n"
    assert "Address=10.89.0.22/24\n" in str(tree["etc/systemd/network/10-host0.network"])


def test_a_host_is_dressed_once_and_like_no_other(tmp_path: Path) -> None:
    for name in ("one", "other"):
        rootfs.rootfs(tmp_path / name, W2)

    one, other = ((tmp_path / name / "etc/machine-id").read_text() for name in ("one", "other"))
    assert one != other
    masked = tmp_path / "one/etc/systemd/system/console-getty.service"
    assert masked.readlink() == Path("/dev/null")


def test_units_that_are_enabled_are_in_the_tree_or_debian_s() -> None:
    tree = rootfs.tree(CP1, machine_id="0123")
    enabled = [content for path, content in tree.items() if ".wants/" in path]

    assert enabled
    for target in enabled:
        assert isinstance(target, Path)
        ours = str(target).startswith("/etc/")
        assert not ours or str(target.relative_to("/")) in tree
