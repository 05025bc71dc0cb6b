"""Whose a link address in the pod network is, by what Nodes say and have said."""

from dataclasses import replace
from ipaddress import ip_address

from kubeception.config.names import Reserved
from kubeception.controller import lists
from kubeception.controller.approval import Known
from kubeception.pki.token import Role
from kubeception.render.flannel import LINK_ADDRESSES, link_addresses
from kubeception.render.join_records import NodeRecord, index

A, B, C = (f'{{"VNI":1,"VtepMAC":"02:00:00:00:00:0{number}"}}' for number in "abc")
W1, W2 = (NodeRecord(name, "", Role.WORKER, (ip_address("10.0.0.2"),)) for name in ("w1", "w2"))
KNOWN = Known(
    join_service="",
    reserved=Reserved("cluster.local", ()),
    records={"w1": W1, "w2": W2},
    nodes=frozenset({"cp1", "w1", "w2"}),
    links={"cp1": A, "w1": B, "w2": ""},
)


def test_each_node_has_what_it_says() -> None:
    assert lists.links({}, KNOWN) == {"cp1": A, "w1": B}
    assert lists.links({"w1": A, "w2": C}, KNOWN) == {"cp1": A, "w1": B, "w2": C}


def test_what_a_node_had_stays_its_own_until_it_is_removed() -> None:
    """It is gone from the API for a moment, and says it again as soon as flannel looks."""
    gone = replace(KNOWN, nodes=frozenset({"cp1", "w2"}), links={"cp1": A})
    assert lists.links({"w1": B}, gone) == {"cp1": A, "w1": B}
    assert lists.links({"w1": B}, replace(gone, records={"w2": W2})) == {"cp1": A}


def test_what_two_nodes_say_is_told() -> None:
    assert lists.shared(KNOWN) == {}
    assert lists.shared(replace(KNOWN, links={"w2": f"{C} {A}", "cp1": A})) == {A: ["cp1", "w2"]}


def test_a_nodes_words_are_the_credentials_void_for_it_and_its_addresses() -> None:
    void = replace(W1, revoked=("X509SHA256=1", "X509SHA256=2"))
    data = index([void, W2, replace(W2, node="w3", removed="2026-11-01")])["data"]
    assert data == {
        "w1": "X509SHA256=1 X509SHA256=2 address=10.0.0.2",
        "w2": "address=10.0.0.2",
    }


def test_what_is_no_link_address_counts_for_none() -> None:
    v4, v6 = LINK_ADDRESSES
    said = {"metadata": {"annotations": {v4: A, v6: f"{B}\n"}}}
    assert link_addresses(said) == [A]
    assert link_addresses({"metadata": {}}) == []
    assert link_addresses({"metadata": {"annotations": {v4: "null", v6: C}}}) == [C]
