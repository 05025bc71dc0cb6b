"""What a node may be called, and what its certificates call it."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from kubeception.endpoints import Address

# RFC 1123 as Kubernetes reads it: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
DNS_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
# RFC 5280, ub-common-name: no certificate can say more.
LONGEST_COMMON_NAME = 64

_KUBELET = "system:node:"
# By which every API server is called; its certificate says them.
_OF_THE_API = {"kubernetes", "kubernetes.default"}
# Whatever a cluster's own domain is, no host that joins is in these.
_DOMAINS = ("localhost", "svc")
LONGEST_NODE_NAME = LONGEST_COMMON_NAME - len(_KUBELET)
# How the refusal of such a name ends; the host that joins knows it by that.
IS_RESERVED = "is a name of the API or of the cluster's own"
# The hint for whoever has a host whose name is none for a node.
CALL_OTHERWISE = "hostnamectl set-hostname NAME, or set name in the [node] section"


def of_kubelet(node: str) -> str:
    """Return the name by which the API knows a node's kubelet."""
    return f"{_KUBELET}{node}"


def node_of(user: str) -> str | None:
    """Return whose kubelet a user of the API is, None for anybody else."""
    return user.removeprefix(_KUBELET) if user.startswith(_KUBELET) else None


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


@dataclass(frozen=True)
class Reserved:
    """What the API and Services are called, which no host that joins may be.

    The cluster signs a certificate for each node's name and addresses. `extra` are the names and
    addresses that the API server's certificate has besides its own. Without a `cluster_domain`
    it is what all clusters have.
    """

    cluster_domain: str = ""
    extra: tuple[str, ...] = ()

    def node_problem(self, node: str) -> str | None:
        """Say why no host that joins can have a name, or None."""
        domains = filter(None, (*_DOMAINS, self.cluster_domain))
        is_reserved = (
            node in _OF_THE_API
            or any(node == domain or node.endswith(f".{domain}") for domain in domains)
            or any(_matches(extra, node) for extra in self.extra)
        )
        return f"{node!r} {IS_RESERVED}" if is_reserved else None

    def has(self, address: Address) -> bool:
        """Tell whether the API is reached at an address."""
        return any(_is_same(extra, address) for extra in self.extra)


def _matches(pattern: str, name: str) -> bool:
    """Tell whether a certificate's name covers another; a star is one label (RFC 9525)."""
    first, _, rest = pattern.lower().partition(".")
    own, _, parent = name.partition(".")
    return rest == parent and first in {"*", own}


def _is_same(text: str, address: Address) -> bool:
    try:
        return ip_address(text) == address
    except ValueError:  # a name
        return False
