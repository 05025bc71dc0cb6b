"""Why a host gets no certificate for its address, in words that it knows again where it joins."""

import re

from kubeception.config.names import DNS_NAME

ANOTHER_NODE = "another node's"
API = "the API's"
SERVICE = "a Service's"
IN_NETWORK = "in a range of the cluster's"

_TAKEN = re.compile(rf"address \S+ is (?:node ({DNS_NAME})'s)?")


def of_node(name: str) -> str:
    """Say that an address is a node's."""
    return f"node {name}'s"


def address_taken(address: object, whose: str) -> str:
    """Say whose an address is, that a host claims."""
    return f"address {address} is {whose}"


def is_of_address(words: str) -> bool:
    """Tell whether a host was denied for its address."""
    return _TAKEN.search(words) is not None


def owner(words: str) -> str | None:
    """Return which node has the address for which a host was denied, None where it is not said."""
    found = _TAKEN.search(words)
    return found[1] if found else None
