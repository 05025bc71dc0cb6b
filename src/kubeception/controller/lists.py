"""The lists by which admission policies go: the nodes that there are, and what no two may have."""

from collections import defaultdict
from collections.abc import Mapping

from kubeception.controller.approval import Known
from kubeception.kube.client import Api, Object
from kubeception.render import join_records
from kubeception.render.join_records import RECORDS


def keep(api: Api, known: Known) -> None:
    """Have the API server go by what is known.

    Raises:
        ApiError: the API can't be asked, or somebody else has changed a list meanwhile.
    """
    found = api.get("ConfigMap", join_records.INDEX, namespace=RECORDS)
    _keep(api, found, join_records.index(known.records.values()))
    found = api.get("ConfigMap", join_records.LINKS, namespace=RECORDS)
    _keep(api, found, join_records.links(links((found or {}).get("data") or {}, known)))


def links(before: Mapping[str, str], known: Known) -> dict[str, str]:
    """Return each node's link addresses; a Node that is made anew says its own somewhat later."""
    nodes = sorted({*known.nodes, *known.records})
    said = ((node, known.links.get(node) or before.get(node, "")) for node in nodes)
    return {node: words for node, words in said if words}


def shared(known: Known) -> dict[str, list[str]]:
    """Return the link addresses that several nodes say, with their names."""
    by_link: dict[str, list[str]] = defaultdict(list)
    for node, words in sorted(known.links.items()):
        for link in words.split():
            by_link[link].append(node)
    return {link: nodes for link, nodes in by_link.items() if len(nodes) > 1}


def _keep(api: Api, found: Object | None, wanted: Object) -> None:
    if found is None:
        api.create(wanted)
    elif (found.get("data") or {}) != wanted["data"]:
        api.set_fields(found, {"/data": wanted["data"]})
