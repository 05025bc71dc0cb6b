"""A worker's credential: the certificate by which the API knows its kubelet, got by joining."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from kubeception.config.model import KeyAlgorithm
from kubeception.endpoints import Address
from kubeception.errors import ConfigError, JoinRefused
from kubeception.facts import Membership
from kubeception.host import files
from kubeception.kept import membership
from kubeception.pki import issue, request
from kubeception.pki.catalog import CertificateSpec, Use
from kubeception.render import kubelet
from kubeception.session import Session

# The kubelet's own: PAIR-current.pem is a link to the newest of PAIR-<time>.pem.
# https://github.com/kubernetes/client-go/blob/master/util/certificate/certificate_store.go
_TIME = "%Y-%m-%d-%H-%M-%S"


@dataclass(frozen=True)
class JoinResult:
    """What a host gets that is taken in: its certificate, the CA (PEM), and what else it needs."""

    certificate: bytes
    ca: bytes
    member: Membership


class RequestCertificate(Protocol):
    """Asks the cluster, at a host, to take a node of some addresses in, by a request (PEM)."""

    @property
    def service(self) -> str:
        """The host that is asked."""

    def __call__(self, request: bytes, node: str, addresses: tuple[str, ...], /) -> JoinResult:
        """Return what a host gets that is taken in."""


@dataclass(frozen=True)
class KubeletCredential:
    """The credential of a node's kubelet; without an `ask`, only one that is there will do.

    The key and the request stay the same until the certificate is there: so the service knows a
    host that asks again, because it was killed or the answer was lost, and answers the same.
    """

    node: str
    address: Address
    algorithm: KeyAlgorithm
    ask: RequestCertificate | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"credential of {request.user(self.node)}"

    def drift(self, session: Session) -> str | None:
        """Say what is missing of it or won't do."""
        if problem := self._problem(session):
            return problem
        at = session.layout.kubelet
        left = [path for path in (at.join_request, at.join_key) if path.exists()]
        return f"{session.host.named(left[0])} is left" if left else None

    def apply(self, session: Session) -> None:
        """Join if there is no good one yet; then put away what only the join needed.

        Raises:
            JoinRefused: the cluster doesn't take this host in.
            WaitTimeout: it could not be asked.
        """
        if self._problem(session):
            self._join(session)
        at = session.layout.kubelet
        files.remove(at.join_request)
        files.remove(at.join_key)

    def _problem(self, session: Session) -> str | None:
        """Say why it is to join, or to join again, or None."""
        return (
            credential_problem(session, self.node)
            or moved(session, self.address)
            or (led_elsewhere(session, self.ask.service) if self.ask else None)
        )

    def _join(self, session: Session) -> None:
        is_member = credential_problem(session, self.node) is None
        if self.ask is None and is_member:
            raise ConfigError(
                [f"{moved(session, self.address)}: it has to join by that"],
                hint=f"kubeception token create --rejoin {self.node}, on a control-plane host,"
                " prints the whole command",
            )
        if self.ask is None:
            raise ConfigError(
                ["this host has not joined yet: say --url and --token-file"],
                hint="kubeception token create, on a control-plane host, prints the whole command",
            )
        at = session.layout
        key = self._key(session)
        result = self.ask(self._request(session, key), self.node, (str(self.address),))
        pem = result.certificate
        if is_member and result.ca != _bytes(at.pki.ca.certificate):
            raise JoinRefused(
                "this host is a worker of a cluster with another CA",
                hint="kubeception reset, and join with another token",
            )
        if problem := _certificate_problem(session, self.node, pem, key, ca=result.ca):
            raise JoinRefused(f"the join service answered with a certificate that {problem}")
        # By the certificate's own time: who was killed and asks again writes the same file.
        time = issue.valid_from(pem).strftime(_TIME)
        current = at.kubelet.renewed_client
        dated = current.with_name(current.name.replace("current", time))
        files.write(at.pki.ca.certificate, result.ca)
        member = membership.text(replace(result.member, joined_by=str(self.address)))
        # Whoever is killed here asks again: for his credential, or by the addresses of before.
        if not is_member:
            files.write(at.membership, member)
        files.write(dated, pem.rstrip() + b"\n" + key, mode=0o600)
        files.link(current, session.host.named(dated) if session.host.is_contained else dated)
        if is_member:
            files.write(at.membership, member)
        session.hang_up()  # a connection that stands knows the API by the CA of before

    def _key(self, session: Session) -> bytes:
        path = session.layout.kubelet.join_key
        key = _bytes(path)
        if key is None or issue.key_problem(key):
            key = issue.new_key(self.algorithm)
            files.write(path, key, mode=0o600)
        return key

    def _request(self, session: Session, key: bytes) -> bytes:
        """Return the request; kept, since one that is made anew has another signature."""
        path = session.layout.kubelet.join_request
        made = _bytes(path)
        if made is None or not request.is_for(made, key, self.node):
            made = request.new(key, self.node)
            files.write(path, made)
        return made


def credential_problem(session: Session, node: str) -> str | None:
    """Say why this host has no credential as that node that its API would take, or None."""
    at = session.layout
    ca, both = _bytes(at.pki.ca.certificate), _bytes(at.kubelet.renewed_client)
    if membership.read(at.membership) is None or ca is None or both is None:
        return "missing"
    certificate, key = issue.halves(both)
    return _certificate_problem(session, node, certificate, key or b"", ca=ca)


def moved(session: Session, address: Address) -> str | None:
    """Say that this host has joined by another address than it has now, or None.

    Its cluster lets its Node say no other one, so it has to join again.
    """
    before = _joined_by(session)
    if before in {"", str(address)}:
        return None
    return f"this host has joined by {before}, and goes by {address} now"


def led_elsewhere(session: Session, service: str) -> str | None:
    """Say that a host at which this one may ask is none that it knows for its API, or None."""
    member = membership.read(session.layout.membership)
    if member is None:
        return None
    there = urlsplit(member.apiserver).hostname
    known = {member.joined_at, *(urlsplit(one).hostname for one in member.apiservers)}
    return None if service in known else f"this host goes to the API at {there}, not {service}"


def _joined_by(session: Session) -> str:
    """Return the address by which this host has joined; an earlier version told its kubelet."""
    at = session.layout
    member = membership.read(at.membership)
    if member is None or member.joined_by:
        return member.joined_by if member else ""
    known = kubelet.address_in((_bytes(at.kubelet.environment) or b"").decode(errors="replace"))
    return str(known or "")


def _certificate_problem(
    session: Session, node: str, pem: bytes, key: bytes, *, ca: bytes
) -> str | None:
    if not issue.is_certificate(ca):
        return "is by a CA that is no certificate"
    if problem := issue.key_problem(key):
        return f"has a key that {problem}"
    now = session.host.clock.now()
    if problem := issue.time_problem(ca, ca=None, now=now):
        return f"is by a CA whose certificate {problem}"
    client = CertificateSpec(request.user(node), frozenset({Use.CLIENT}), request.NODES)
    return issue.certificate_problem(client, pem, key, ca=ca, now=now)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None
