"""The keeper's decision, as a table."""

import pytest

from kubeception.keeper.verdict import Action, Observation, judge

STILL = (("kube-controller-manager", 1.0), ("kube-scheduler", 20.0))
HELD = "pid 7: kubeception bootstrap"

TABLE = {
    "a healthy host is left alone": (Observation(), Action.NOTHING, "all is well"),
    "a pause counts before everything": (
        Observation(paused="paused until then", has_door=False, api_silent_s=99),
        Action.STAND_BACK,
        "paused until then",
    ),
    "whoever holds the lock goes first": (
        Observation(locked=HELD, has_door=False, api_silent_s=99),
        Action.STAND_BACK,
        f"the host is being changed by {HELD}",
    ),
    "without etcd nothing can be done": (
        Observation(etcd_problem="refused", api_silent_s=99),
        Action.WAIT,
        "etcd does not serve: refused",
    ),
    "a door that is gone is raised to who is ready": (
        Observation(has_door=False, api_silent_s=2, ready=(6445,)),
        Action.RAISE_DOOR,
        "the door is gone",
    ),
    "a door that is gone with nobody behind it": (
        Observation(has_door=False, api_silent_s=2),
        Action.BOOTSTRAP,
        "the door is gone and no API server is ready",
    ),
    "what a killed bootstrap left is taken away": (
        Observation(manifests=("bootstrap-kube-apiserver",)),
        Action.BOOTSTRAP,
        "nobody takes these away: bootstrap-kube-apiserver",
    ),
    "a short silence is waited out": (
        Observation(api_silent_s=9.9),
        Action.WAIT,
        "no API answers",
    ),
    "a long one is not": (
        Observation(api_silent_s=10.0),
        Action.BOOTSTRAP,
        "no API has answered for 10 s",
    ),
    "a silent API explains Leases that stand still": (
        Observation(api_silent_s=2.0, still_leases=STILL),
        Action.WAIT,
        "no API answers",
    ),
    "an API that is back may be another pod's": (
        Observation(api_is_back=True),
        Action.BOOTSTRAP,
        "an API answers again; making sure that all is as wanted",
    ),
    "a Lease that stands still has nobody": (
        Observation(still_leases=STILL),
        Action.BOOTSTRAP,
        "Lease kube-scheduler has not moved for 20 s",
    ),
    "one that moves has somebody": (
        Observation(still_leases=(("kube-scheduler", 19.9),)),
        Action.NOTHING,
        "all is well",
    ),
}


@pytest.mark.parametrize(("seen", "action", "why"), TABLE.values(), ids=TABLE.keys())
def test_the_verdict(seen: Observation, action: Action, why: str) -> None:
    verdict = judge(seen)

    assert (verdict.action, verdict.why) == (action, why)
