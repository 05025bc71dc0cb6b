"""Whether a host is taken in: every check, in the order in which it may cost something.

This service is trusted with nothing: it can't approve, and the controller that can verifies a
claim's proof again. What it refuses here is refused early, and told in so many words.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubeception.config.names import Reserved
from kubeception.endpoints import Address
from kubeception.join import nonce, wire
from kubeception.join.cluster import NAME_TAKEN, OTHER_SOURCE, TOKEN_REUSED, Cluster
from kubeception.pki import request as requests
from kubeception.pki.token import Claim, Role, verifies
from kubeception.render.join_records import ClaimRecord, TokenRecord

log = logging.getLogger(__name__)

MOST_AT_ONCE = 64
SIGNING_S = 10.0
_FIRST_LOOK_S, _LAST_LOOK_S = 0.05, 0.5
# Verified in place of a key that is not known, so that an unknown token takes the same path.
_DUMMY_KEY = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Refused(Exception):
    """The request is refused: its HTTP status, and what the other side may know."""

    def __init__(self, status: int, why: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class ClusterInfo:
    """What every host that is taken in is told."""

    ca: str
    apiservers: tuple[str, ...]
    kubelet: wire.KubeletSettings

    def with_certificate(self, certificate: str) -> wire.Answer:
        """Return a host's answer."""
        return wire.Answer(certificate, self.ca, self.apiservers, self.kubelet)


@dataclass
class Admission:
    """The checks; `server` is the SHA-256 of the certificate that this service shows."""

    cluster: Cluster
    server: bytes
    info: ClusterInfo
    reserved: Reserved
    _at_once: set[str] = field(default_factory=set)

    async def admit(
        self,
        asked: wire.Request,
        *,
        challenge: str,
        source: Address,
        prove: Callable[[], None],
        is_gone: Callable[[], bool],
    ) -> wire.Answer:
        """Return what a host needs to be a node.

        `challenge` is what it had to prove something over, `source` from where it is seen, `prove`
        is called once it has proven it, and `is_gone` tells whether it still wants to know.

        Raises:
            Refused: it is not taken in.
            ApiError: the cluster can't be asked.
        """
        if not nonce.is_same(challenge, asked.nonce):
            raise Refused(409, "the nonce is not of this connection, or too old")
        if problem := _problem(asked, self.reserved):
            raise Refused(400, problem)
        record = _claimed(asked, self.server, source)
        token = await self._known(record)
        prove()
        if why := _excluded(token, record.claim.node, datetime.now(UTC)):
            raise Refused(403, why)
        if not token.any_source and {*asked.addresses} != {str(source)}:
            said = f"{wire.SEEN_FROM} {source}, and claims {', '.join(asked.addresses)}"
            await self.cluster.alert(token.id, OTHER_SOURCE, f"token {token.id}: {said}")
            raise Refused(403, said)
        if token.id in self._at_once:
            raise Refused(429, "the token is in use at this moment", retry_after_s=1)
        if len(self._at_once) >= MOST_AT_ONCE:
            raise Refused(503, "too many hosts join at this moment", retry_after_s=1)
        self._at_once.add(token.id)
        try:
            return await self._join(token, record, is_gone)
        finally:
            self._at_once.discard(token.id)

    async def _known(self, record: ClaimRecord) -> TokenRecord:
        """Return the token that a claim was proven by."""
        try:
            token = await self.cluster.token(record.claim.token)
        except ValueError as error:
            log.warning("%s", error)
            token = None
        key = token.public_key if token else _DUMMY_KEY
        is_proven = verifies(key, record.proof, record.claim)
        if token is None or not is_proven:
            raise Refused(401, "not proven")
        return token

    async def _join(
        self, token: TokenRecord, record: ClaimRecord, is_gone: Callable[[], bool]
    ) -> wire.Answer:
        if not await self._is_again(record):
            await self._name_is_free(token, record.claim.node)
            # Two at once: the API makes one of the two claims, and that one counts.
            if not await self.cluster.spend(record) and not await self._is_again(record):
                raise await self._spent(record)
        if not await self.cluster.ask_for_certificate(record, usages=_usages(record.request)):
            raise await self._spent(record)
        return self.info.with_certificate(await self._signed(token.id, is_gone))

    async def _is_again(self, record: ClaimRecord) -> bool:
        """Tell whether the very same was claimed before: the answer was lost on its way.

        Raises:
            Refused: something else was claimed.
        """
        try:
            found = await self.cluster.claim(record.claim.token)
        except ValueError as error:
            raise await self._spent(record) from error
        if found is None:
            return False
        before, now = found.claim, record.claim
        if (before.request, before.node, before.addresses) != (
            now.request,
            now.node,
            now.addresses,
        ):
            raise await self._spent(record)
        return True

    async def _spent(self, record: ClaimRecord) -> Refused:
        """Return the refusal of a token that took another host in; the administrator is told."""
        token, node = record.claim.token, record.claim.node
        said = f"token {token}, which is spent, was used again, to join as {node}"
        await self.cluster.alert(token, TOKEN_REUSED, said)
        return Refused(403, "the token is spent")

    async def _name_is_free(self, token: TokenRecord, node: str) -> None:
        """Go on only if no other host has a name, or if the token may take it over."""
        if token.rejoin and token.node == node:
            return
        try:
            known = await self.cluster.record(node)
            is_own = known is not None and known.token == token.id
            is_taken = known is not None or await self.cluster.has_node(node)
        except ValueError:
            is_own, is_taken = False, True
        if is_taken and not is_own:
            said = f"token {token.id} was used to join as {node}, which is there already"
            await self.cluster.alert(token.id, NAME_TAKEN, said)
            raise Refused(409, "the name is taken")

    async def _signed(self, token: str, is_gone: Callable[[], bool]) -> str:
        """Wait for the certificate; the controller decides, and Kubernetes signs."""
        wait_s = _FIRST_LOOK_S
        until = asyncio.get_running_loop().time() + SIGNING_S
        while asyncio.get_running_loop().time() < until and not is_gone():
            verdict = await self.cluster.verdict(token)
            if verdict and verdict.certificate:
                return verdict.certificate
            if verdict and verdict.denied == NAME_TAKEN:
                raise Refused(409, "the name is taken")
            if verdict:
                raise Refused(403, wire.DENIED + (f": {verdict.why}" if verdict.why else ""))
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, _LAST_LOOK_S)
        raise Refused(503, "the certificate is not signed yet", retry_after_s=1)


def _problem(asked: wire.Request, reserved: Reserved) -> str | None:
    """Say what is wrong with a request by itself: nothing has been asked of anybody for it yet."""
    if problem := reserved.node_problem(asked.node):
        return problem
    if any(map(requests.address_problem, asked.addresses)):
        return wire.NO_ADDRESS
    if len(set(asked.addresses)) < len(asked.addresses):
        return "an address is there twice"
    if not asked.request.isascii():  # nor can all that JSON can say be encoded
        return "the certificate request: is no PEM"
    problem = requests.client_problem(asked.request.encode(), asked.node)
    return f"the certificate request: {problem}" if problem else None


def _claimed(asked: wire.Request, server: bytes, source: Address) -> ClaimRecord:
    request = asked.request.encode()
    claim = Claim(
        token=asked.token,
        node=asked.node,
        addresses=asked.addresses,
        server=server,
        nonce=bytes.fromhex(asked.nonce),
        request=requests.digest(request),
    )
    return ClaimRecord(claim, bytes.fromhex(asked.proof), request, str(source))


def _excluded(token: TokenRecord, node: str, now: datetime) -> str | None:
    """Say why a token is no good, to whoever has proven to hold it."""
    if token.revoked:
        return "the token is revoked"
    if now >= token.expires:
        return "the token has expired"
    if token.role is not Role.WORKER:
        return "the token is not for a worker"
    if token.node not in {None, node}:
        return wire.OTHER_NODE
    return None


def _usages(request: bytes) -> list[str]:
    """Return what a certificate is asked for; RSA keys are for encipherment as well."""
    is_rsa = isinstance(x509.load_pem_x509_csr(request).public_key(), rsa.RSAPublicKey)
    return ["digital signature", *(["key encipherment"] if is_rsa else []), "client auth"]
