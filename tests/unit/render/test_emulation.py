"""Which programs pass for the minor before, and who may say otherwise."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from tests.fixed import CLUSTER, FACTS, SETTINGS

from kubeception.config.model import ApiServer, ControllerManager, Scheduler
from kubeception.render import apiserver, controllers, revision

EMULATING = structs.replace(SETTINGS, emulates="0.9")


def pods(settings: Any) -> Iterator[dict[str, Any]]:
    """Yield the hosted form and the bootstrap form of each of the three."""
    cluster = replace(CLUSTER, settings=settings)
    yield apiserver.daemonset(cluster)["spec"]["template"]
    yield revision.bootstrap_pod(replace(FACTS, cluster=cluster))
    for one in controllers.BOTH:
        yield controllers.deployment(one, cluster)["spec"]["template"]
        yield controllers.bootstrap_pod(one, settings)


def said(pod: dict[str, Any]) -> list[str]:
    [container] = pod["spec"]["containers"]
    return [word for word in container["command"] if word.startswith("--emulated-version=")]


@pytest.mark.parametrize(("settings", "words"), [(SETTINGS, []), (EMULATING, ["0.9"])])
def test_all_three_do_in_both_forms(settings: Any, words: list[str]) -> None:
    found = [said(pod) for pod in pods(settings)]

    assert found == [[f"--emulated-version={word}" for word in words]] * 6


def test_a_persons_own_word_counts_more() -> None:
    own = {"emulated-version": "0.8"}
    settings = structs.replace(
        EMULATING,
        apiserver=ApiServer(extra_args=own),
        controller_manager=ControllerManager(extra_args=own),
        scheduler=Scheduler(extra_args=own),
    )

    assert [said(pod) for pod in pods(settings)] == [["--emulated-version=0.8"]] * 6
