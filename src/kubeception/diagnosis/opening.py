"""What lets packets through a packet filter, in the words of whoever wrote its rules."""

from collections.abc import Iterator
from dataclasses import dataclass

from kubeception.host.packet_filter import Chain

# Where it is known by which link packets leave.
_GOING = frozenset({"output", "postrouting", "egress"})


@dataclass(frozen=True)
class Opening:
    """What lets packets through: to ports, or of a network; `network` "lo" is loopback.

    Without either it lets all through.
    """

    protocol: str = ""
    ports: str = ""
    network: str = ""
    of_answers: bool = False

    def by_nft(self, base: Chain) -> Iterator[str]:
        """Yield the ends of rules."""
        if self.network == "lo":
            yield f"{'oif' if base.hook in _GOING else 'iif'} lo accept"
        elif self.network:
            yield f"ip saddr {self.network} accept"
            yield f"ip daddr {self.network} accept"
            if base.family == "bridge":  # nor is anybody found without
                yield "ether type arp accept"
        elif self.ports:
            yield f"{self.protocol} {'sport' if self.of_answers else 'dport'} {self.ports} accept"
        else:
            yield "accept"

    def by_iptables(self, base: Chain) -> Iterator[str]:
        """Yield the ends of rules."""
        if self.network == "lo":
            yield f"{'-o' if base.hook in _GOING else '-i'} lo -j ACCEPT"
        elif self.network:
            yield f"-s {self.network} -j ACCEPT"
            yield f"-d {self.network} -j ACCEPT"
        else:
            ports = f"{'--sport' if self.of_answers else '--dport'} {self._by_colon}"
            yield f"-p {self.protocol} {ports} -j ACCEPT"

    def by_ufw(self, base: Chain) -> Iterator[str]:
        """Yield the ends of commands; to loopback it lets everything through by itself."""
        way = "allow out" if base.hook in _GOING else "allow"
        if self.ports and self.of_answers:
            yield f"{way} proto {self.protocol} from any port {self._by_colon} to any"
        elif self.ports:
            yield f"{way} {self._by_colon}/{self.protocol}"
        elif self.network != "lo" and base.hook == "forward":
            yield f"route allow from {self.network}"
            yield f"route allow to {self.network}"
        elif self.network != "lo":
            yield f"{way} {'to' if base.hook in _GOING else 'from'} {self.network}"

    def by_firewalld(self, _base: Chain) -> Iterator[str]:
        """Yield the ends of commands; the same holds here."""
        if self.ports:
            kind = "source-port" if self.of_answers else "port"
            yield f"--add-{kind}={self.ports}/{self.protocol}"
        elif self.network != "lo":
            yield f"--zone=trusted --add-source={self.network}"

    @property
    def _by_colon(self) -> str:
        return self.ports.replace("-", ":")
