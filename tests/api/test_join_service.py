"""The join service against a real API: whom it takes in, and whom not.

Each attack that docs/security.md names has its test in this or one of its neighbours.
"""

import contextlib
import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.api.rig import Rig
from tests.api.serving import Answering, Judge, Service, claim_of, fresh_name, token_for, untouched
from tests.api.serving import running as serving
from tests.joiner import Joiner, line

from kubeception.admin import tokens
from kubeception.join import wire
from kubeception.pki.token import Role, Token
from kubeception.render import join_records
from kubeception.render.join_records import CLAIMS, RECORDS, NodeRecord
from kubeception.session import Session


def told(session: Session, reason: str, token: Token) -> list[str]:
    """Return what the administrator is told of a token."""
    events = session.api.list("Event", namespace=CLAIMS)
    said = [one["message"] for one in events if one["reason"] == reason]
    return [one for one in said if one.startswith(f"token {token.id}")]


@pytest.mark.usefixtures("approving")
def test_a_host_that_proves_its_token_is_taken_in(
    rig: Rig, service: Service, session: Session
) -> None:
    token = token_for(session)
    host = Joiner(token, fresh_name(), ("192.0.2.21", "2001:db8::21"))

    said = host.join(service.port)

    assert said.status == 200, said
    answer = said.document
    at = rig.session().layout.pki
    assert answer["ca"] == at.ca.certificate.read_text()
    assert answer["apiservers"] == [f"https://127.0.0.1:{rig.ports.api}"]
    assert answer["kubelet"] == {"cluster_dns": "10.96.0.10", "cluster_domain": "cluster.local"}
    signed = x509.load_pem_x509_certificate(answer["certificate"].encode())
    signed.verify_directly_issued_by(x509.load_pem_x509_certificate(at.ca.certificate.read_bytes()))
    assert signed.subject.rfc4514_string() == f"CN=system:node:{host.node},O=system:nodes"
    record = join_records.to_claim(claim_of(session.api, token))
    assert record.claim.addresses == host.addresses
    assert record.request == host.request


@pytest.fixture(scope="module")
def own_address() -> str:
    """An address of this machine's, which is seen as itself by whatever listens at it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("198.51.100.1", 9))  # sends nothing
        found: str = asking.getsockname()[0]
    return found


@pytest.fixture(scope="module")
def outward(
    rig: Rig, credential: Path, own_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service, listening there."""
    log = tmp_path_factory.mktemp("outward") / "log"
    with serving(rig, credential, log, address=own_address) as service:
        yield service


@pytest.mark.usefixtures("approving")
def test_a_host_claims_the_address_alone_from_which_it_is_seen(
    outward: Service, own_address: str, session: Session
) -> None:
    token, node = token_for(session, any_source=False), fresh_name()
    for claimed in (("192.0.2.21",), (own_address, "192.0.2.21"), ("2001:db8::21",)):
        said = Joiner(token, node, claimed).join(outward.port, own_address)

        why = f"the host is seen from {own_address}, and claims {', '.join(claimed)}"
        assert (said.status, said.error) == (403, why)
        assert untouched(session.api, token)
    assert len(told(session, "OtherSource", token)) == 1

    # The token is as good as before.
    assert Joiner(token, node, (own_address,)).join(outward.port, own_address).status == 200
    assert join_records.to_claim(claim_of(session.api, token)).source == own_address
    assert f"node {node}, from {own_address}: accepted\n" in outward.log.read_text()


@pytest.mark.usefixtures("approving")
def test_a_token_for_any_source_lets_a_host_be_seen_from_elsewhere(
    service: Service, session: Session
) -> None:
    """As behind NAT; and loopback is nobody's own address."""
    own, any_source = (token_for(session, any_source=it) for it in (False, True))

    refused = Joiner(own, fresh_name()).join(service.port)

    assert (refused.status, refused.error.startswith(wire.SEEN_FROM)) == (403, True)
    assert untouched(session.api, own)
    assert Joiner(any_source, fresh_name()).join(service.port).status == 200
    record = join_records.to_claim(claim_of(session.api, any_source))
    assert (record.claim.addresses, record.source) == (("192.0.2.21",), "127.0.0.1")


def test_nobody_learns_from_where_they_are_seen_before_they_have_proven_anything(
    service: Service, session: Session
) -> None:
    token = token_for(session, any_source=False)
    wrong = Joiner(Token(token.id, bytes(32), token.pin), fresh_name())

    assert wrong.join(service.port).status == 401


@pytest.mark.usefixtures("approving")
def test_keys_of_both_kinds_are_signed(service: Service, session: Session) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

    assert Joiner(token_for(session), fresh_name(), key=key).join(service.port).status == 200


@pytest.mark.usefixtures("approving")
def test_who_lost_the_answer_gets_it_again(service: Service, session: Session) -> None:
    host = Joiner(token_for(session), fresh_name())
    first = host.join(service.port)
    assert first.status == 200

    assert host.join(service.port).document == first.document


def test_the_ca_is_shown_with_the_certificate(rig: Rig, service: Service) -> None:
    with line(service.port) as made:
        shown = made.tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]

    at = rig.session().layout.pki
    wanted = [at.join.certificate.read_text(), at.join_ca.certificate.read_text()]
    assert [one.public_bytes() for one in shown] == wanted


def test_nothing_is_said_about_a_stranger(service: Service, session: Session) -> None:
    """A04: what everybody can read tells nothing about tokens."""
    token = token_for(session)
    with line(service.port) as made:
        for path in ("/", "/join/", f"/join/{token.id}", "/metrics", "/tokens", "/join?x"):
            said = made.ask("GET", path)
            assert (said.status, said.body) == (404, b"not found")


def test_nothing_of_the_api_can_be_read_by_a_stranger(rig: Rig, session: Session) -> None:
    """A04: there is no resource that anybody can list, and no `cluster-info`."""
    token = token_for(session)
    tls = ssl.create_default_context(cafile=str(session.layout.pki.ca.certificate))

    def ask(path: str) -> tuple[int, str]:
        made = http.client.HTTPSConnection("127.0.0.1", rig.ports.api, timeout=10, context=tls)
        with contextlib.closing(made):
            made.request("GET", path)
            answer = made.getresponse()
            return answer.status, answer.read().decode()

    named = f"/api/v1/namespaces/{RECORDS}/configmaps/{join_records.token_name(token.id)}"
    info = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
    known = rig.kubectl("api-resources", "--verbs=list", "--no-headers").stdout
    lists = [
        f"/{'apis' if '/' in version else 'api'}/{version}/{name}"
        for name, version in re.findall(r"^(\S+) .*?(\S+) +(?:true|false) ", known, re.MULTILINE)
    ]
    assert "/api/v1/configmaps" in lists and len(lists) > 40
    assert {ask(path)[0] for path in (named, info, "/", "/api", "/metrics", *lists)} == {403}
    assert all(token.id not in ask(path)[1] for path in ("/version", "/healthz", "/livez?verbose"))


def test_guessing_gets_one_constant_answer(service: Service, session: Session) -> None:
    """A05: a wrong key, an unknown token, and neither locks the owner out."""
    token = token_for(session)
    node = fresh_name()
    wrong = Joiner(Token(token.id, bytes(32), token.pin), node)
    unknown = Joiner(Token("zzzzzzzzzz", bytes(32), token.pin), node)

    said = [one.join(service.port) for one in (wrong, unknown) for _ in range(20)]

    assert {(one.status, one.body) for one in said} == {(401, b'{"error":"not proven"}')}
    assert len({tuple(one.headers) for one in said}) == 1
    assert untouched(session.api, token)
    with Answering(Joiner(token, node), service) as asking:
        assert asking.reaches(session.api, token)


@pytest.mark.parametrize("what", ["nonce", "node", "addresses", "request", "server"])
def test_a_proof_is_of_all_that_is_claimed(service: Service, session: Session, what: str) -> None:
    token = token_for(session)
    host = Joiner(token, fresh_name())
    other = Joiner(token, fresh_name())
    with line(service.port) as made:
        document = host.document(made.nonce(), bytes(32) if what == "server" else made.server)
        match what:
            case "nonce":
                document["proof"] = host.document("00" * 32, made.server)["proof"]
            case "node":
                document |= {"node": other.node, "request": other.request.decode()}
            case "addresses":
                document["addresses"] = ["192.0.2.99"]
            case "request":
                document["request"] = Joiner(token, host.node).request.decode()
            case _:
                pass
        said = made.post(document)

    assert (said.status, said.error) == (401, "not proven")
    assert untouched(session.api, token)


@pytest.mark.usefixtures("approving")
def test_what_was_recorded_is_worth_nothing(service: Service, session: Session) -> None:
    """A07: on the same connection, and on another one."""
    token = token_for(session)
    host = Joiner(token, fresh_name())
    with line(service.port) as made, line(service.port) as other:
        document = host.document(made.nonce(), made.server)
        other.nonce()
        on_another = other.post(document)
        assert untouched(session.api, token)
        first = made.post(document)
        assert first.status == 200
        found = claim_of(session.api, token)
        again = made.post(document)

        assert on_another.status == again.status == 409
        assert on_another.body == again.body
        assert claim_of(session.api, token) == found


def test_a_nonce_is_gone_whatever_it_was_used_for(service: Service, session: Session) -> None:
    token = token_for(session)
    with line(service.port) as made:
        nonce = made.nonce()
        assert made.post(b"nonsense").status == 400
        assert made.post(Joiner(token).document(nonce, made.server)).status == 409
        before = made.nonce()
        made.nonce()
        assert made.post(Joiner(token).document(before, made.server)).status == 409
    assert untouched(session.api, token)


@pytest.mark.usefixtures("approving")
def test_a_token_is_good_once(service: Service, session: Session) -> None:
    """A08: another host, or the same one with another key or address."""
    token = token_for(session)
    host = Joiner(token, fresh_name())
    assert host.join(service.port).status == 200

    for thief in (
        Joiner(token, fresh_name()),
        Joiner(token, host.node),
        replace(host, addresses=("192.0.2.66",)),
    ):
        said = thief.join(service.port)
        assert (said.status, said.error) == (403, "the token is spent")
    assert len(told(session, "TokenReused", token)) == 1


@pytest.mark.usefixtures("approving")
def test_of_two_at_once_exactly_one_wins(service: Service, session: Session) -> None:
    """A08: whoever comes second is told so, or to come again, and is told so then."""
    for _ in range(5):
        token = token_for(session)
        hosts = [Joiner(token, fresh_name()) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(lambda host: host.join(service.port).status, hosts))

        assert said.count(200) == 1
        assert set(said) <= {200, 403, 429}
        again = [host.join(service.port).status for host in hosts]
        assert again == [200 if status == 200 else 403 for status in said]


def test_a_token_in_use_is_told_to_come_again(service: Service, session: Session) -> None:
    token = token_for(session)
    host = Joiner(token, fresh_name())
    with Answering(host, service) as asking:
        assert asking.reaches(session.api, token)

        said = host.join(service.port)

    assert (said.status, said.headers["retry-after"]) == (429, "1")


def test_a_token_that_expired_is_refused(service: Service, session: Session) -> None:
    """A09."""
    token = token_for(session, ttl=timedelta(seconds=-1))

    said = Joiner(token, fresh_name()).join(service.port)

    assert (said.status, said.error) == (403, "the token has expired")
    assert untouched(session.api, token)


def test_a_token_that_is_revoked_is_refused_at_once(service: Service, session: Session) -> None:
    """A09: within a second, for nothing is remembered."""
    token = token_for(session)
    with line(service.port) as made:
        document = Joiner(token, fresh_name()).document(made.nonce(), made.server)
        tokens.delete(session, [token.id])

        said = made.post(document)

    assert (said.status, said.error) == (403, "the token is revoked")
    assert untouched(session.api, token)


def test_a_token_for_another_node_is_refused(service: Service, session: Session) -> None:
    token = token_for(session, node=fresh_name())

    said = Joiner(token, fresh_name()).join(service.port)

    assert (said.status, said.error) == (403, "the token is for another node")


def test_a_token_for_another_role_is_refused(service: Service, session: Session) -> None:
    """A13."""
    token = token_for(session)
    name = join_records.token_name(token.id)
    role = {"data": {"role": Role.CONTROL_PLANE.value}}
    session.api.merge("ConfigMap", name, role, namespace=RECORDS)

    said = Joiner(token, fresh_name()).join(service.port)

    assert (said.status, said.error) == (403, "the token is not for a worker")


def test_a_record_that_is_none_is_no_token(service: Service, session: Session) -> None:
    token = token_for(session)
    name = join_records.token_name(token.id)
    session.api.merge("ConfigMap", name, {"data": {"expires": "soon"}}, namespace=RECORDS)

    assert Joiner(token, fresh_name()).join(service.port).status == 401


def test_a_name_that_is_there_cannot_be_had(service: Service, session: Session) -> None:
    """A10: nothing is signed, and the administrator is told."""
    node = fresh_name()
    session.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    token = token_for(session, node=node)

    said = Joiner(token, node).join(service.port)

    assert (said.status, said.error) == (409, "the name is taken")
    assert untouched(session.api, token)
    assert told(session, "NameTaken", token) == [
        f"token {token.id} was used to join as {node}, which is there already"
    ]


@pytest.mark.usefixtures("approving")
def test_a_name_that_is_known_can_be_had_by_its_own_token_alone(
    service: Service, session: Session
) -> None:
    """A10: a node's record is as good as the node."""
    token, other = token_for(session), token_for(session)
    record = NodeRecord(fresh_name(), token.id, Role.WORKER, (ip_address("192.0.2.21"),))
    session.api.create(join_records.from_node(record))

    assert Joiner(other, record.node).join(service.port).status == 409
    assert Joiner(token, record.node).join(service.port).status == 200


@pytest.mark.usefixtures("approving")
def test_a_lost_node_comes_back_by_a_token_for_that(service: Service, session: Session) -> None:
    node = fresh_name()
    session.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})

    assert Joiner(token_for(session, node=node), node).join(service.port).status == 409
    again = token_for(session, node=node, rejoin=True)
    assert Joiner(again, fresh_name()).join(service.port).status == 403
    assert Joiner(again, node).join(service.port).status == 200


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("NameTaken", 409, "the name is taken"),
        ("NotProven", 403, "the cluster denied the certificate: by a test"),
    ],
    ids=["taken", "other"],
)
def test_what_the_controller_denies_is_refused_with_its_reason(
    rig: Rig, service: Service, session: Session, reason: str, status: int, why: str
) -> None:
    token = token_for(session)
    with Answering(Joiner(token, fresh_name()), service) as asking:
        assert asking.reaches(session.api, token)
        Judge(rig).say(join_records.request_name(token.id), "Denied", reason)

        said = asking.hear()
        assert (said.status, said.error) == (status, why)


def test_without_anybody_who_approves_it_is_put_off(service: Service, session: Session) -> None:
    said = Joiner(token_for(session), fresh_name()).join(service.port)

    assert (said.status, said.headers["retry-after"]) == (503, "1")
