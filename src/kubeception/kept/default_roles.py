"""The roles and bindings by which a cluster lives, as this host has last seen them whole.

Those that Kubernetes makes for itself the API server completes when it starts, and never again
until the next one does
(https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation).
Ours, and the accounts that they are for, a bootstrap applies. What is remembered is when each of
them last changed in etcd: what has not changed since is whole.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeception.etcd.client import EtcdClient
from kubeception.host import files
from kubeception.kube.kinds import KINDS

if TYPE_CHECKING:
    from kubeception.kube.client import Api

# Their names begin so, and so do few of others'; a colon and what comes after it.
_SYSTEM = ("system:", "system;")
_ADMINISTRATOR = "cluster-admin"
# By which the API tells its own from others' of such a name, those of a monitoring, say.
_OF_KUBERNETES = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_ROLES = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_ACCOUNT = "ServiceAccount"
# A controller adds to these what others' roles say; so of these it counts that they are there.
_AGGREGATED = ("admin", "edit", "view")
_AUTHENTICATION = "extension-apiserver-authentication-reader"
_NAMESPACES = ("kube-system", "kube-public")


@dataclass(frozen=True)
class Whole:
    """At which revision of etcd each of them last changed, and by which Kubernetes they are whole.

    `ours` are those that a bootstrap applies. A revision of 0 says no more than that it is there.
    """

    kubernetes: str
    revisions: dict[str, int]
    ours: dict[str, int] = field(default_factory=dict)


def read(path: Path) -> Whole | None:
    """Return what is remembered; None where that is nothing."""
    try:
        found = json.loads(path.read_text())
        # An earlier version remembers none of ours.
        of_kubernetes, ours = found["revisions"], found.get("ours", {})
        return Whole(found["kubernetes"], _numbers(of_kubernetes), _numbers(ours))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(path: Path, whole: Whole) -> None:
    """Remember them."""
    told = {"kubernetes": whole.kubernetes, "revisions": whole.revisions, "ours": whole.ours}
    files.write(path, json.dumps(told, indent=2, sort_keys=True) + "\n", mode=0o600)


def look(etcd: EtcdClient, ours: Collection[str] = ()) -> dict[str, int]:
    """Return what there is of such names, and of ours, as it is now; one request.

    Raises:
        KubeceptionError: it doesn't answer.
    """
    found = etcd.revisions_within(*_ranges(), *((key, f"{key}\0") for key in ours))
    return {key: 0 if _only_has_to_be_there(key) else at for key, at in found.items()}


def of_kubernetes(api: "Api") -> Iterator[str]:
    """Yield the keys in etcd of those that Kubernetes has made for itself.

    Raises:
        KubeceptionError: the API doesn't say.
    """
    for kind in _ROLES:
        for one in api.list(kind, labels=_OF_KUBERNETES):
            yield _key(kind, one["metadata"])


def of_ours(applied: Iterable[dict[str, Any]]) -> frozenset[str]:
    """Return the keys in etcd of those among the objects that a bootstrap applies."""
    kinds = (*_ROLES, _ACCOUNT)
    return frozenset(_key(one["kind"], one["metadata"]) for one in applied if one["kind"] in kinds)


def problem(path: Path, etcd: EtcdClient) -> str | None:
    """Say what is gone or changed since they were whole; None where nothing is, or none is known.

    Raises:
        KubeceptionError: etcd doesn't answer.
    """
    whole = read(path)
    if whole is None:
        return None
    return changed({**whole.revisions, **whole.ours}, look(etcd, whole.ours))


def changed(remembered: Mapping[str, int], now: Mapping[str, int]) -> str | None:
    """Say what is gone, or else is another one than it was, None where nothing is."""
    gone = [told(key) for key in sorted(remembered) if key not in now]
    if gone:
        return f"{', '.join(gone)} {'is' if len(gone) == 1 else 'are'} gone"
    other = [told(key) for key, at in sorted(remembered.items()) if now[key] != at]
    return f"{', '.join(other)}: changed by somebody" if other else None


def told(key: str) -> str:
    """Return what people call it that etcd has under a key."""
    _, _, plural, *rest = key.split("/")
    kind = next(name for name, kind in KINDS.items() if kind.plural == plural)
    return f"{kind} {'/'.join(rest)}"


def _numbers(found: Mapping[str, Any]) -> dict[str, int]:
    return {key: int(at) for key, at in found.items()}


def _key(kind: str, metadata: Mapping[str, Any]) -> str:
    within = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"/registry/{KINDS[kind].plural}/{within}{metadata['name']}"


def _only_has_to_be_there(key: str) -> bool:
    """Tell whether others may write to it: an account, say, names the secrets it pulls by."""
    is_account = key.startswith(f"/registry/{KINDS[_ACCOUNT].plural}/")
    return is_account or key.rpartition("/")[2] in _AGGREGATED


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
