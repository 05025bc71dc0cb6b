"""A person's own client certificate, signed by the cluster: what a kubeconfig carries."""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from kubeception.conditions import Condition, log_tail, wait_for
from kubeception.conditions.reading import refusal
from kubeception.config import Config
from kubeception.config.names import LONGEST_COMMON_NAME
from kubeception.endpoints import LOOPBACK
from kubeception.errors import Hopeless, KubeceptionError
from kubeception.pki import catalog, issue, request
from kubeception.pki.catalog import ADMINS, Use
from kubeception.render import controllers
from kubeception.session import Session

# The API signs for no shorter, and the controller-manager by itself for no longer.
SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=365)
MASTERS = "system:masters"
# Users and groups of Kubernetes and of kubeception, which are programs.
_RESERVED = ("system:", "kubeception:")
_KIND = "CertificateSigningRequest"
_NAME = "kubeception-kubeconfig-"
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, as PEM."""

    certificate: bytes
    key: bytes


def problems(user: str, groups: Sequence[str], ttl: timedelta) -> Iterator[str]:
    """Yield all that keeps a person from having a certificate of this name, groups and length."""
    for what, name in (("user", user), *(("group", group) for group in groups)):
        if problem := _problem(name):
            yield f"{what} {name!r}: {problem}"
    ca = Config().layout.pki.ca
    programs = {
        entry.spec.common_name
        for entry in catalog.entries(Config(), "", LOOPBACK)
        if entry.issuer == ca and Use.CLIENT in entry.spec.uses
    }
    if user in programs:
        yield f"user {user!r}: is the name of a certificate of the control plane's own"
    if not SHORTEST <= ttl <= LONGEST:
        yield f"ttl: the cluster signs for {SHORTEST.seconds // 60}m to {LONGEST.days * 24}h"


def _problem(name: str) -> str | None:
    if name == MASTERS:
        return f"is beyond RBAC, so nobody could take it back; {ADMINS} may do as much, by RBAC"
    if name.startswith(_RESERVED):
        return f"names that begin with {' or '.join(_RESERVED)} are for programs"
    if not name or name != name.strip() or not name.isprintable():
        return "a name has letters that can be seen, and no space around them"
    if len(name) > LONGEST_COMMON_NAME:
        return f"a certificate takes names of {LONGEST_COMMON_NAME} letters"
    return None


def make(
    session: Session,
    *,
    user: str,
    groups: Sequence[str],
    ttl: timedelta,
    note: Callable[[str], None],
) -> Issued:
    """Have the cluster sign a certificate for a new key, which no disk sees.

    What was asked for at the API is removed again, whatever becomes of it.

    Raises:
        KubeceptionError: it is refused, or signed by another CA than this host's.
        WaitTimeout: nobody signs it.
    """
    key = issue.new_key(session.config.certificates.key_algorithm)
    made = session.api.create(_request(request.for_user(key, user, groups), ttl))
    name = made["metadata"]["name"]
    try:
        words = f"asked for by kubeception kubeconfig, as {user}"
        session.api.approve(made, is_approved=True, reason="Kubeconfig", message=words)
        wait_for(_signed(name, user), session, note)
        certificate = _certificate(session, name)
    finally:
        session.api.delete(_KIND, name)
    ca = session.layout.pki.ca.certificate
    now = session.host.clock.now()
    if problem := issue.pair_problem(certificate or b"", key, ca=ca.read_bytes(), now=now):
        raise KubeceptionError(
            f"the certificate that the cluster signed for {user}: {problem}",
            hint="kubeception status",
        )
    return Issued(certificate or b"", key)


def _request(request: bytes, ttl: timedelta) -> dict[str, object]:
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": _KIND,
        "metadata": {"generateName": _NAME},
        "spec": {
            "request": base64.b64encode(request).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "expirationSeconds": int(ttl.total_seconds()),
            "usages": ["client auth", "digital signature"],
        },
    }


def _signed(name: str, user: str) -> Condition:
    """The controller-manager has signed a request."""

    def problem(session: Session) -> str | None:
        found = session.api.get(_KIND, name)
        if found is None:
            raise Hopeless(f"the request for {user} was deleted by somebody else")
        if why := refusal(found):
            raise Hopeless(f"the request for {user} is {why}")
        return None if found["status"].get("certificate") else "nobody has signed it yet"

    signer = controllers.CONTROLLER_MANAGER
    return Condition(
        f"the certificate of {user} to be signed",
        problem,
        timeout_s=_TIMEOUT_S,
        hint="kubeception status",
        last_words=lambda session: log_tail.of_pods(session, signer.labels),
    )


def _certificate(session: Session, name: str) -> bytes | None:
    found = session.api.get(_KIND, name)
    return base64.b64decode(found["status"]["certificate"]) if found else None
