"""What a node may be called, and what its certificates call it."""

import re

# RFC 1123 as Kubernetes reads it: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
DNS_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
# RFC 5280, ub-common-name: no certificate can say more.
LONGEST_COMMON_NAME = 64

_KUBELET = "system:node:"
LONGEST_NODE_NAME = LONGEST_COMMON_NAME - len(_KUBELET)


def of_kubelet(node: str) -> str:
    """Return the name by which the API knows a node's kubelet."""
    return f"{_KUBELET}{node}"


def of_keeper(node: str) -> str:
    """Return the name by which the API knows a node's keeper; a long one is said shorter."""
    whole = f"kubeception:keeper:{node}"
    return whole if len(whole) <= LONGEST_COMMON_NAME else f"kubeception:{node}"


def node_problem(name: str) -> str | None:
    """Say why no node can have a name, or None."""
    if len(name) > LONGEST_NODE_NAME:
        why = f"it has {len(name)} letters, and its kubelet's certificate takes {LONGEST_NODE_NAME}"
    elif not re.fullmatch(DNS_NAME, name):
        why = "it has to be a DNS name in lower case"
    else:
        return None
    return f"{name!r} is no name for a node: {why}"
