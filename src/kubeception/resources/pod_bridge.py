"""The bridge of this node's pods, and the links by which they are plugged into it.

The plugin makes both when a pod starts. Who deletes the bridge, as is often advised, leaves every
pod that runs alone for ever: the next one gets a new bridge, and they don't.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface
from operator import itemgetter

from kubeception import crash
from kubeception.host import links, network
from kubeception.host.process import run
from kubeception.render import flannel
from kubeception.resources import pod_range, pod_results
from kubeception.session import Session


@dataclass(frozen=True)
class PodBridge:
    """Whole once there is a pod, with the address by which pods leave."""

    def __str__(self) -> str:
        return "the pods' bridge"

    def drift(self, session: Session) -> str | None:
        """Say that it is gone, without its address, or without pods' links."""
        noted = _noted(session)
        if noted is None:
            return None
        if not links.is_up(flannel.BRIDGE):
            return "is down" if links.has_link(flannel.BRIDGE) else "is gone"
        if not _has_address(noted.address):
            return f"has lost its address {noted.address}"
        lost = ", ".join(sorted(_unplugged(noted)))
        return f"has lost links of pods: {lost}" if lost else None

    def apply(self, session: Session) -> None:
        """Make it as it was, down to its link address, which pods remember."""
        noted = _noted(session)
        if noted is None:
            return
        crash.before("restore", str(self))
        name = flannel.BRIDGE
        if not links.has_link(name):
            _ip(f"link add {name} address {noted.link_address} type bridge")
        if not _has_address(noted.address):
            _ip(f"address add {noted.address} dev {name}")
        _ip(f"link set {name} up")
        for link in sorted(_unplugged(noted)):
            _ip(f"link set {link} master {name} up")
            run(["bridge", "link", "set", "dev", link, "hairpin", "on"], check=False)


@dataclass(frozen=True)
class _Noted:
    """What plugins said of it: its link address, its address, and the links of pods that stand."""

    link_address: str
    address: IPv4Interface
    links: frozenset[str]


def _noted(session: Session) -> _Noted | None:
    """Return it as it is to be; None where no pod has asked for it, or flannel has no range."""
    pods = pod_range.in_use(session)
    told = [(at, one) for at, one in pod_results.links(session) if flannel.BRIDGE in one]
    if pods is None or not told:
        return None
    others = {name for _, one in told for name in one if name != flannel.BRIDGE}
    _, newest = max(told, key=itemgetter(0))
    return _Noted(
        newest[flannel.BRIDGE],
        IPv4Interface((pods[1], pods.prefixlen)),
        frozenset(filter(links.has_link, others)),
    )


def _has_address(wanted: IPv4Interface) -> bool:
    return (flannel.BRIDGE, wanted.ip) in network.addresses()


def _unplugged(noted: _Noted) -> Iterator[str]:
    ports = links.ports(flannel.BRIDGE)
    for link in noted.links:
        if link not in ports or not links.is_up(link):
            yield link


def _ip(words: str) -> None:
    run(["ip", *words.split()])
