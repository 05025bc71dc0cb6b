"""When a host is on a release, and what is told of batches to who watches."""

from dataclasses import replace
from datetime import time

import pytest

from kubeception.admin.upgrades import news
from kubeception.conditions.upgrades import is_on
from kubeception.controller.batches import NodeProgress, Run
from kubeception.render.cluster_upgrade import BUNDLES_NOTE, CORDONED_NOTE, Errand, Phase
from kubeception.render.window import Window

RUNS = {BUNDLES_NOTE: "1.37.1-b 1.36.4-a"}


@pytest.mark.parametrize(
    ("notes", "kubelet", "answer"),
    [
        (RUNS, "v1.37.1", True),
        (RUNS, "v1.36.4", False),
        ({BUNDLES_NOTE: "1.36.4-a 1.37.1-b"}, "v1.37.1", False),
        ({**RUNS, Errand.RELEASE.answer: "u/1.37.1-b"}, "v1.37.1", True),
        ({**RUNS, Errand.RELEASE.answer: "u/1.37.1-b: it broke"}, "v1.37.1", False),
        ({**RUNS, Errand.RELEASE.answer: "t/1.36.4-a: it broke"}, "v1.37.1", True),
        ({**RUNS, Errand.RELEASE.note: "u/1.37.1-b"}, "v1.37.1", False),
        ({**RUNS, CORDONED_NOTE: "r"}, "v1.37.1", False),
        ({}, "v1.37.1", False),
    ],
)
def test_a_host_is_on_a_release_that_it_came_to_the_end_of(
    notes: dict[str, str], kubelet: str, answer: bool
) -> None:
    metadata = {"name": "w1", "annotations": notes}
    node = {"metadata": metadata, "status": {"nodeInfo": {"kubeletVersion": kubelet}}}

    assert is_on("1.37.1-b", "1.37.1", node) is answer


def test_that_a_batch_waits_for_its_window_is_told_once() -> None:
    new = Run("r", window=Window(time(22), time(4), "Europe/Berlin", ("Sat", "Sun")))
    waits = replace(new, nodes=(NodeProgress("w1"),))
    begun = replace(waits, phase=Phase.RUNNING)

    assert list(news(None, new)) == [], "nobody has looked at it yet"
    said = ["the next batch begins within 22:00-04:00 Europe/Berlin on Sat, Sun"]
    assert list(news(new, waits)) == said
    assert list(news(None, waits)) == said
    assert list(news(waits, waits)) == []
    assert list(news(waits, begun)) == []
    assert list(news(begun, waits)) == said
