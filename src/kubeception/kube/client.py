"""A Kubernetes API as dicts: get, list, server-side apply, delete.

Requests are retried only where that cannot do harm.
"""

import contextlib
import http
import json
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from kubeception import crash, pace
from kubeception.errors import ApiError
from kubeception.kube.kinds import KINDS, identity, kind_of

Object = dict[str, Any]
T = TypeVar("T")

FIELD_MANAGER = "kubeception"
# What the keeper writes by itself; as much ours as the other.
KEEPER = "kubeception-keeper"
OURS = frozenset({FIELD_MANAGER, KEEPER})
TIMEOUT_S = 10.0
RETRY_S = 5.0
KUBELET_TIMEOUT_S = 10.0
_TAKEN = (
    "see who has it: kubectl get services -A; if nobody, an API server died while it made a"
    " Service, and the next one gives it back within ten minutes"
)
_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"
_STRATEGIC = "application/strategic-merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
# An admission policy whose parameters the API server has not read yet, as just after its start or
# the policy's: it refuses what the policy matches, and says so with status 422.
_UNSETTLED = "failed to configure binding"
# The statuses by which `set_fields` is refused where somebody else has changed it meanwhile.
CHANGED_MEANWHILE = frozenset({409, 422})
# What a kubelet answers is passed on as it is: a sentence, where it is no Status.
_SENTENCE = 300
# Statuses of what was not done, or not for good: no answer, too many requests, a server's trouble.
_PASSING = frozenset({0, 429, 500, 503, 504})


@dataclass(frozen=True)
class Credential:
    """A client certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class TokenFile:
    """A ServiceAccount's token as a file, read for each request: the kubelet writes new ones."""

    token: Path


@contextlib.contextmanager
def in_memory(certificate: bytes, key: bytes) -> Iterator[Credential]:
    """Offer a credential that no disk ever sees, for the length of the block.

    Python's TLS reads certificates from paths alone; a memfd has one.
    """
    handles = []
    try:
        for name, content in (("certificate", certificate), ("key", key)):
            handle = os.memfd_create(name, os.MFD_CLOEXEC)
            handles.append(handle)
            os.write(handle, content)
        yield Credential(*(Path(f"/proc/self/fd/{handle}") for handle in handles))
    finally:
        for handle in handles:
            os.close(handle)


class Api:
    """One API server, by its URL; for how long it is asked again is `retry_s`.

    `timeout_s` is how long it may say no word on a usual machine, `longest_s` on the slowest.
    """

    def __init__(
        self,
        url: str,
        ca: Path,
        credential: Credential | TokenFile,
        *,
        timeout_s: float = TIMEOUT_S,
        longest_s: float = pace.LONGEST_AT_WORK_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self.url = url
        self._usual_s = self._timeout_s = timeout_s
        self._longest_s = longest_s
        self._retry_s = retry_s
        files = [ca]
        auth = None
        try:
            trust = ssl.create_default_context(cafile=ca)
            if isinstance(credential, TokenFile):
                auth = _bearer(credential.token)
            else:
                files += [credential.certificate, credential.key]
                trust.load_cert_chain(credential.certificate, credential.key)
        except (OSError, ValueError) as error:  # Python's TLS doesn't say which file
            what = (error.strerror if isinstance(error, OSError) else None) or error
            raise ApiError(0, "", f"{', '.join(map(str, files))}: {what}") from error
        self._client = httpx2.Client(
            base_url=url, verify=trust, auth=auth, trust_env=False, timeout=timeout_s
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, kind: str, name: str, *, namespace: str | None = None) -> Object | None:
        """Return an object, or None where there is none."""
        try:
            return self._idempotent("GET", KINDS[kind].path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self,
        kind: str,
        *,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[Object]:
        """Return all objects of a kind, in one namespace or in all."""
        found = self._idempotent(
            "GET",
            KINDS[kind].path(namespace),
            labelSelector=_selector(labels),
            fieldSelector=_selector(fields),
        )
        # An empty list may be null.
        return found["items"] or []

    def metrics(self) -> str:
        """Return what the API server counts, as Prometheus' text."""
        return self._again(lambda: self._answered("GET", "/metrics").text)

    def ask_kubelet(self, node: str) -> None:
        """Have the API server ask a node's kubelet whether it is well, once.

        Raises:
            ApiError: it is not, or says nothing in time.
        """
        path = f"{KINDS['Node'].path(None, node)}/proxy/healthz"
        with _errors(self.url):
            answer = self._client.get(path, timeout=KUBELET_TIMEOUT_S)
            if not answer.is_success:
                raise self._refusal(answer)

    def try_out(self, wanted: Object) -> Object:
        """Return an object as it would be if it were applied; asked once, whatever is answered."""
        return self._ask(
            "PATCH",
            _path(wanted),
            wanted,
            content=_APPLY,
            fieldManager=FIELD_MANAGER,
            dryRun="All",
        )

    def apply(self, wanted: Object, *, force: bool = False, dry_run: bool = False) -> Object:
        """Apply an object server-side and return it as it is, or would be, afterwards.

        Raises:
            ApiError: 409 where somebody else owns a field that differs, and `force` is not set.
        """
        if not dry_run:
            if kind_of(wanted) == "Service":
                self._create_missing(wanted)
            crash.before("apply", identity(wanted))
        return self._idempotent(
            "PATCH",
            _path(wanted),
            wanted,
            content=_APPLY,
            fieldManager=FIELD_MANAGER,
            force=force,
            dryRun="All" if dry_run else None,
        )

    def _create_missing(self, wanted: Object) -> None:
        """Create an object where there is none, as if it had been applied.

        A PATCH that creates a Service and is cut off, because its client dies, leaves the
        Service's address and node port taken without a Service, for up to nine minutes: the API
        server takes them for good before it stores the object. With a POST it gives them back.
        """
        kind, metadata = kind_of(wanted), wanted["metadata"]

        def create() -> Object | None:
            # Looked for each time: it may be there although no answer came.
            if self.get(kind, metadata["name"], namespace=metadata.get("namespace")) is not None:
                return None
            crash.before("create", identity(wanted))
            return self._post(wanted)

        try:
            made = self._again(create)
        except ApiError as error:
            if "already allocated" in error.message:
                error.hint = _TAKEN
            raise
        if made:
            # Otherwise a field that a later version wants no more would stay.
            self.set_fields(made, {"/metadata/managedFields/0/operation": "Apply"})

    def merge(
        self,
        kind: str,
        name: str,
        change: Object,
        *,
        namespace: str | None = None,
        status: bool = False,
        manager: str = FIELD_MANAGER,
    ) -> Object:
        """Change some fields of an object (strategic merge), or of its status."""
        crash.before("change a", kind)  # not its name: a pod has another one in each run
        part = ("status",) if status else ()
        path = KINDS[kind].path(namespace, name, *part)
        return self._idempotent("PATCH", path, change, content=_STRATEGIC, fieldManager=manager)

    def set_fields(
        self,
        found: Object,
        values: Mapping[str, Any],
        *,
        manager: str = FIELD_MANAGER,
        status: bool = False,
    ) -> Object:
        """Set fields (by JSON pointer, RFC 6901) of an object that was read, whatever they were.

        Of its status only where that is asked for, and nothing else then.

        Raises:
            ApiError: among others 409 or 422 where somebody else has changed the object meanwhile.
        """
        crash.before("change", f"{', '.join(values)} of {identity(found)}")
        version = found["metadata"]["resourceVersion"]
        change = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            *({"op": "add", "path": pointer, "value": value} for pointer, value in values.items()),
        ]
        path = _path(found, *(("status",) if status else ()))
        return self._idempotent("PATCH", path, change, content=_JSON_PATCH, fieldManager=manager)

    def create(self, wanted: Object) -> Object:
        """Create an object; asked once, for a second one may be another.

        Raises:
            ApiError: among others 409 where one of that name is there.
        """
        crash.before("create a", kind_of(wanted))
        return self._post(wanted)

    def _post(self, wanted: Object) -> Object:
        path = KINDS[kind_of(wanted)].path(wanted["metadata"].get("namespace"))
        return self._ask("POST", path, wanted, fieldManager=FIELD_MANAGER)

    def delete(
        self, kind: str, name: str, *, namespace: str | None = None, grace_s: int | None = None
    ) -> None:
        """Delete an object, by default with its own grace; one that is gone already is fine."""
        crash.before("delete", f"{kind} {name}")
        path = KINDS[kind].path(namespace, name)
        try:
            self._idempotent("DELETE", path, gracePeriodSeconds=grace_s)
        except ApiError as error:
            if error.status != 404:
                raise

    def approve(self, found: Object, *, is_approved: bool, reason: str, message: str) -> None:
        """Approve or deny a CertificateSigningRequest that was read.

        Raises:
            ApiError: among others 409 where somebody else has changed it meanwhile.
        """
        kind = "CertificateSigningRequest"
        crash.before("decide about", found["metadata"]["name"])
        condition = {
            "type": "Approved" if is_approved else "Denied",
            "status": "True",
            "reason": reason,
            "message": message,
        }
        status = {**(found.get("status") or {}), "conditions": [condition]}
        # What a list has found does not say what it is.
        decided = {
            **found,
            "apiVersion": KINDS[kind].api_version,
            "kind": kind,
            "status": status,
        }
        path = _path(decided, "approval")
        self._idempotent("PUT", path, decided, fieldManager=FIELD_MANAGER)

    def watch(self, kind: str, *, timeout_s: int) -> Iterator[str]:
        """Yield the name of an object of a kind whenever it changes, all of them first, for ever.

        The server is asked anew every `timeout_s` seconds; one that is gone without a word is
        noticed a little later.

        Raises:
            ApiError: the API can't be asked, or hangs up.
        """
        version = None
        patience = httpx2.Timeout(self._timeout_s, read=timeout_s + self._timeout_s)
        while True:
            query = {"watch": True, "timeoutSeconds": timeout_s, "resourceVersion": version}
            with (
                _errors(self.url),
                self._client.stream(
                    "GET", KINDS[kind].path(), params=_said(query), timeout=patience
                ) as answer,
            ):
                if not answer.is_success:
                    answer.read()
                    raise self._refusal(answer)
                for line in answer.iter_lines():
                    event = json.loads(line)
                    found = event["object"]
                    if event["type"] == "ERROR":  # among others: that version is too old by now
                        raise ApiError(found["code"], found["reason"], found["message"])
                    version = found["metadata"]["resourceVersion"]
                    yield found["metadata"]["name"]

    def log(
        self,
        pod: Object,
        container: str,
        *,
        lines: int,
        timestamps: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[str, ...]:
        """Return what a container of a pod that was read logged last; its kubelet is asked once."""
        metadata = pod["metadata"]
        path = KINDS["Pod"].path(metadata["namespace"], metadata["name"], "log")
        with _errors(self.url):
            answer = self._client.get(
                path,
                params={"container": container, "tailLines": lines, "timestamps": timestamps},
                timeout=timeout_s or self._timeout_s,
            )
            if not answer.is_success:
                raise self._refusal(answer)
        return tuple(answer.text.splitlines())

    def execute(
        self, pod: Object, container: str, command: Sequence[str], *, timeout_s: float
    ) -> None:
        """Run a command in a container of a pod that was read, once, to its end.

        Raises:
            ApiError: it is not run, does not end in time, or ends with another code than 0.
        """
        from kubeception.kube import pod_command  # milliseconds that only this costs

        metadata = pod["metadata"]
        path = KINDS["Pod"].path(metadata["namespace"], metadata["name"], "exec")
        query: dict[str, Any] = {"container": container, "stdout": True, "stderr": True}
        with (
            _errors(self.url),
            self._client.stream(
                "GET",
                path,
                params={**query, "command": list(command)},
                headers=pod_command.upgrade(),
                timeout=timeout_s,
            ) as answer,
        ):
            if answer.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
                answer.read()
                raise self._refusal(answer)
            stream = answer.extensions["network_stream"]
            ended = pod_command.outcome(stream, timeout_s=timeout_s)
        if ended["status"] != "Success":
            raise ApiError(ended.get("code") or 500, ended.get("reason", ""), ended["message"])

    def evict(self, pod: Object) -> None:
        """Have a pod that was read end, if its disruption budget allows that just now.

        Raises:
            ApiError: 429 where it does not.
        """
        crash.before("evict a", "Pod")
        metadata = pod["metadata"]
        wanted = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
        }
        path = KINDS["Pod"].path(metadata["namespace"], metadata["name"], "eviction")
        self._ask("POST", path, wanted, fieldManager=FIELD_MANAGER)

    def _idempotent(
        self, method: str, path: str, body: Any = None, *, content: str = _JSON, **query: Any
    ) -> Object:
        return self._again(lambda: self._ask(method, path, body, content=content, **query))

    def _again(self, call: Callable[[], T]) -> T:
        """Call, and for a short while again where no answer came or the server was not ready.

        Whoever has said no word in time is only slow where everything is, and gets more time, for
        each answer and altogether.
        """
        started, limit_s, was_slow = time.monotonic(), self._retry_s, False
        while True:
            try:
                return call()
            except ApiError as error:
                if isinstance(error.__cause__, httpx2.TimeoutException):
                    slowness = pace.slowness()
                    limit_s = max(limit_s, self._retry_s * slowness)
                    if self._has_more_patience(slowness) and not was_slow:
                        was_slow = True
                        continue
                is_passing = error.status in _PASSING or _UNSETTLED in error.message
                if not is_passing or time.monotonic() - started >= limit_s:
                    raise
            time.sleep(0.2)

    def _has_more_patience(self, slowness: float) -> bool:
        """Be as patient from now on as this machine is slow; tell whether that is more."""
        longer_s = min(self._usual_s * slowness, self._longest_s)
        if longer_s <= self._timeout_s:
            return False
        self._timeout_s = longer_s
        self._client.timeout = httpx2.Timeout(longer_s)
        return True

    def _ask(
        self, method: str, path: str, body: Any = None, *, content: str = _JSON, **query: Any
    ) -> Object:
        with _errors(self.url):
            found: Object = self._answered(method, path, body, content=content, **query).json()
        return found

    def _answered(
        self, method: str, path: str, body: Any = None, *, content: str = _JSON, **query: Any
    ) -> httpx2.Response:
        with _errors(self.url):
            answer = self._client.request(
                method, path, json=body, params=_said(query), headers={"Content-Type": content}
            )
            if not answer.is_success:
                raise self._refusal(answer)
        return answer

    def _refusal(self, answer: httpx2.Response) -> ApiError:
        """Return what an answer says went wrong: the API's own words, or those of who stands in."""
        try:
            said = answer.json()
            return ApiError(answer.status_code, said.get("reason") or "", said["message"])
        except (ValueError, KeyError, TypeError, AttributeError):
            code, words = answer.status_code, answer.text.strip()
            is_sentence = 0 < len(words) <= _SENTENCE and words.isprintable() and words[0] != "<"
            told = f"answered {code}: {words}" if is_sentence else f"answered {code}"
            return ApiError(code, answer.reason_phrase, f"{self.url}: {told}")


def _path(found: Object, *part: str) -> str:
    metadata = found["metadata"]
    return KINDS[kind_of(found)].path(metadata.get("namespace"), metadata["name"], *part)


def _selector(wanted: Mapping[str, str] | None) -> str | None:
    return ",".join(f"{key}={value}" for key, value in wanted.items()) if wanted else None


def _said(query: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in query.items() if value is not None}


def _bearer(token: Path) -> Callable[[httpx2.Request], httpx2.Request]:
    def show(request: httpx2.Request) -> httpx2.Request:
        said = token.read_bytes().strip()
        if not re.fullmatch(rb"[\w.~+/=-]+", said):  # HTTP's own error would show it
            raise ApiError(0, "Unreachable", f"{token}: there is no token in it")
        request.headers["Authorization"] = f"Bearer {said.decode()}"
        return request

    return show


@contextlib.contextmanager
def _errors(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, OSError) as error:
        raise ApiError(0, "Unreachable", f"{url}: {error}") from error
    except ValueError as error:
        raise ApiError(0, "Unreachable", f"{url}: what it answers is no JSON") from error
