"""Why the cluster's DNS does not answer, by its Service and by what CoreDNS says of itself here."""

import contextlib
import json
import re
from collections.abc import Iterator

from kubeception.conditions import log_tail
from kubeception.endpoints import DNS_PORT
from kubeception.errors import KubeceptionError
from kubeception.kube.client import Object
from kubeception.render import coredns
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

_SERVICE = f"Service {NAMESPACE}/{coredns.SERVICE}"
_PATCH = f"kubectl -n {NAMESPACE} patch service {coredns.SERVICE} --type=json -p"
_SELECTED = {"kubernetes.io/service-name": coredns.SERVICE}
# What CoreDNS says of itself; of one question that a server outside did not answer; of its start.
_COMPLAINT = re.compile(r"\[(ERROR|FATAL|WARNING)\]|[Ee]rror|panic")
_OF_A_QUESTION = re.compile(r"plugin/(errors|forward)")
_OF_A_START = re.compile(r"waiting|unsynced")
# One that can't start says so again within five minutes.
_SAID_WITHIN_S = 600.0


def look(session: Session) -> Iterator[tuple[str, str]]:
    """Yield each cause, the likely ones last, with the command that mends it or shows more."""
    with contextlib.suppress(KubeceptionError):  # a worker's kubelet may not ask for all of it
        service = session.api.get("Service", coredns.SERVICE, namespace=NAMESPACE)
        yield from _of_service(session, service)
    with contextlib.suppress(KubeceptionError):  # nor be able to ask the runtime
        yield from _of_its_own_words(session)
    with contextlib.suppress(KubeceptionError):
        slices = session.api.list("EndpointSlice", namespace=NAMESPACE, labels=_SELECTED)
        if not any(_is_ready(endpoint) for one in slices for endpoint in one["endpoints"] or ()):
            pods = f"kubectl -n {NAMESPACE} get pods -l k8s-app={coredns.SERVICE} -o wide"
            yield f"{_SERVICE} has no ready endpoint", pods


def _of_service(session: Session, service: Object | None) -> Iterator[tuple[str, str]]:
    """Yield what of the Service is another than it has to be.

    A bootstrap leaves what somebody else has changed as it is; a patch puts back that alone.
    """
    if service is None:
        yield f"{_SERVICE} is not there", "kubeception bootstrap"
        return
    wanted, spec = str(session.config.net.dns_ip), service["spec"]
    if (address := spec.get("clusterIP")) != wanted:
        mend = f"kubectl -n {NAMESPACE} delete service {coredns.SERVICE}; kubeception bootstrap"
        yield f"{_SERVICE} has the address {address}, and not {wanted}", mend
    if (selector := spec.get("selector") or {}) != coredns.LABELS:
        what = f"{_SERVICE} selects {_said(selector)}, and not {_said(coredns.LABELS)}"
        yield what, _patched("selector", coredns.LABELS)
    asked = [one for one in spec["ports"] if (one["port"], one["protocol"]) == (DNS_PORT, "UDP")]
    there = asked[0]["targetPort"] if asked else None
    if there != DNS_PORT:
        where = f"leads to {there}, and not to {DNS_PORT}" if there else "is gone"
        yield f"{_SERVICE}: its port {DNS_PORT}/UDP {where}", _patched("ports", coredns.PORTS)


def _of_its_own_words(session: Session) -> Iterator[tuple[str, str]]:
    """Yield the last complaint of this host's CoreDNS that is not older than a start of it."""
    said = log_tail.of_own_pods(session, coredns.LABELS, within_s=_SAID_WITHIN_S)
    complaints = [
        line
        for line in said
        if _COMPLAINT.search(line) and not (_OF_A_QUESTION.search(line) or _OF_A_START.search(line))
    ]
    if complaints:
        logs = f"kubectl -n {NAMESPACE} logs -l k8s-app={coredns.SERVICE}"
        yield f"CoreDNS said last: {complaints[-1]}", logs


def _is_ready(endpoint: Object) -> bool:
    return endpoint.get("conditions", {}).get("ready") is not False


def _patched(field: str, value: object) -> str:
    change = [{"op": "add", "path": f"/spec/{field}", "value": value}]
    return f"{_PATCH} '{json.dumps(change, separators=(',', ':'))}'"


def _said(selector: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or "nothing"
