"""What a host remembers of itself, and what a record says that nobody can read."""

import json
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.fixed import CONFIG, FACTS, HOST, on_host

from kubeception.facts import Facts, Identity, Stored
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.kept import identity
from kubeception.kept.identity import Progress
from kubeception.render import etcd

OURS = Stored("2691d9d456ecb1c7", "a43fbdb85108d0a4")
KNOWN = Identity(
    node="cp1",
    address=ip_address("192.0.2.10"),
    token="00ff",
    cluster=OURS.cluster,
    member=OURS.member,
    authorities={"ca": "PEM"},
    signing=("ca",),
    service_account="PEM",
)
MOVED = ip_address("192.0.2.11")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "member.json").write_text(identity.text(KNOWN))

    assert identity.read(tmp_path / "member.json") == KNOWN
    assert identity.read(tmp_path / "none.json") is None


@pytest.mark.parametrize(
    "text",
    ["", "\0" * 300, "{", "[]", "{}", '{"node": 1}', identity.text(KNOWN)[:-9]],
    ids=["empty", "zeros", "cut", "a list", "nothing", "a number", "cut off"],
)
def test_a_record_that_is_illegible_still_says_that_there_was_a_cluster(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "member.json").write_text(text)

    found = identity.read(tmp_path / "member.json")

    assert found is not None
    assert not found.is_legible
    assert found.has_data


def test_a_record_of_another_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    told = json.loads(identity.text(KNOWN)) | {"of a later version": 1}
    del told["former"], told["service_account"]
    (tmp_path / "member.json").write_text(json.dumps(told))

    assert identity.read(tmp_path / "member.json") == replace(KNOWN, service_account="")


@pytest.mark.parametrize("record", ["", identity.text(KNOWN)])
@pytest.mark.parametrize("stored", [None, OURS])
def test_settings_are_asked_where_the_record_says_nothing(
    tmp_path: Path, record: str, stored: Stored | None
) -> None:
    """Those that tell of no data don't overrule a record that was there."""
    host, at = Host(tmp_path), CONFIG.layout
    files.write(host.at(at.etcd.environment), etcd.environment(CONFIG, on_host(stored=stored).host))
    told, witness = identity.recall(host, at.member, at.etcd.environment)
    assert (bool(told), witness) == (True, (stored and f"{at.etcd.environment} says so") or "")
    files.write(host.at(at.member), record)

    found, witness = identity.recall(host, at.member, at.etcd.environment)

    if record:
        assert (found, witness) == (KNOWN, f"{at.member} says so")
    elif stored:
        assert (found, witness) == (told, f"{at.etcd.environment} says so")
    else:
        assert (found, witness) == (Identity(), f"{at.member}, illegible")


def test_a_record_of_wrong_kinds_is_illegible(tmp_path: Path) -> None:
    (tmp_path / "member.json").write_text(identity.text(KNOWN).replace('"cp1"', "[]"))

    assert identity.read(tmp_path / "member.json") == Identity()


def test_etcds_settings_are_a_second_copy() -> None:
    facts = on_host(stored=OURS)

    told = identity.of_settings(etcd.environment(CONFIG, facts.host))

    assert told == Identity(
        node=HOST.node, address=HOST.address, cluster=OURS.cluster, member=OURS.member
    )


@pytest.mark.parametrize("text", ["", "# Written by kubeception\n", 'ETCD_NAME="cp1"\n', "\0\0"])
def test_other_settings_say_nothing(text: str) -> None:
    assert identity.of_settings(text) is None


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (FACTS, {"token": HOST.new_token, "cluster": ""}),
        # An earlier version's data were made with etcd's default.
        (on_host(stored=OURS), {"token": "", "cluster": OURS.cluster}),
        (on_host(identity=KNOWN), {"token": "00ff", "cluster": OURS.cluster}),
        (on_host(identity=Identity(), stored=OURS), {"token": "", "node": "cp1"}),
        (on_host(identity=KNOWN, node="cp2"), {"node": "cp2", "former": "cp1"}),
        (
            on_host(identity=replace(KNOWN, node="cp2", former="cp1")),
            {"node": "cp1", "former": "cp2"},
        ),
        (
            on_host(
                identity=KNOWN,
                stored=Stored("ff", "ff"),
                authorities={"ca": "other"},
                service_account="other",
            ),
            {"cluster": OURS.cluster, "authorities": {"ca": "PEM"}, "service_account": "PEM"},
        ),
        (on_host(identity=replace(KNOWN, former="cp0")), {"former": "cp0"}),
        (
            on_host(identity=KNOWN, address=ip_address("192.0.2.11")),
            {"address": ip_address("192.0.2.11")},
        ),
        (
            on_host(identity=KNOWN, authorities={"etcd/ca": "PEM"}, signing=()),
            {"authorities": {"ca": "PEM", "etcd/ca": "PEM"}, "signing": ("ca",)},
        ),
    ],
    ids=[
        *(
            "new",
            "taken over",
            "known",
            "illegible",
            "renamed",
            "renamed back",
            "exchanged",
            "not done yet",
        ),
        *("moved", "keys"),
    ],
)
def test_what_is_remembered(facts: Facts, wanted: dict[str, object]) -> None:
    found = facts.host.remembered_with_keys

    assert {name: getattr(found, name) for name in wanted} == wanted


def test_once_there_are_data_etcd_is_told_that_its_cluster_exists() -> None:
    before, after = (
        etcd.environment(CONFIG, on_host(stored=stored).host) for stored in (None, OURS)
    )

    assert 'ETCD_INITIAL_CLUSTER_STATE="new"' in before
    assert f'ETCD_INITIAL_CLUSTER_TOKEN="{HOST.new_token}"' in before
    assert 'ETCD_INITIAL_CLUSTER_STATE="existing"' in after


def test_progress_never_goes_back_within_a_cluster(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    assert identity.progress(path) == Progress()

    for seen, kept in (
        (Progress("a", 7), Progress("a", 7)),
        (Progress("a", 5), Progress("a", 7)),
        (Progress("a", 9), Progress("a", 9)),
        (Progress("b", 1), Progress("b", 1)),
        (Progress("", 99), Progress("b", 1)),
    ):
        identity.note_progress(path, seen)
        assert identity.progress(path) == kept
