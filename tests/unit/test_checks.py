"""What would keep a new pod from starting is told by every kind of host, while all still runs."""

from pathlib import Path

import pytest
from tests.fixed import CONFIG
from tests.unit.sessions import session_of
from tests.unit.told import told

from kubeception.host import files

KINDS = pytest.mark.parametrize("is_worker", [False, True], ids=["control plane", "worker"])


@KINDS
def test_a_folder_that_cannot_be_looked_at_is_told_and_nothing_stumbles_over_it(
    tmp_path: Path, *, is_worker: bool
) -> None:
    """As with a disk that answers with an error; here it is a link that no kernel follows."""
    session, what = session_of(tmp_path), "the disks to take what is written to them"
    at = session.host.at(CONFIG.layout.kubelet.state)
    at.parent.mkdir(parents=True)
    at.symlink_to("x" * 300)

    said = str(told(session, what, is_worker=is_worker))

    assert said.startswith(f"{CONFIG.layout.kubelet.state}: its file system says: file name too")
    assert said.endswith(" (dmesg says why, and where its disk has failed reboot)")


@KINDS
def test_another_network_that_comes_to_a_host_that_runs_is_told(
    tmp_path: Path, *, is_worker: bool
) -> None:
    session, what = session_of(tmp_path), "no other network's settings to go before flannel's"
    folder = CONFIG.layout.cni.settings
    files.write(session.host.at(folder / "87-podman.conflist"), "{}")
    assert told(session, what, is_worker=is_worker) is None

    at = folder / "05-podman.conflist"
    files.write(session.host.at(at), '{"name": "podman", "plugins": [{"type": "bridge"}]}')
    said = str(told(session, what, is_worker=is_worker))

    assert said.startswith(f"{at}: another network's settings, which go before flannel's: ")
    assert said.endswith(f" (mv {at} {at}.off)")
