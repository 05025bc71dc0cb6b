"""A setting of the kernel's, by the value that it has: a file of ours may not be the last word."""

from dataclasses import dataclass

from kubeception.endpoints import Address
from kubeception.host import network, sysctl
from kubeception.render import flannel, kernel
from kubeception.session import Session


@dataclass(frozen=True)
class KernelValue:
    """A setting that is wanted to be 1 in the kernel, where it has that one."""

    key: str

    def __str__(self) -> str:
        return sysctl.shown(self.key)

    @property
    def mend(self) -> str:
        """The command by which somebody sets it."""
        return f"sysctl -w {self}={kernel.ON}"

    def drift(self, session: Session) -> str | None:
        """Say what it is, and by which file."""
        found = sysctl.value(self.key)
        if found is None or found == kernel.ON:
            return None
        by = sysctl.set_by(session.host, self.key)
        who = f"by {by.file}" if by and by.value == found else "by nobody's file"
        return f"is {found}, {who}"

    def apply(self, _reach: Session) -> None:
        """Set it."""
        sysctl.write(self.key, kernel.ON)


@dataclass(frozen=True)
class Forwarding:
    """The links that pods' packets take are wanted to forward: ours, and that with the address."""

    address: Address

    def __str__(self) -> str:
        return "forwarding"

    @property
    def mend(self) -> str:
        """The commands by which somebody lets them."""
        return "; ".join(one.mend for one in self.values())

    def drift(self, session: Session) -> str | None:
        """Say which links don't, where the host does."""
        if sysctl.value(kernel.FORWARD) != kernel.ON:
            return None
        found = [f"{one} {why}" for one in self.values() if (why := one.drift(session))]
        return "; ".join(found) or None

    def apply(self, session: Session) -> None:
        """Let them."""
        for one in self.values():
            if one.drift(session):
                one.apply(session)

    def values(self) -> list[KernelValue]:
        """Return the setting of each link."""
        own = [link for link, address in network.addresses() if address == self.address]
        links = dict.fromkeys((*own, *flannel.LINKS))
        return [KernelValue(f"net/ipv4/conf/{link}/forwarding") for link in links]


VALUES = tuple(KernelValue(key) for key in kernel.KEYS)
