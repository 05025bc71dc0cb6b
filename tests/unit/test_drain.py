"""Which pods have to go for a node to be empty."""

from typing import Any

import pytest

from kubeception.conditions.reading import condition_of
from kubeception.kube.eviction import MIRROR_NOTE, is_movable

REPLICAS = {"kind": "ReplicaSet", "controller": True}
DAEMON = {"kind": "DaemonSet", "controller": True}


@pytest.mark.parametrize(
    ("metadata", "answer"),
    [
        ({}, True),
        ({"ownerReferences": [REPLICAS]}, True),
        ({"ownerReferences": [DAEMON]}, False),
        ({"ownerReferences": [{**DAEMON, "controller": False}, REPLICAS]}, True),
        ({"annotations": {MIRROR_NOTE: "0"}}, False),
        ({"annotations": {"another": ""}}, True),
    ],
)
def test_pods_that_come_back_by_themselves_may_stay(metadata: dict[str, Any], answer: bool) -> None:
    assert is_movable({"metadata": metadata}) is answer


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ({}, False),
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, False),
        ({"conditions": [{"type": "MemoryPressure", "status": "True"}]}, False),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, True),
    ],
)
def test_a_node_is_ready_if_it_says_so(status: dict[str, Any], answer: bool) -> None:
    assert condition_of({"status": status}, "Ready") is answer
