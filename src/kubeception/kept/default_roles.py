"""The roles and bindings that Kubernetes makes for itself, as this host has last seen them whole.

The API server completes them when it starts, and never again until the next one does
(https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation).
What is remembered is when each of them last changed in etcd: what has not changed since is whole.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.etcd.client import EtcdClient
from kubeception.host import files
from kubeception.kube.kinds import KINDS

# Their names begin so, and so do few of others'; a colon and what comes after it.
_SYSTEM = ("system:", "system;")
_ADMINISTRATOR = "cluster-admin"
# A controller adds to these what others' roles say; so of these it counts that they are there.
_AGGREGATED = ("admin", "edit", "view")
_AUTHENTICATION = "extension-apiserver-authentication-reader"
_NAMESPACES = ("kube-system", "kube-public")


@dataclass(frozen=True)
class Whole:
    """At which revision of etcd each of them last changed, and by which Kubernetes they are whole.

    A revision of 0 says no more than that it is there.
    """

    kubernetes: str
    revisions: dict[str, int]


def read(path: Path) -> Whole | None:
    """Return what is remembered; None where that is nothing."""
    try:
        found = json.loads(path.read_text())
        return Whole(found["kubernetes"], {k: int(at) for k, at in found["revisions"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(path: Path, whole: Whole) -> None:
    """Remember them."""
    told = {"kubernetes": whole.kubernetes, "revisions": whole.revisions}
    files.write(path, json.dumps(told, indent=2, sort_keys=True) + "\n", mode=0o600)


def look(etcd: EtcdClient) -> dict[str, int]:
    """Return them as they are now; one request.

    Raises:
        KubeceptionError: it doesn't answer.
    """
    found = etcd.revisions_within(*_ranges())
    return {key: 0 if key.rpartition("/")[2] in _AGGREGATED else at for key, at in found.items()}


def problem(path: Path, etcd: EtcdClient) -> str | None:
    """Say what is gone or changed since they were whole; None where nothing is, or none is known.

    Raises:
        KubeceptionError: etcd doesn't answer.
    """
    whole = read(path)
    return changed(whole, look(etcd)) if whole else None


def changed(whole: Whole, now: dict[str, int]) -> str | None:
    """Say what is gone, or else is another one than it was, None where nothing is."""
    gone = [told(key) for key in sorted(whole.revisions) if key not in now]
    if gone:
        return f"{', '.join(gone)} {'is' if len(gone) == 1 else 'are'} gone"
    other = [told(key) for key, at in sorted(whole.revisions.items()) if now[key] != at]
    return f"{', '.join(other)}: changed by somebody" if other else None


def told(key: str) -> str:
    """Return what people call it that etcd has under a key."""
    _, _, plural, *rest = key.split("/")
    kind = next(name for name, kind in KINDS.items() if kind.plural == plural)
    return f"{kind} {'/'.join(rest)}"


def _ranges() -> Iterator[tuple[str, str]]:
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        at = f"/registry/{KINDS[kind].plural}"
        yield _within(at, *_SYSTEM)
        yield from (_only(at, name) for name in (_ADMINISTRATOR, *_AGGREGATED))
    for kind in ("Role", "RoleBinding"):
        for namespace in _NAMESPACES:
            at = f"/registry/{KINDS[kind].plural}/{namespace}"
            yield _within(at, *_SYSTEM)
            yield _only(at, _AUTHENTICATION)


def _within(at: str, first: str, end: str) -> tuple[str, str]:
    return f"{at}/{first}", f"{at}/{end}"


def _only(at: str, name: str) -> tuple[str, str]:
    return f"{at}/{name}", f"{at}/{name}\0"
