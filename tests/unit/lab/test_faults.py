"""The table of faults, and the edits in it."""

from dataclasses import replace

import pytest
from tests.fixed import CLUSTER
from tests.lab import breaking, faults

from kubeception.facts import Hosted
from kubeception.render import apiserver

EDITS = (
    breaking.to_a_bad_flag,
    breaking.to_a_bad_image,
    breaking.to_one_that_ends_on_trial,
    breaking.to_one_that_ends_behind_the_door,
)


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in faults.table(seed=1)]

    assert sorted(set(names)) == sorted(names)


def test_names_do_not_depend_on_what_is_drawn() -> None:
    drawn = [faults.table(seed=seed) for seed in range(20)]

    assert len({tuple(fault.name for fault in table) for table in drawn}) == 1
    assert len({tuple(fault.words for fault in table) for table in drawn}) > 10


def test_a_seed_draws_the_same_again() -> None:
    assert [f.words for f in faults.table(seed=7)] == [f.words for f in faults.table(seed=7)]


def test_of_two_at_once_the_one_that_needs_the_api_comes_first() -> None:
    needs = {fault.name: fault.needs_api for fault in faults.table(seed=1)}
    for seed in range(50):
        pair = next(f.words for f in faults.table(seed=seed) if f.name == "two at once")
        first, second = pair.split("; ")

        assert needs[first] or not needs[second]


def test_no_bad_edit_may_cost_a_request_before_it_has_the_door() -> None:
    edits = [fault for fault in faults.table(seed=1) if "edited" in fault.name]

    assert len(edits) == len(EDITS)
    assert [fault.name for fault in edits if fault.gap_s] == [
        "API server edited to one that gets the door, then ends"
    ]


@pytest.mark.parametrize("change", EDITS)
def test_an_edited_template_is_not_the_wanted_one(change: breaking.Change) -> None:
    daemonset = apiserver.daemonset(CLUSTER)
    before = breaking.wanted(daemonset)

    change(daemonset["spec"]["template"])

    assert breaking.wanted(daemonset) != before


def test_the_same_template_on_the_other_port_is_the_wanted_one() -> None:
    first = apiserver.daemonset(CLUSTER)
    digest = first["spec"]["template"]["metadata"]["annotations"][apiserver.TEMPLATE_NOTE]
    on_6446 = replace(CLUSTER, hosted=Hosted(port=6446, template=digest))
    second = apiserver.daemonset(on_6446)

    assert first != second
    assert breaking.wanted(first) == breaking.wanted(second)


def test_one_that_is_ready_and_then_ends_can_listen() -> None:
    template = apiserver.daemonset(CLUSTER)["spec"]["template"]

    breaking.to_one_that_ends_on_trial(template)

    container = template["spec"]["containers"][0]
    assert "--secure-port=6446" in container["command"]
    assert "--secure-port=6445" not in container["command"]
    assert container["readinessProbe"]["httpGet"]["port"] == 6446
