"""The controller sweeps what joins leave behind, with nothing but its own account's rights."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.api.rig import Rig
from tests.api.serving import claim_of

from kubeception.admin import tokens
from kubeception.config.model import KeyAlgorithm
from kubeception.config.names import Reserved
from kubeception.controller import loop
from kubeception.controller.leftovers import DECIDED_KEPT, KEPT, UNDECIDED_KEPT
from kubeception.controller.loop import ControllerOptions, Seen
from kubeception.errors import ApiError
from kubeception.kube.client import Api, TokenFile
from kubeception.kube.lease import Lease
from kubeception.pki import issue, request
from kubeception.pki.request import CLIENT_SIGNER
from kubeception.pki.token import Claim, Role, Token
from kubeception.render import cluster_controller, join_records, join_service, objects
from kubeception.render.join_records import CLAIMS, RECORDS, ClaimRecord, NodeRecord
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

KIND = "CertificateSigningRequest"
HOUR = timedelta(hours=1)
FLOOD = 510
SETTINGS = ControllerOptions(
    join_service=objects.user_of(join_service.NAME),
    reserved=Reserved("cluster.local", ()),
    networks=(),
    lease="kubeception-sweeping",
    name="a-test",
)


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> None:
    """Accounts, rights, policies and namespaces, as bootstrap makes them."""
    rig.apply_everything()


def connected(rig: Rig, folder: Path, account: str) -> Api:
    """Return the API as an account."""
    file = folder / account
    file.write_text(rig.kubectl("-n", NAMESPACE, "create", "token", account).stdout)
    ca = rig.session().layout.pki.ca.certificate
    return Api(f"https://127.0.0.1:{rig.ports.api}", ca, TokenFile(file))


@pytest.fixture
def controller(rig: Rig, tmp_path: Path) -> Iterator[Api]:
    """The API as the controller; nothing of an earlier test's is left."""
    rig.kubectl("delete", "csr", "--all")
    rig.kubectl("-n", CLAIMS, "delete", "configmap", "-l", join_records.KIND_LABEL)
    rig.kubectl("-n", RECORDS, "delete", "configmap", "-l", join_records.KIND_LABEL)
    with closing(connected(rig, tmp_path, cluster_controller.NAME)) as api:
        yield api


@pytest.fixture
def service(rig: Rig, tmp_path: Path) -> Iterator[Api]:
    """The API as the join service."""
    with closing(connected(rig, tmp_path, join_service.NAME)) as api:
        yield api


class Held(Lease):
    """A Lease that nobody else wants; the test is about what its holder does."""

    def hold(self, api: Api) -> bool:
        return True


LEASE = Held("none", "a-test", namespace=NAMESPACE, manager="a-test")


def sweep(api: Api, *, later: timedelta = timedelta(), learnt: tuple[str, ...] = ()) -> int:
    """Sweep as often as there is something left; return how often that was."""
    seen, now = Seen(issued=set(learnt)), datetime.now(UTC) + later
    for round_ in range(1, 20):
        if loop.sweep(api, SETTINGS, LEASE, seen, now=now):
            return round_
    raise AssertionError("there is something left for ever")


def made(session: Session, ttl: timedelta = HOUR) -> Token:
    return tokens.create(session, node=None, ttl=ttl)[0]


def spend(service: Api, token: Token) -> str:
    """Do what the join service does for a host; return the name of its request."""
    pem = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), "w1")
    claim = Claim(token.id, "w1", ("192.0.2.21",), bytes(32), bytes(32), request.digest(pem))
    service.create(join_records.from_claim(ClaimRecord(claim, token.sign(claim), pem)))
    name = join_records.request_name(token.id)
    ask(service, name, pem)
    return name


def ask(api: Api, name: str, pem: bytes) -> None:
    api.create(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": KIND,
            "metadata": {"name": name},
            "spec": {
                "signerName": CLIENT_SIGNER,
                "usages": ["digital signature", "client auth"],
                "request": b64encode(pem).decode(),
            },
        }
    )


def known(session: Session) -> set[str]:
    return {one.record.id for one in tokens.listed(session)}


def test_what_nobody_needs_goes_and_the_rest_stays(
    session: Session, controller: Api, service: Api
) -> None:
    unused, spent = made(session), made(session)
    expired, spent_and_old = made(session, -HOUR), made(session, -KEPT)
    made(session, -KEPT)
    request_name = spend(service, spent)
    spend(service, spent_and_old)
    record = join_records.from_node(NodeRecord("w1", spent.id, Role.WORKER, ()))
    session.api.create(record)

    sweep(controller)

    assert known(session) == {unused.id, spent.id, expired.id}
    assert claim_of(session.api, spent)
    assert claim_of(session.api, spent_and_old) is None
    assert session.api.get(KIND, request_name)
    assert session.api.get("ConfigMap", join_records.node_name("w1"), namespace=RECORDS)
    assert session.api.get("ConfigMap", "kube-root-ca.crt", namespace=CLAIMS)

    sweep(controller, later=KEPT)

    assert known(session) == {unused.id}  # good for another hour when it was made
    assert claim_of(session.api, spent) is None
    assert session.api.get("ConfigMap", join_records.node_name("w1"), namespace=RECORDS)


def test_a_token_is_never_unspent_for_a_moment(
    session: Session, controller: Api, service: Api
) -> None:
    """Killed anywhere, and with a token that can't go: its claim stays for as long as it does."""
    token = made(session)
    spend(service, token)
    name = join_records.token_name(token.id)
    held = {"metadata": {"finalizers": ["example.org/held"]}}
    session.api.merge("ConfigMap", name, held, namespace=RECORDS)

    seen, now = Seen(), datetime.now(UTC) + KEPT
    assert not loop.sweep(controller, SETTINGS, LEASE, seen, now=now)
    assert session.api.get("ConfigMap", name, namespace=RECORDS)
    assert loop.sweep(controller, SETTINGS, LEASE, seen, now=now)
    assert claim_of(session.api, token)

    session.api.merge("ConfigMap", name, {"metadata": {"finalizers": None}}, namespace=RECORDS)
    assert session.api.get("ConfigMap", name, namespace=RECORDS) is None
    sweep(controller, later=KEPT)
    assert claim_of(session.api, token) is None


def test_requests_go_when_nobody_waits_for_them(
    rig: Rig, session: Session, controller: Api, service: Api
) -> None:
    pem = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), "w1")
    waiting, denied, signed, others = (
        join_records.request_name(f"{what}000")
        for what in ("waiting", "denied0", "signed0", "others0")
    )
    for name in (waiting, denied, signed):
        ask(service, name, pem)
    ask(session.api, others, pem)
    for name in (denied, signed):
        found = session.api.get(KIND, name)
        assert found
        approved = name == signed
        session.api.approve(found, is_approved=approved, reason="Tested", message="by a test")

    def uid() -> str:
        found = session.api.get(KIND, signed)
        assert found
        return str(found["metadata"]["uid"]) if found["status"].get("certificate") else ""

    def left() -> set[str]:
        return {one["metadata"]["name"] for one in session.api.list(KIND)}

    rig.until("it to be signed", lambda: bool(uid()))
    sweep(controller, learnt=(uid(),))
    assert left() == {waiting, denied, signed, others}
    sweep(controller, later=DECIDED_KEPT)  # whose certificate's id is not in a record yet
    assert left() == {waiting, signed, others}
    sweep(controller, later=DECIDED_KEPT, learnt=(uid(),))
    assert left() == {waiting, others}
    sweep(controller, later=UNDECIDED_KEPT)
    assert left() == {others}


@pytest.mark.timeout(180)
def test_a_flood_by_the_join_service_is_gone_afterwards(
    session: Session, controller: Api, service: Api
) -> None:
    """As by somebody who has broken into it: claims of no token, and requests for no claim."""
    pem = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), "w1")
    about = {"namespace": CLAIMS}
    for number in range(FLOOD):
        name = join_records.claim_name(f"{number:010}")
        service.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**about, "name": name}}
        )
    for number in range(40):
        ask(service, join_records.request_name(f"{number:010}"), pem)
    token = made(session)
    spend(service, token)

    rounds = sweep(controller, later=HOUR)

    assert rounds == 2, "who waits goes in between"
    found = session.api.list("ConfigMap", namespace=CLAIMS)
    assert {one["metadata"]["name"] for one in found} == {
        "kube-root-ca.crt",
        join_records.claim_name(token.id),
    }
    assert session.api.list(KIND) == []


def test_who_does_not_lead_sweeps_nothing(session: Session, controller: Api) -> None:
    class Lost(Held):
        def hold(self, api: Api) -> bool:
            return False

    old = made(session, -KEPT)
    lost = Lost("none", "a-test", namespace=NAMESPACE, manager="a-test")

    assert not loop.sweep(controller, SETTINGS, lost, Seen(), now=datetime.now(UTC))
    assert known(session) == {old.id}


def test_the_join_service_sweeps_nothing(session: Session, service: Api) -> None:
    old = made(session, -KEPT)

    with pytest.raises(ApiError, match="forbidden"):
        sweep(service)
    assert old.id in known(session)
