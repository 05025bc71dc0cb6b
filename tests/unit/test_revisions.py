"""Proven revisions are kept whole, the newest first, and only as long as they can be started."""

import copy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fixed import NOW, on_host

from kubeception.facts import Proven
from kubeception.kept import revisions
from kubeception.kept.revisions import Broken
from kubeception.render import apiserver, revision
from kubeception.render.own_pod import COMPONENT
from kubeception.versions import Release

# Another one than that which is built in.
MINOR = 36
RELEASE = Release(f"1.{MINOR}.1", {})


def of_image(image: str) -> dict[str, Any]:
    facts = on_host(release=Release("1.0.0", {apiserver.NAME: image, COMPONENT: "ours"}))
    template: dict[str, Any] = apiserver.daemonset(facts.cluster)["spec"]["template"]
    return template


def proven(tag: str) -> Proven:
    template = of_image(f"example.org/kube-apiserver:{tag}")
    return Proven(revision.identity(template), template, "kubeception-keeper")


def test_the_last_two_are_kept_the_newest_first(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        revisions.keep(tmp_path, proven(name), NOW + timedelta(minutes=number))

    assert [one.proven for one in revisions.kept(tmp_path)] == [proven("c"), proven("b")]
    assert revisions.newest(tmp_path, RELEASE) == proven("c")


def test_they_are_for_root_alone(tmp_path: Path) -> None:
    revisions.keep(tmp_path, proven("a"), NOW)

    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]


def test_nothing_is_kept_at_first(tmp_path: Path) -> None:
    assert revisions.kept(tmp_path / "nowhere") == []
    assert revisions.newest(tmp_path, RELEASE) is None
    assert revisions.broken(tmp_path) is None


@pytest.mark.parametrize("left", ["", '{"revision": "b"'])
def test_half_a_file_is_passed_over_told_once_and_gone_at_the_next_proof(
    left: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    revisions.keep(tmp_path, proven("a"), NOW)
    half = tmp_path / "proven-b.json"
    half.write_text(left)

    for _ in range(3):
        assert [one.proven for one in revisions.kept(tmp_path)] == [proven("a")]

    assert [record.message.partition(": ")[0] for record in caplog.records] == [str(half)]
    revisions.keep(tmp_path, proven("c"), NOW + timedelta(minutes=1))
    assert not half.exists()
    assert len(caplog.records) == 1


def test_what_is_not_what_was_proven_is_passed_over(tmp_path: Path) -> None:
    """Then it is proven again, and kept as it is."""
    one, other = proven("a"), proven("b")
    revisions.keep(tmp_path, one, NOW)
    revisions.keep(tmp_path, replace(other, revision=one.revision), NOW)
    assert revisions.kept(tmp_path) == []

    revisions.keep(tmp_path, one, NOW)

    assert revisions.newest(tmp_path, RELEASE) == proven("a")


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        (f"v1.{MINOR}.0", True),
        (f"v1.{MINOR - 1}.9", True),
        (f"v1.{MINOR - 2}.9", False),
        (f"v1.{MINOR + 1}.0", False),
        ("ours", True),
    ],
)
def test_a_revision_of_another_minor_is_started_within_the_skew(tag: str, *, fits: bool) -> None:
    found = revisions.unfit(proven(tag), RELEASE)

    assert (found is None) is fits


def test_an_older_one_stands_in_for_one_that_is_not_to_be_started(tmp_path: Path) -> None:
    stranger = copy.deepcopy(of_image("x"))
    stranger["spec"]["volumes"].append({"name": "policy", "configMap": {"name": "policy"}})
    needy = Proven(revision.identity(stranger), stranger, "x")
    revisions.keep(tmp_path, proven("a"), NOW)
    revisions.keep(tmp_path, needy, NOW + timedelta(minutes=1))

    assert revisions.newest(tmp_path, RELEASE) == proven("a")


def test_what_was_put_back_is_remembered(tmp_path: Path) -> None:
    broken = Broken("b", "it has restarted 3 times", "2026-03-01T12:00:00Z", "digest")
    revisions.put_back(tmp_path, broken)

    assert revisions.broken(tmp_path) == broken
