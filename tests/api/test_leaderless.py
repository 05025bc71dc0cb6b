"""Where the hosted controllers don't take over, the bootstrap ones come back."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.api.network import new

from kubeception import workflows
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.config.model import Node
from kubeception.engine import Phase
from kubeception.errors import WaitTimeout
from kubeception.gather import UNITS, gather
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.host.systemd import Systemd
from kubeception.layout import OUR_MARK
from kubeception.phases.handover import HANDOVER, RETIRE_CONTROLLERS
from kubeception.render import controllers
from kubeception.report import Steps
from kubeception.session import Session

CONFIG = Config(node=Node(address="192.0.2.10"))
NOBODY_LEADS = Condition("a leader", lambda _: "nobody holds it", timeout_s=0)
LOG = logging.getLogger("kubeception.tests")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A host whose files are a folder, with the bootstrap controllers' manifests."""
    host = Host(root=tmp_path, systemd=Systemd(tmp_path / "no-bus"))
    for unit in UNITS:
        files.write(host.at(CONFIG.layout.units / unit), OUR_MARK)
    with new():
        made = Session(CONFIG, host)
        for path in manifests(made):
            files.write(path, "the old one")
        yield made


def manifests(session: Session) -> list[Path]:
    folder = session.layout.kubelet.manifests
    return [folder / f"{one.bootstrap_name}.yaml" for one in controllers.BOTH]


def carry_out(session: Session, phase: Phase) -> None:
    with Steps(LOG) as steps, pytest.raises(WaitTimeout, match="waiting for a leader"):
        workflows._carry_out([phase], session, facts=partial(gather, session), steps=steps)


def test_bootstrap_controllers_that_nobody_takes_over_from_are_put_back(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    carry_out(
        session,
        replace(RETIRE_CONTROLLERS, until=lambda *_: [NOBODY_LEADS]),
    )

    assert all('"image"' in path.read_text() for path in manifests(session))
    assert "putting the bootstrap ones back" in caplog.text


def test_another_wait_in_vain_puts_nothing_back(session: Session) -> None:
    for path in manifests(session):
        path.unlink()

    carry_out(session, replace(HANDOVER, plan=lambda *_: (), until=lambda *_: [NOBODY_LEADS]))

    assert not any(path.exists() for path in manifests(session))
