"""ClusterUpgrades as the API has them, and whether the way back from one is open."""

from collections.abc import Iterable

from kubeception.conditions.reading import kubelet_version
from kubeception.errors import ApiError
from kubeception.kube.client import Api, Object
from kubeception.render.cluster_upgrade import BUNDLES_NOTE, KIND, NOTES, Errand, Phase

_NOT_FOUND = 404


def listed(api: Api) -> list[Object]:
    """Return every one; none in a cluster of an earlier version, which has no such kind.

    Raises:
        ApiError: the API can't be asked.
    """
    try:
        return api.list(KIND)
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return []


def phase(found: Object) -> Phase:
    """Return what one is at."""
    return Phase((found.get("status") or {}).get("phase") or Phase.PENDING)


def is_open(found: Object) -> bool:
    """Tell whether something of it may yet be done."""
    return not phase(found).is_end


def age(found: Object) -> tuple[str, str]:
    """Return by what they are sorted, the oldest first."""
    metadata = found["metadata"]
    return metadata["creationTimestamp"], metadata["name"]


def is_on(release: str, kubernetes: str, node: Object) -> bool:
    """Tell whether a Node's host runs a release, and is not on the way to one, or left there."""
    notes = node["metadata"].get("annotations") or {}
    has_failed = f"/{release}: " in notes.get(Errand.RELEASE.answer, "")
    is_at_hand = has_failed or any(map(notes.get, NOTES))
    runs_it = bundle_of(node) == release and kubelet_version(node) == f"v{kubernetes}"
    return runs_it and not is_at_hand


def bundle_of(node: Object) -> str:
    """Return the bundle that a Node's host uses, "" where its keeper tells of none."""
    notes = node["metadata"].get("annotations") or {}
    first: str = notes.get(BUNDLES_NOTE, "").partition(" ")[0]
    return first


def newest(found: Iterable[Object]) -> Object | None:
    """Return the last that was made of those that are about a release."""
    return max((one for one in found if "version" in one["spec"]), key=age, default=None)


def may_be_gone_back_from(api: Api, kubernetes: str, *, brings: str | None = None) -> bool:
    """Tell whether the newest upgrade, to this version of Kubernetes, has not come to a good end.

    One that has stopped is over, too, once each node runs its release, by whomever. Where a host is
    about to bring a minor by a bundle, which it `brings`, an upgrade to another one counts nothing.

    Raises:
        ApiError: the API can't be asked.
    """
    last = newest(listed(api))
    if last is None or phase(last) is Phase.SUCCEEDED:
        return False
    release = last["spec"]["version"]
    if brings and brings != release:
        return False
    return is_open(last) or not all(is_on(release, kubernetes, one) for one in api.list("Node"))
