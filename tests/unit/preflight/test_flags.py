"""Files that flags name: what is wrong with them, and which are not as the cluster goes by."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fixed import HOST
from tests.unit.preflight.host_states import said, scene_of
from tests.unit.sessions import session_of

from kubeception.config import Config, cluster
from kubeception.config.model import ApiServer, ControllerManager, Etcd, Kubelet, Scheduler
from kubeception.facts import Shared, asked
from kubeception.gather import changes, cluster_of
from kubeception.host import files
from kubeception.layout import Layout
from kubeception.preflight import flags
from kubeception.session import Session

POLICY = "/etc/kubernetes/audit-policy.yaml"
CONFIG = Config(apiserver=ApiServer(extra_args={"audit-policy-file": POLICY}))
SAID = "FileContent--etc-kubernetes-audit-policy.yaml: apiserver.extra_args.audit-policy-file: "


def here(root: Path, *, config: Config = CONFIG, by_a_person: bool = False) -> Session:
    session = session_of(root, config=config)
    session.is_attended = by_a_person
    return session


def told(session: Session) -> list[str]:
    return [what for what, _ in changes(session)]


def test_a_missing_file_is_named_with_its_flag(tmp_path: Path) -> None:
    seen = scene_of(here(tmp_path))

    assert said(flags.named_files, seen) == [f"error {SAID}{POLICY}: no such file or directory"]
    assert said(flags.named_files, replace(seen, is_worker=True)) == []
    files.write(tmp_path / POLICY[1:], "")
    assert said(flags.named_files, seen) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / POLICY[1:]).mkdir(parents=True)

    assert said(flags.named_files, scene_of(here(tmp_path))) == [
        f"error {SAID}{POLICY}: is a folder"
    ]


def test_a_link_is_followed_as_the_host_follows_it(tmp_path: Path) -> None:
    files.write(tmp_path / "srv/policy.yaml", "")
    (tmp_path / POLICY[1:]).parent.mkdir(parents=True)
    (tmp_path / POLICY[1:]).symlink_to("/srv/policy.yaml")

    assert said(flags.named_files, scene_of(here(tmp_path))) == []


def test_every_programs_files_are_looked_at_but_not_what_we_make(tmp_path: Path) -> None:
    config = Config(
        apiserver=ApiServer(extra_args={"tls-sni-cert-key": "/a.crt,/a.key", "v": "/nowhere"}),
        controller_manager=ControllerManager(
            extra_args={
                "cluster-signing-kubelet-client-cert-file": "/etc/kubernetes/pki/ca.crt",
                "flex-volume-plugin-dir": "/plugins",
            }
        ),
        scheduler=Scheduler(extra_args={"config": "/scheduler.yaml"}),
        kubelet=Kubelet(extra_args={"config-dir": "/kubelet.d"}),
        etcd=Etcd(extra_args={"peer-crl-file": "/crl"}),
    )
    session = here(tmp_path, config=config)
    found = said(flags.named_files, scene_of(session))

    assert [line.split(": ")[2] for line in found] == [
        "/a.crt",
        "/a.key",
        "/plugins",
        "/scheduler.yaml",
        "/kubelet.d",
        "/crl",
    ]
    (tmp_path / "kubelet.d").mkdir()
    files.write(tmp_path / "plugins", "")
    found = said(flags.named_files, scene_of(session))
    assert [line for line in found if "kubelet" in line] == []
    assert [line.split(": ")[3] for line in found if "plugins" in line] == ["is not a folder"]


@pytest.fixture
def rolled_out(tmp_path: Path) -> Path:
    """A host that has rolled its policy out, and knows so."""
    files.write(tmp_path / POLICY[1:], "first")
    bootstrap(tmp_path)
    return tmp_path


def bootstrap(root: Path, *, by_a_person: bool = True) -> cluster.ClusterSettings:
    """Have a host keep what the cluster goes by, as its bootstrap does."""
    of = cluster_of(here(root, by_a_person=by_a_person), HOST, Shared())
    files.write(root / str(Layout.cluster)[1:], cluster.text(cluster.Copy(of.settings, of.asked)))
    return of.settings


def test_an_edit_is_rolled_out_by_a_person_alone(rolled_out: Path) -> None:
    first = bootstrap(rolled_out)
    assert [*first.files] == [POLICY]
    assert told(here(rolled_out)) == []

    files.write(rolled_out / POLICY[1:], "second")
    for _ in range(2):
        assert bootstrap(rolled_out, by_a_person=False) == first
        assert told(here(rolled_out)) == [
            f"{POLICY} has changed; kubeception bootstrap rolls it out"
        ]
    # This very run does.
    assert told(here(rolled_out, by_a_person=True)) == []

    second = bootstrap(rolled_out)
    assert second.files != first.files
    assert bootstrap(rolled_out) == second
    assert told(here(rolled_out)) == []


def test_what_another_host_has_rolled_out_stays_and_is_told(rolled_out: Path) -> None:
    copy = cluster.read(rolled_out / str(Layout.cluster)[1:])
    assert copy
    theirs = asked(CONFIG, HOST)
    theirs.files[POLICY] = "theirs"
    there = cluster.text(cluster.Copy(theirs, copy.asked))
    files.write(rolled_out / str(Layout.cluster)[1:], there)

    for by_a_person in (True, False):
        assert bootstrap(rolled_out, by_a_person=by_a_person).files == {POLICY: "theirs"}
        session = here(rolled_out, by_a_person=by_a_person)
        assert told(session) == [
            f"{POLICY} is not what the cluster goes by: it was rolled out from another host"
        ]


def test_a_file_that_is_gone_changes_nothing_of_the_clusters_by_itself(rolled_out: Path) -> None:
    first = bootstrap(rolled_out)
    (rolled_out / POLICY[1:]).unlink()

    assert bootstrap(rolled_out, by_a_person=False) == first
