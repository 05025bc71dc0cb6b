"""What preflight says of a bundle of an earlier minor than the cluster's data are of."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs
from tests.fixed import CLUSTER, SETTINGS
from tests.unit.preflight.host_states import said, scene_of
from tests.unit.sessions import session_of

from kubeception.config import cluster
from kubeception.facts import Accept, Proven
from kubeception.host import files
from kubeception.kept import revisions
from kubeception.preflight import belongings
from kubeception.preflight.finding import Finding
from kubeception.preflight.host_state import HostState
from kubeception.render import apiserver, revision
from kubeception.versions import Release

OLD, NEW = (
    Release(version, {**SETTINGS.release.images, apiserver.NAME: f"kube-apiserver:v{version}"})
    for version in ("1.36.4", "1.37.1")
)


def host(
    root: Path, *, uses: Release, emulates: str = "", proven: Release | None = NEW
) -> HostState:
    """Return a host whose cluster goes by the later release, and that has another bundle in use."""
    session = session_of(root)
    settings = structs.replace(SETTINGS, release=NEW, emulates=emulates)
    files.write(session.layout.cluster, cluster.text(cluster.Copy(settings, settings)))
    if proven:
        of_it = structs.replace(settings, release=proven)
        template = apiserver.daemonset(replace(CLUSTER, settings=of_it))["spec"]["template"]
        kept = Proven(revision.identity(template), template, "kubeception")
        revisions.keep(session.layout.revisions, kept, datetime(2026, 9, 1, tzinfo=UTC))
    return scene_of(session, release=uses)


def test_one_of_an_earlier_minor_is_refused_and_what_to_do_is_said(tmp_path: Path) -> None:
    found: list[Finding] = list(belongings.release(host(tmp_path, uses=OLD)))

    [told] = found
    assert str(told) == (
        "VersionSkew: the bundle in use is of 1.36; the API serves what 1.37 has brought, which no"
        " 1.36 reads"
    )
    assert told.hint == (
        "kubeception bundle import /opt/kubeception/NAME, one of 1.37 by bundle list"
    )
    assert told.is_final, "a keeper does not go on either"


@pytest.mark.parametrize(
    "more",
    [
        {"uses": NEW},
        {"uses": OLD, "emulates": "1.36"},
        {"uses": OLD, "proven": OLD},
        {"uses": OLD, "proven": None},
    ],
    ids=["its own", "one that can be gone back to", "one that was put back to", "none has served"],
)
def test_others_are_not(tmp_path: Path, more: dict[str, object]) -> None:
    assert said(belongings.release, host(tmp_path, **more)) == []  # type: ignore[arg-type]


def test_nor_is_one_where_all_is_given_up(tmp_path: Path) -> None:
    seen = host(tmp_path, uses=OLD)
    seen.session.accepted = frozenset({Accept.EMPTY_ETCD})

    assert said(belongings.release, seen) == []
