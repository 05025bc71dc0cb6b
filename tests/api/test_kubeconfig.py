"""A person's kubeconfig: signed by a real cluster, and good for what RBAC says and no more."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.api.rig import Rig
from tests.unit.sessions import Hands

from kubeception.admin import credentials
from kubeception.admin.credentials import Issued
from kubeception.errors import Hopeless, WaitTimeout
from kubeception.host.process import Completed, run
from kubeception.pki import issue
from kubeception.pki.catalog import ADMINS
from kubeception.render import access
from kubeception.render.kubeconfig import embedded
from kubeception.resources.object import Object
from kubeception.session import Session

REQUEST = "CertificateSigningRequest"


@pytest.fixture(autouse=True)
def _no_request_is_left(session: Session) -> Iterator[None]:
    yield
    names = [one["metadata"]["name"] for one in session.api.list(REQUEST)]
    assert [name for name in names if name.startswith("kubeception-kubeconfig-")] == []


def made(session: Session, user: str, *groups: str, ttl: timedelta) -> Issued:
    return credentials.make(session, user=user, groups=groups, ttl=ttl, note=lambda _: None)


def kubectl(rig: Rig, file: Path, *words: str) -> Completed:
    return run([rig.bin / "kubectl", f"--kubeconfig={file}", *words], check=False, timeout=30)


@pytest.fixture
def written(rig: Rig, session: Session, tmp_path: Path) -> Path:
    """A kubeconfig of jane, who is in two groups."""
    for binding in access.bindings():
        Object(binding).apply(session)
    one = made(session, "jane", "dev", "ops", ttl=timedelta(minutes=10))
    text = embedded(
        user="jane",
        server=f"https://127.0.0.1:{rig.ports.api}",
        ca=session.layout.pki.ca.certificate.read_bytes(),
        certificate=one.certificate,
        key=one.key,
    )
    file = tmp_path / "jane.conf"
    file.write_text(text)
    return file


def test_it_names_no_file_and_says_who_one_is(rig: Rig, written: Path) -> None:
    assert str(rig.root) not in written.read_text()

    told = json.loads(kubectl(rig, written, "auth", "whoami", "-o", "json").stdout)
    who = told["status"]["userInfo"]

    assert who["username"] == "jane"
    assert who["groups"] == ["dev", "ops", "system:authenticated"]


def test_it_may_do_what_rbac_says(rig: Rig, written: Path, session: Session) -> None:
    assert kubectl(rig, written, "get", "nodes").code != 0

    words = ("clusterrolebinding", "devs", "--clusterrole=view", "--group=dev")
    rig.kubectl("create", *words)
    rig.until("dev may look", lambda: kubectl(rig, written, "get", "pods", "-A").code == 0)
    rig.kubectl("delete", "clusterrolebinding", "devs")
    rig.until("it may not", lambda: kubectl(rig, written, "get", "pods", "-A").code != 0)


def test_it_ends_when_it_was_to_and_is_not_the_administrators(session: Session) -> None:
    one = made(session, "joe", ADMINS, ttl=timedelta(hours=2))

    left = issue.valid_until(one.certificate) - datetime.now(UTC)
    assert timedelta(minutes=110) < left <= timedelta(hours=2)
    at = session.layout.pki
    assert one.key != at.admin.key.read_bytes()
    assert issue.is_signed_by(one.certificate, at.ca.certificate.read_bytes())


def test_without_a_controller_manager_it_ends_in_time_and_is_taken_back(
    rig: Rig, session: Session
) -> None:
    session.host = replace(session.host, clock=Hands(start=datetime.now(UTC)).clock())
    with (
        rig.programs["kube-controller-manager"].standing_still(),
        pytest.raises(WaitTimeout, match="the certificate of joe to be signed") as caught,
    ):
        made(session, "joe", ttl=timedelta(hours=1))

    assert caught.value.last_words == (
        "there is no pod with component=kube-controller-manager, tier=control-plane",
    )


def test_what_somebody_denies_is_not_waited_for(rig: Rig, session: Session) -> None:
    def deny(problem: str) -> None:
        [name] = [
            one["metadata"]["name"]
            for one in session.api.list(REQUEST)
            if one["metadata"]["name"].startswith("kubeception-kubeconfig-")
        ]
        session.api.delete(REQUEST, name)

    with (
        rig.programs["kube-controller-manager"].standing_still(),
        pytest.raises(Hopeless, match="the request for joe was deleted by somebody else"),
    ):
        credentials.make(session, user="joe", groups=(), ttl=timedelta(hours=1), note=deny)
