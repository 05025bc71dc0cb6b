"""The ConfigMap of the CAs by which kubelets' serving certificates are known, and its readers."""

from collections.abc import Iterator

from kubeception.pki.request import NODES
from kubeception.render import objects

NAME = "kubelet-serving-ca"
_ENTRY = "ca-bundle.crt"
_ROLE = "kubeception:kubelet-serving-ca"
# Pods that ask kubelets, and the nodes, whose kubelets ask for another certificate by it.
_READERS = ("system:serviceaccounts", NODES)


def config_map(bundle: str) -> objects.Object:
    """Return the ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(NAME),
        "data": {_ENTRY: bundle},
    }


def of(found: objects.Object) -> str:
    """Read the ConfigMap; one that says nothing is empty."""
    said: str = (found.get("data") or {}).get(_ENTRY, "")
    return said


def readers() -> Iterator[objects.Object]:
    """Yield the right to read it: whoever asks kubelets has to know them, and it is no secret."""
    yield objects.role(_ROLE, [objects.rule("", "configmaps", "get", names=[NAME])])
    for group in _READERS:
        subject = {"apiGroup": objects.RBAC, "kind": "Group", "name": group}
        name = f"{_ROLE}:{group.removeprefix('system:')}"
        yield objects.role_binding(name, role=_ROLE, subject=subject)
