"""What a worker's kubelet serves with: a certificate by the CA that the cluster publishes for that.

The kubelet gets it by itself, and renews it once a year; one that an earlier version's cluster has
signed is exchanged before, and is shown until the other is here.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass

from kubeception.conditions import Condition, wait_for
from kubeception.conditions.reading import refusal
from kubeception.config.model import KeyAlgorithm
from kubeception.endpoints import Address
from kubeception.errors import Hopeless, KubeceptionError
from kubeception.host import files
from kubeception.kube.kinds import KINDS
from kubeception.pki import issue, request
from kubeception.render import kubelet_serving
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

_KIND = "CertificateSigningRequest"
_TIMEOUT_S = 60.0
_USAGES = {KeyAlgorithm.RSA_2048: ["key encipherment"]}


@dataclass(frozen=True)
class ServingCertificate:
    """It is wanted to be by the published CA, where there is one; and those CAs to be kept here."""

    node: str
    address: Address
    algorithm: KeyAlgorithm

    def __str__(self) -> str:
        return f"serving certificate of {request.user(self.node)}"

    def drift(self, session: Session) -> str | None:
        """Say that it is by another CA, or that others are published than are known here."""
        return serving_problem(session)

    def apply(self, session: Session) -> None:
        """Keep the CAs, and put a certificate by the new one in place of another.

        Raises:
            KubeceptionError: the cluster gives none.
        """
        published = _published(session)
        at = session.config.layout
        files.write(session.host.at(at.pki.kubelet_serving_cas), published)
        shown = session.host.content(at.kubelet.renewed_server)
        if shown is None or _is_by(shown, published):
            return
        key = issue.new_key(self.algorithm)
        pem = self._asked_for(session, key)
        if not _is_by(pem, published):
            raise KubeceptionError(
                f"{self}: the cluster still signs it by another CA",
                hint="kubeception bootstrap, on a control-plane host, changes that",
            )
        reissued = at.kubelet.reissued_server
        files.write(session.host.at(reissued), pem + key, mode=0o600)
        files.link(session.host.at(at.kubelet.renewed_server), reissued)

    def _asked_for(self, session: Session, key: bytes) -> bytes:
        """Return a certificate for a key, as the cluster signs it."""
        wanted = request.for_serving(key, self.node, (self.address,))
        usages = ["digital signature", "server auth", *_USAGES.get(self.algorithm, [])]
        made = session.api.create(
            {
                "apiVersion": KINDS[_KIND].api_version,
                "kind": _KIND,
                "metadata": {"generateName": "csr-"},
                "spec": {
                    "signerName": request.SERVING_SIGNER,
                    "request": b64encode(wanted).decode(),
                    "usages": usages,
                },
            }
        )
        name, signed = made["metadata"]["name"], bytearray()

        def problem(session: Session) -> str | None:
            found = session.api.get(_KIND, name) or {}
            if why := refusal(found):
                raise Hopeless(f"{self}: {why}")
            signed[:] = b64decode((found.get("status") or {}).get("certificate") or "")
            return None if signed else f"{_KIND} {name} is not signed yet"

        hint = "kubectl get csr, on a control-plane host"
        condition = Condition(str(self), problem, timeout_s=_TIMEOUT_S, hint=hint)
        wait_for(condition, session, lambda _: None)
        return bytes(signed)


def serving_problem(session: Session) -> str | None:
    """Say that what the kubelet serves with is by another CA than is published, or None."""
    published = _published(session)
    if not published:
        return None
    if session.host.content(session.config.layout.pki.kubelet_serving_cas) != published:
        return "other CAs are published for it"
    shown = session.host.content(session.config.layout.kubelet.renewed_server)
    if shown is None or _is_by(shown, published):  # the kubelet is about to get the first one
        return None
    return "is not by the CA that is published for it"


def _published(session: Session) -> bytes:
    """Return the CAs (PEM) that the cluster publishes, none where it can't be asked for them."""
    try:
        found = session.api.get("ConfigMap", kubelet_serving.NAME, namespace=NAMESPACE)
    except KubeceptionError:
        return b""
    return kubelet_serving.of(found).encode() if found else b""


def _is_by(shown: bytes, published: bytes) -> bool:
    """Tell whether a certificate is by the first of the CAs: the other one is for what was."""
    return any(issue.is_signed_by(shown, ca) for ca in issue.certificates(published)[:1])
