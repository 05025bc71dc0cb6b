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
from kubeception.reach import Reach
from kubeception.render import controllers
from kubeception.report import Steps

CONFIG = Config(node=Node(address="192.0.2.10"))
NOBODY_LEADS = Condition("a leader", lambda _: "nobody holds it", timeout_s=0)
LOG = logging.getLogger("kubeception.tests")


@pytest.fixture
def reach(tmp_path: Path) -> Iterator[Reach]:
    """A host whose files are a folder, with the bootstrap controllers' manifests."""
    host = Host(root=tmp_path, systemd=Systemd(tmp_path / "no-bus"))
    for unit in UNITS:
        files.write(host.at(CONFIG.layout.units / unit), OUR_MARK)
    with new():
        made = Reach(CONFIG, host)
        for path in manifests(made):
            files.write(path, "the old one")
        yield made


def manifests(reach: Reach) -> list[Path]:
    folder = reach.layout.kubelet.manifests
    return [folder / f"{one.bootstrap_name}.yaml" for one in controllers.BOTH]


def carry_out(reach: Reach, phase: Phase) -> None:
    with Steps(LOG) as steps, pytest.raises(WaitTimeout, match="waiting for a leader"):
        workflows._carry_out([phase], reach, facts=partial(gather, reach), steps=steps)


def test_bootstrap_controllers_that_nobody_takes_over_from_are_put_back(
    reach: Reach, caplog: pytest.LogCaptureFixture
) -> None:
    carry_out(
        reach,
        replace(RETIRE_CONTROLLERS, until=lambda *_: [NOBODY_LEADS]),
    )

    assert all('"image"' in path.read_text() for path in manifests(reach))
    assert "putting the bootstrap ones back" in caplog.text


def test_another_wait_in_vain_puts_nothing_back(reach: Reach) -> None:
    for path in manifests(reach):
        path.unlink()

    carry_out(reach, replace(HANDOVER, plan=lambda *_: (), until=lambda *_: [NOBODY_LEADS]))

    assert not any(path.exists() for path in manifests(reach))
