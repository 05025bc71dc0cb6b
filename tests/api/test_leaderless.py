"""Where the hosted controllers don't take over, the bootstrap ones come back."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from tests.api import pods
from tests.api.network import new
from tests.api.rig import Rig
from tests.fixed import FACTS
from tests.unit.sessions import Hands

from kubeception import conditions, workflows
from kubeception.conditions import LEASES, Condition, current_problem, lease_held, wait_for
from kubeception.conditions.leases import LEADERLESS_S
from kubeception.config import Config
from kubeception.config.model import Node
from kubeception.engine import Phase, carry_out
from kubeception.errors import Hopeless, WaitTimeout
from kubeception.facts import Facts, Hosted
from kubeception.gather import UNITS, gather
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.host.systemd import Systemd
from kubeception.layout import OUR_MARK
from kubeception.phases.bootstrap_plane import BOOTSTRAP_CONTROLLERS, LEADERS
from kubeception.phases.handover import HANDOVER, HOSTED_CONTROLLERS, RETIRE_CONTROLLERS
from kubeception.render import controllers
from kubeception.render.objects import NAMESPACE
from kubeception.report import Steps
from kubeception.session import Session

CONFIG = Config(node=Node(address="192.0.2.10"))
MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
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


def in_vain(session: Session, phase: Phase) -> None:
    with Steps(LOG) as steps, pytest.raises(WaitTimeout, match="waiting for a leader"):
        workflows._carry_out([phase], session, facts=partial(gather, session), steps=steps)


def test_bootstrap_controllers_that_nobody_takes_over_from_are_put_back(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    in_vain(
        session,
        replace(RETIRE_CONTROLLERS, until=lambda *_: [NOBODY_LEADS]),
    )

    assert all('"image"' in path.read_text() for path in manifests(session))
    assert "putting the bootstrap ones back" in caplog.text


def test_pods_are_waited_for_no_longer_where_nobody_leads_who_would_start_them(rig: Rig) -> None:
    """They led when the run began, and were ended with their pods, by a kubelet without room."""
    hands = Hands()
    none_run = Condition("pods to run", lambda _: "none does", timeout_s=120)
    lost, held = (conditions.unless_nobody_leads(none_run, lease) for lease in LEASES[::-1])
    with rig.session() as asked:
        # Leases are renewed by the time that it is.
        clock = replace(hands.clock(), now=asked.host.clock.now)
        at = replace(asked, host=replace(asked.host, clock=clock))
        rig.until("one of the two to be led", lambda: lease_held(LEASES[0]).problem(asked) is None)
        with pytest.raises(WaitTimeout, match="none does"):
            wait_for(held, at, lambda _: None)
        began_s = hands.passed_s
        with pytest.raises(Hopeless, match="none does, and nobody leads who would mend it"):
            wait_for(lost, at, lambda _: None)
        gave_up_s = hands.passed_s - began_s

    assert LEADERLESS_S < gave_up_s < LEADERLESS_S + 5


def test_bootstrap_controllers_are_put_where_those_that_led_have_ended(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    for path in manifests(session):
        path.unlink()

    def raises(_session: Session) -> str:
        raise Hopeless("nobody leads who would mend it")

    phase = replace(HOSTED_CONTROLLERS, until=lambda *_: [Condition("pods to run", raises)])
    with Steps(LOG) as steps, pytest.raises(Hopeless):
        workflows._carry_out([phase], session, facts=partial(gather, session), steps=steps)
    assert all('"image"' in path.read_text() for path in manifests(session))
    assert "putting the bootstrap ones back" in caplog.text


def test_another_wait_in_vain_puts_nothing_back(session: Session) -> None:
    for path in manifests(session):
        path.unlink()

    in_vain(session, replace(HANDOVER, plan=lambda *_: (), until=lambda *_: [NOBODY_LEADS]))

    assert not any(path.exists() for path in manifests(session))


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_lease_that_was_given_back_is_left_for_the_next_of_them_a_while(
    is_taken: bool, rig: Rig
) -> None:
    """The one before was ended by a rolling update, and a new one asks every two seconds."""
    here, scheduler = FACTS.host.node, controllers.SCHEDULER
    given_back = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": scheduler.name, "namespace": NAMESPACE},
        "spec": {"leaseDurationSeconds": 15, "holderIdentity": ""},
    }

    with rig.session() as session:
        session.api.create(given_back)
        pods.running(session.api, "next", on=here, namespace=NAMESPACE, labels=scheduler.labels)
        taken = {"holderIdentity": "next", "renewTime": f"{datetime.now(UTC):{MICRO_TIME}}"}

        def take() -> None:
            session.api.merge("Lease", scheduler.name, {"spec": taken}, namespace=NAMESPACE)

        def facts() -> Facts:
            is_led = not any(current_problem(lease_held(one), session) for one in LEASES)
            cluster = replace(FACTS.cluster, hosted=Hosted(6445, ""), has_leaders=is_led)
            return replace(FACTS, cluster=cluster, needs_controllers=not is_led)

        takes = threading.Timer(1.0, take)
        if is_taken:
            takes.start()
        with Steps(LOG) as steps:
            run = carry_out([LEADERS, BOOTSTRAP_CONTROLLERS], session, gather=facts, steps=steps)
        if is_taken:
            takes.join()
        placed = [path.exists() for path in manifests(session)]
        for path in manifests(session):
            path.unlink(missing_ok=True)
        session.api.delete("Lease", scheduler.name, namespace=NAMESPACE)
        session.api.delete("Pod", "next", namespace=NAMESPACE)

    assert placed == [not is_taken] * 2
    assert len(run.changes) == sum(placed)
