"""How often the kubelet is restarted, which address a host goes by, and whether it reboots."""

from itertools import pairwise

import pytest
from tests.fixed import CONFIG, HOST

from kubeception.keeper.own_node import LONGEST_S, UNREADY_S, Tries, is_to_reboot
from kubeception.render import kubelet
from kubeception.render.cluster_upgrade import REBOOT_NOTE


def test_a_node_that_stays_unready_is_tried_ever_more_seldom() -> None:
    restarts, now_s = Tries(), 1000.0
    waited = []
    for _ in range(9):
        waited.append(restarts.patience_s(now_s))
        now_s += waited[-1]
        restarts = restarts.then(now_s)

    assert waited[:5] == [60, 240, 480, 960, 1920]
    assert waited[5:] == [LONGEST_S] * 4


def test_a_node_that_is_ready_in_between_is_no_exception() -> None:
    """One that is Ready for a moment after each restart would have its kubelet killed for ever."""
    first = Tries().then(1000.0)
    second = first.then(1300.0)

    assert [one.patience_s(1301.0) for one in (first, second)] == [240, 480]


def test_what_was_long_ago_does_not_count() -> None:
    restarts = Tries(3, 1000.0)

    later_s = 1000.0 + 2 * LONGEST_S
    assert restarts.patience_s(later_s - 1) > UNREADY_S
    assert restarts.patience_s(later_s) == UNREADY_S
    assert restarts.then(later_s) == Tries(1, later_s)


def test_no_pause_is_shorter_than_the_one_before() -> None:
    pauses = [Tries(count, 0.0).patience_s(1.0) for count in range(12)]

    assert all(one <= other for one, other in pairwise(pauses))


@pytest.mark.parametrize("text", ["", 'KUBELET_ARGS="--v=2"\n'])
def test_a_host_that_goes_by_no_address(text: str) -> None:
    assert kubelet.address_in(text) is None


def test_the_address_that_a_host_goes_by() -> None:
    assert kubelet.address_in(kubelet.environment(CONFIG, HOST)) == HOST.address


@pytest.mark.parametrize(
    ("notes", "boot", "answer"),
    [
        ({REBOOT_NOTE: "now"}, "now", True),
        ({REBOOT_NOTE: "before"}, "now", False),
        ({REBOOT_NOTE: ""}, "", False),
        ({"another": "now"}, "now", False),
        (None, "now", False),
    ],
)
def test_a_host_ends_the_boot_that_is_named_and_no_other(
    notes: dict[str, str] | None, boot: str, answer: bool
) -> None:
    """What the Node's status says of its boot is older than the boot, for a while."""
    node = {"metadata": {"annotations": notes}, "status": {"nodeInfo": {"bootID": "before"}}}

    assert is_to_reboot(node, boot) is answer
    assert not is_to_reboot(None, boot)
