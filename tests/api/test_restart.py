"""Calls that may be repeated go on while API servers come and go."""

import itertools
import threading

from tests.api.rig import Program, Rig

from kubeception.errors import KubeceptionError
from kubeception.kube import health
from kubeception.kube.client import Object
from kubeception.session import Session

CONFIG_MAP: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "counter", "namespace": "default"},
}


def start_another(rig: Rig, session: Session) -> Program:
    """Start another API server on the same port, and return the one that was there before.

    The kernel gives each of the two half of the connections.
    """
    ca = session.layout.pki.ca.certificate
    before = rig.programs["kube-apiserver"]
    rig.programs |= {"former": before, "kube-apiserver": before.again()}

    def both_are_ready() -> bool:
        # So many answers in a row are not the old one's alone.
        return all(health.problem(rig.ports.api, ca) is None for _ in range(20))

    rig.until("both API servers to be ready", both_are_ready)
    return before


def test_no_call_fails_when_one_comes_and_the_other_is_killed(rig: Rig, session: Session) -> None:
    """Killed, not ended: connections break in the middle of a call."""
    done, answered, failures = threading.Event(), list[int](), list[str]()

    def call() -> None:
        with rig.session() as mine:
            for number in itertools.count():
                if done.is_set():
                    return
                try:
                    mine.api.apply({**CONFIG_MAP, "data": {"number": str(number)}}, force=True)
                    assert mine.api.get("ConfigMap", "counter", namespace="default")
                    assert mine.api.list("ConfigMap", namespace="default")
                except KubeceptionError as error:
                    failures.append(error.message)
                else:
                    answered.append(number)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        start_another(rig, session).kill()
        before = len(answered)
        rig.until("calls to go on", lambda: len(answered) > before + 20)
    finally:
        done.set()
        for caller in callers:
            caller.join()

    assert failures == []
