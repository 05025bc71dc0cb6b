"""A Kubernetes API as dicts: get, list, server-side apply, delete.

The one module that imports lightkube. Requests are retried only where that cannot do harm.
"""

import contextlib
import functools
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from lightkube import ApiError as LightkubeError
from lightkube import Client
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.core.resource import ApiInfo
from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericGlobalStatus,
    GenericNamespacedResource,
    GenericNamespacedStatus,
    create_api_info,
)
from lightkube.types import PatchType

from kubeception import crash
from kubeception.errors import ApiError
from kubeception.kube.kinds import KINDS, identity, kind_of

Object = dict[str, Any]
Answer = TypeVar("Answer")

FIELD_MANAGER = "kubeception"
# What the keeper writes by itself; as much ours as the other.
KEEPER = "kubeception-keeper"
OURS = frozenset({FIELD_MANAGER, KEEPER})
TIMEOUT_S = 10.0
RETRY_S = 5.0
_TAKEN = (
    "see who has it: kubectl get services -A; if nobody, an API server died while it made a"
    " Service, and the next one gives it back within ten minutes"
)
# Statuses of what was not done, or not for good: no answer, too many requests, a server's trouble.
_PASSING = frozenset({0, 429, 500, 503, 504})


@dataclass(frozen=True)
class Credential:
    """A client certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class TokenFile:
    """A ServiceAccount's token as a file, which is read again once the API takes it no more."""

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
    """One API server, by its URL; for how long it is asked again is `retry_s`."""

    def __init__(
        self,
        url: str,
        ca: Path,
        credential: Credential | TokenFile,
        *,
        timeout_s: float = TIMEOUT_S,
        retry_s: float = RETRY_S,
    ) -> None:
        config = KubeConfig.from_dict(
            {
                "clusters": [
                    {
                        "name": "it",
                        "cluster": {"server": url, "certificate-authority": str(ca.absolute())},
                    }
                ],
                "users": [{"name": "us", "user": _user(credential)}],
                "contexts": [{"name": "here", "context": {"cluster": "it", "user": "us"}}],
                "current-context": "here",
            }
        )
        self.url = url
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        try:
            self._client = Client(
                config=config,
                field_manager=FIELD_MANAGER,
                trust_env=False,
                timeout=httpx2.Timeout(timeout_s),
            )
        except (OSError, ValueError) as error:  # Python's TLS doesn't say which file
            which = ", ".join(str(file) for file in (ca, *_files(credential)))
            what = (error.strerror if isinstance(error, OSError) else None) or error
            raise ApiError(0, "", f"{which}: {what}") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, kind: str, name: str, *, namespace: str | None = None) -> Object | None:
        """Return an object, or None where there is none."""
        try:
            found = self._idempotent("get", _resource(kind), name=name, namespace=namespace)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return dict(found)

    def list(
        self,
        kind: str,
        *,
        namespace: str | None = None,
        labels: dict[str, Any] | None = None,
        fields: dict[str, Any] | None = None,
    ) -> list[Object]:
        """Return all objects of a kind, in one namespace or in all."""
        if KINDS[kind].namespaced and namespace is None:
            namespace = "*"
        found = self._idempotent(
            "list", _resource(kind), namespace=namespace, labels=labels, fields=fields
        )
        return [dict(item) for item in found]

    def apply(self, wanted: Object, *, force: bool = False, dry_run: bool = False) -> Object:
        """Apply an object server-side and return it as it is, or would be, afterwards.

        Raises:
            ApiError: 409 where somebody else owns a field that differs, and `force` is not set.
        """
        resource = _resource(kind_of(wanted))
        metadata = wanted["metadata"]
        if not dry_run:
            if kind_of(wanted) == "Service":
                self._create_missing(wanted)
            crash.before("apply", identity(wanted))
        return dict(
            self._idempotent(
                "patch",
                resource,
                metadata["name"],
                resource(wanted),
                namespace=metadata.get("namespace"),
                patch_type=PatchType.APPLY,
                field_manager=FIELD_MANAGER,
                force=force,
                dry_run=dry_run,
            )
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
        return dict(
            self._idempotent(
                "patch",
                _resource(kind, part="status" if status else ""),
                name,
                change,
                namespace=namespace,
                patch_type=PatchType.STRATEGIC,
                field_manager=manager,
            )
        )

    def set_fields(
        self, found: Object, values: Mapping[str, Any], *, manager: str = FIELD_MANAGER
    ) -> Object:
        """Set fields (by JSON pointer, RFC 6901) of an object that was read, whatever they were.

        Raises:
            ApiError: among others 409 or 422 where somebody else has changed the object meanwhile.
        """
        metadata = found["metadata"]
        crash.before("change", f"{', '.join(values)} of {identity(found)}")
        change = [
            {
                "op": "test",
                "path": "/metadata/resourceVersion",
                "value": metadata["resourceVersion"],
            },
            *({"op": "add", "path": pointer, "value": value} for pointer, value in values.items()),
        ]
        return dict(
            self._idempotent(
                "patch",
                _resource(kind_of(found)),
                metadata["name"],
                change,
                namespace=metadata.get("namespace"),
                patch_type=PatchType.JSON,
                field_manager=manager,
            )
        )

    def create(self, wanted: Object) -> Object:
        """Create an object; asked once, for a second one may be another.

        Raises:
            ApiError: among others 409 where one of that name is there.
        """
        crash.before("create a", kind_of(wanted))
        with _errors(self.url):
            return self._post(wanted)

    def _post(self, wanted: Object) -> Object:
        resource = _resource(kind_of(wanted))
        namespace = wanted["metadata"].get("namespace")
        return dict(self._client.create(resource(wanted), namespace=namespace))

    def delete(
        self, kind: str, name: str, *, namespace: str | None = None, grace_s: int | None = None
    ) -> None:
        """Delete an object, by default with its own grace; one that is gone already is fine."""
        crash.before("delete", f"{kind} {name}")
        more = {} if grace_s is None else {"grace_period": grace_s}
        try:
            self._idempotent("delete", _resource(kind), name, namespace=namespace, **more)
        except ApiError as error:
            if error.status != 404:
                raise

    def approve(self, found: Object, *, is_approved: bool, reason: str, message: str) -> None:
        """Approve or deny a CertificateSigningRequest that was read.

        Raises:
            ApiError: among others 409 where somebody else has changed it meanwhile.
        """
        kind = "CertificateSigningRequest"
        name = found["metadata"]["name"]
        crash.before("decide about", name)
        condition = {
            "type": "Approved" if is_approved else "Denied",
            "status": "True",
            "reason": reason,
            "message": message,
        }
        resource = _resource(kind, part="approval")
        # What a list has found does not say what it is.
        what = {"apiVersion": KINDS[kind].api_version, "kind": kind}
        status = {**(found.get("status") or {}), "conditions": [condition]}
        self._idempotent("replace", resource({**found, **what, "status": status}), name)

    def watch(self, kind: str, *, timeout_s: int) -> Iterator[str]:
        """Yield the name of an object of a kind whenever it changes, all of them first, for ever.

        The server is asked anew every `timeout_s` seconds; one that is gone without a word is
        noticed a little later.

        Raises:
            ApiError: the API can't be asked, or hangs up.
        """
        # lightkube would listen for ever on a connection whose other end is gone.
        self._client._client._watch_timeout.read = timeout_s + self._timeout_s
        with _errors(self.url):
            for _, found in self._client.watch(_resource(kind), server_timeout=timeout_s):
                yield found["metadata"]["name"]

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
        eviction = _resource("Pod", part="eviction")(wanted)
        with _errors(self.url):
            self._client.create(eviction, metadata["name"], namespace=metadata["namespace"])

    def _idempotent(self, verb: str, *arguments: Any, **options: Any) -> Any:
        def call() -> Any:
            answer = getattr(self._client, verb)(*arguments, **options)
            # A list is asked for only while it is gone through.
            return list(answer) if verb == "list" else answer

        return self._again(call)

    def _again(self, call: Callable[[], Answer]) -> Answer:
        """Call, and for a short while again where no answer came or the server was not ready."""
        deadline = time.monotonic() + self._retry_s
        while True:
            try:
                with _errors(self.url):
                    return call()
            except ApiError as error:
                if error.status not in _PASSING or time.monotonic() >= deadline:
                    raise
            time.sleep(0.2)


def _user(credential: Credential | TokenFile) -> dict[str, str]:
    if isinstance(credential, TokenFile):
        return {"tokenFile": str(credential.token.absolute())}
    return {
        "client-certificate": str(credential.certificate),
        "client-key": str(credential.key),
    }


def _files(credential: Credential | TokenFile) -> tuple[Path, ...]:
    if isinstance(credential, TokenFile):
        return ()  # it is read with each request
    return credential.certificate, credential.key


@functools.cache
def _resource(kind: str, *, part: str = "") -> Any:
    """Return lightkube's class for a kind: a dict that knows its place in the API.

    Built here, because lightkube's own registry refuses kinds that it also has models of.
    """
    row = KINDS[kind]
    shape: type = GenericNamespacedResource if row.namespaced else GenericGlobalResource
    place = create_api_info(row.group, row.version, kind, row.plural)
    if part:
        shape = GenericNamespacedStatus if row.namespaced else GenericGlobalStatus
        verbs = ["get", "patch", "put", "post"]
        place = ApiInfo(place.resource, place.plural, verbs, place.resource, action=part)
    return type(kind, (shape,), {"_api_info": place})


@contextlib.contextmanager
def _errors(url: str) -> Iterator[None]:
    try:
        yield
    except LightkubeError as error:
        status = error.status
        raise ApiError(
            status.code or error.response.status_code,
            status.reason or "",
            status.message or str(error),
        ) from error
    except httpx2.HTTPStatusError as error:
        code = error.response.status_code
        raise ApiError(code, error.response.reason_phrase, f"{url}: answered {code}") from error
    except UnicodeDecodeError as error:
        problem = f"{url}: the credential to ask it with is no text"
        raise ApiError(0, "Unreachable", problem) from error
    except (httpx2.HTTPError, ConfigError, ssl.SSLError, OSError) as error:
        raise ApiError(0, "Unreachable", f"{url}: {error}") from error
