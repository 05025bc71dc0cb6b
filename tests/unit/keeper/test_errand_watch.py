"""What a host's Node is to say of it, by what lies on the host."""

from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.host import kernel
from kubeception.keeper.errand import Errands
from kubeception.keeper.errand_watch import ErrandWatch, needed
from kubeception.render.cluster_upgrade import NEEDED_NOTE
from kubeception.session import Session

BOOT = kernel.boot_id(Path("/proc"))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A host whose /var/run leads to /run, as it does everywhere."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    return session_of(tmp_path)


def test_a_node_says_in_which_boot_its_host_wants_to_reboot(session: Session) -> None:
    watch, file = ErrandWatch(session), session.host.root / "run/reboot-required"
    says = {"metadata": {"annotations": {NEEDED_NOTE: BOOT}}}

    assert needed(session) == ""
    assert watch.look({"metadata": {}}) == Errands()
    file.write_text("*** System restart required ***\n")
    assert needed(session) == BOOT
    assert watch.look({"metadata": {}}) == Errands(notes=((NEEDED_NOTE, BOOT),))
    assert watch.look(says) == Errands()
    file.unlink()
    assert watch.look(says) == Errands(notes=((NEEDED_NOTE, ""),))
