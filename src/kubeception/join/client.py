"""The joining host's side: it proves a token to the service that the token pins, and is taken in.

The token itself is never sent, nor said in any message.
"""

import contextlib
import http.client
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import msgspec

from kubeception.config import names
from kubeception.errors import JoinRefused, WaitTimeout
from kubeception.facts import Membership
from kubeception.host.gateway import Clock
from kubeception.join import pinned, wire
from kubeception.pki import denial
from kubeception.pki import request as requests
from kubeception.pki.token import Claim, Token
from kubeception.render import join_records
from kubeception.resources.credential import JoinResult

log = logging.getLogger(__name__)

Message = TypeVar("Message", wire.Challenge, wire.Answer)

TIMEOUT_S = 60.0
PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0
ANSWER_BYTES = 256 * 1024
_MOST_WORDS = 200

_ON = "on a control-plane host"
_SAME_VERSION = "use the same version of kubeception on both"
_CHOOSE_ADDRESS = "set address in the [node] section of the configuration"


class RetryLater(Exception):
    """No, but not for ever: worth another try, after a pause if the service names one."""

    def __init__(self, why: str, *, pause_s: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.pause_s = pause_s


@dataclass(frozen=True)
class JoinClient:
    """Who wants to join where, and what it proves that with."""

    at: pinned.ServiceUrl
    token: Token
    clock: Clock
    timeout_s: float = TIMEOUT_S

    @property
    def service(self) -> str:
        """The host that is asked."""
        return self.at.host

    def __call__(self, request: bytes, node: str, addresses: tuple[str, ...]) -> JoinResult:
        """Ask for a node's certificate by a request (PEM), until there is an answer.

        Raises:
            JoinRefused: the service is not the token's, or does not take this host in.
            WaitTimeout: there was no answer in time.
        """
        deadline = self.clock.monotonic() + self.timeout_s
        pause_s, last = PAUSE_S, ""
        while True:
            try:
                return self._ask(request, node, addresses)
            except RetryLater as error:
                if error.why != last:
                    log.warning("%s: %s; trying again", self.at, error.why)
                last = error.why
                pause_s = min(max(pause_s, error.pause_s), LONGEST_PAUSE_S)
            if self.clock.monotonic() + pause_s > deadline:
                raise WaitTimeout(
                    f"the join service at {self.at}",
                    last,
                    hint="kubeception status, on a control-plane host, says whether it runs",
                )
            self.clock.sleep(pause_s)
            pause_s *= 1.5

    def _ask(self, request: bytes, node: str, addresses: tuple[str, ...]) -> JoinResult:
        with (
            _unreachable(),
            pinned.connected(self.at, pin=self.token.pin, now=self.clock.now()) as (
                connection,
                server,
            ),
        ):
            challenge = self._call(connection, wire.Challenge, node=node)
            claim = Claim(
                token=self.token.id,
                node=node,
                addresses=addresses,
                server=server,
                nonce=bytes.fromhex(challenge.nonce),
                request=requests.digest(request),
            )
            asked = wire.Request(
                token=claim.token,
                node=claim.node,
                addresses=claim.addresses,
                nonce=challenge.nonce,
                request=request.decode(),
                proof=self.token.sign(claim).hex(),
            )
            body = msgspec.json.encode(asked)
            answer = self._call(connection, wire.Answer, node=node, body=body)
        member = Membership(
            apiservers=answer.apiservers,
            cluster_dns=answer.kubelet.cluster_dns,
            cluster_domain=answer.kubelet.cluster_domain,
            joined_at=self.service,
        )
        return JoinResult(answer.certificate.encode(), answer.ca.encode(), member)

    def _call(
        self,
        connection: http.client.HTTPConnection,
        kind: type[Message],
        *,
        node: str,
        body: bytes | None = None,
    ) -> Message:
        """Send one request, and return the message that answers it."""
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", self.at.path, body=body, headers=headers)
        response = connection.getresponse()
        content = response.read(ANSWER_BYTES)
        if response.status != 200:
            _refuse(response, _words(content), node=node, token=self.token.id)
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise JoinRefused(
                f"{self.at} answers in a way that this host does not understand",
                hint=_SAME_VERSION,
            ) from error


def _refuse(response: http.client.HTTPResponse, words: str, *, node: str, token: str) -> NoReturn:
    """Raise what a refusal means for this host."""
    status = response.status
    # A nonce lives for seconds; whoever was too slow asks for another one.
    if status == 429 or status >= 500 or (status == 409 and "nonce" in words):
        said = response.headers.get("Retry-After", "")
        raise RetryLater(f"{status} {words}", pause_s=float(said) if said.isdecimal() else 0.0)
    why, hint = _meaning(status, words, node=node, token=token)
    raise JoinRefused(f"{why} ({status} {words})", hint=hint)


def _meaning(status: int, words: str, *, node: str, token: str) -> tuple[str, str]:
    """Return what a final refusal means, and what helps."""
    another = (
        f"kubeception token create --node {node}, {_ON}, prints another one; with --rejoin {node}"
        " for a host that has joined before"
    )
    match status:
        case 400 if words.endswith(names.IS_RESERVED):
            return "no host that joins can have this name", names.CALL_OTHERWISE
        case 400 if words == wire.NO_ADDRESS:
            return "this host can't join by its address", _CHOOSE_ADDRESS
        case 401:
            return "the token is not known, or has expired", another
        case 403 if words.startswith(wire.SEEN_FROM):
            return (
                "this host joins by an address that is not its node's",
                "address in [node] of its configuration is the node's own; behind NAT, or a load"
                f" balancer in --url: kubeception token create --any-source --node {node}, {_ON}",
            )
        case 403 if words == wire.OTHER_NODE:
            return (
                f"this host joins as node {node}",
                f"kubeception token create --node {node}, {_ON}, or call it as the token says"
                f" (kubeception token list, {_ON}): {names.CALL_OTHERWISE}",
            )
        case 403 if words.startswith(wire.DENIED):
            return _denial(words, node=node, token=token, another=another)
        case 403:
            return "the token is not good for this", another
        case 404:
            return "there is no join service at this URL", "the URL ends with :30000/join"
        case 409:
            return (
                f"the cluster knows a node {node} already",
                f"if it was this host: kubeception token create --rejoin {node}, {_ON}; if not,"
                " give this host another name",
            )
        case _:
            return "the join service does not understand this host", _SAME_VERSION


def _denial(words: str, *, node: str, token: str, another: str) -> tuple[str, str]:
    """Return what it means that the cluster denied the certificate, and what helps."""
    if other := denial.owner(words):
        return (
            "the address of this host is another node's",
            f"if {other} was this host: kubeception node remove {other}, {_ON}, and join by what"
            f" kubeception token create --node {node} prints; or call it {other} again, and join by"
            f" what kubeception token create --rejoin {other} prints; if not, give it another"
            " address",
        )
    if denial.is_of_address(words):
        return (
            "this host can't join by its address",
            f"kubeception node list, {_ON}, says whose addresses are whose; {_CHOOSE_ADDRESS}",
        )
    if words.endswith(names.IS_RESERVED):
        return "no host that joins can have this name", names.CALL_OTHERWISE
    return (
        "this host gets no certificate",
        f"kubectl get csr {join_records.request_name(token)} -o yaml, {_ON}, says more"
        f" for ten minutes; {another}",
    )


def _words(content: bytes) -> str:
    """Return what a refusal says, whoever wrote it: one line of plain characters."""
    try:
        said = msgspec.json.decode(content, type=wire.Refusal).error
    except msgspec.DecodeError:
        return "without a reason"
    return "".join(letter for letter in said[:_MOST_WORDS] if letter.isprintable())


@contextlib.contextmanager
def _unreachable() -> Iterator[None]:
    """Tell a connection that can't be made, or breaks, as something to try again."""
    try:
        yield
    except http.client.HTTPException as error:
        raise RetryLater(f"no answer that is HTTP: {type(error).__name__}") from error
    except OSError as error:
        raise RetryLater((error.strerror or str(error)).lower()) from error
