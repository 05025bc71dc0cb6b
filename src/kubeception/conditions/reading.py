"""Objects as the API gives them, read."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any


def condition_of(found: dict[str, object], kind: str) -> bool:
    """Tell whether an object says that a condition of a kind is so."""
    return any(c["type"] == kind and c["status"] == "True" for c in conditions_of(found))


def conditions_of(found: dict[str, object]) -> Iterator[dict[str, str]]:
    """Yield the conditions in the status of an object."""
    status = found.get("status")
    if isinstance(status, dict):
        yield from status.get("conditions") or []


def node_addresses(node: dict[str, Any]) -> tuple[str, ...]:
    """Return the addresses by which other nodes know a Node."""
    told = node.get("status", {}).get("addresses") or []
    return tuple(one["address"] for one in told if one["type"] == "InternalIP")


def kubelet_version(node: dict[str, Any]) -> str:
    """Return a Node's kubelet's version, as v1.37.1; "" where it has not said one."""
    version: str = node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")
    return version


def refusal(found: dict[str, object]) -> str | None:
    """Say why a CertificateSigningRequest gets no certificate, None while it may get one."""
    for condition in conditions_of(found):
        if condition["type"] in {"Denied", "Failed"}:
            return f"{condition['type'].lower()}: {condition.get('message') or 'without a reason'}"
    return None


def time(text: str) -> datetime:
    """Read the API's time; Python 3.11 takes both of its precisions."""
    return datetime.fromisoformat(text)
