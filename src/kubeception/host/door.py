"""The door: an nftables map that sends new connections on port 6443 to one local API server.

Not a process: it cannot crash, and connections that stand stay where they are. Its chains run
before kube-proxy's and also take the API's Service address, because a connection is translated only
once; so that address works before kube-proxy and any network plugin do.

There are two maps. `inside` serves this host's own programs. `outside` serves pods and other hosts,
and only ever names a hosted API server: the bootstrap one runs without admission and listens on
loopback, so what comes from outside keeps the hosted one, or is refused while there is none.

Two sets remember for minutes which other hosts have sent anything to which API server, and whose
connections stood: one rule is before everybody's filters, and the other after them.
"""

import hashlib
import json
from dataclasses import dataclass

from kubeception import crash
from kubeception.endpoints import HOSTED_PORTS, SERVICE_PORT, Address
from kubeception.host.process import run

TABLE = "kubeception-door"
RULES = 6


@dataclass(frozen=True)
class DoorState:
    """The door as it stands: the port behind each of its two maps (0: none), and its rules."""

    inside: int
    outside: int
    rules: str
    tried: frozenset[tuple[str, int]] = frozenset()
    """Who has sent something to which port of an API server, before any filter has seen it."""
    reached: frozenset[tuple[str, int]] = frozenset()
    """Whose connections to it have stood."""

    def came_to(self, port: int) -> set[str]:
        """Return who has sent something to the server on a port."""
        return {who for who, at in self.tried if at == port}

    def stood_at(self, port: int) -> set[str]:
        """Return whose connections to the server on a port have stood."""
        return {who for who, at in self.reached if at == port}

    def stood_elsewhere(self, port: int) -> set[str]:
        """Return whose connections to another server have stood."""
        return {who for who, at in self.reached if at != port}


def rules(*, port: int, address: Address, service_address: Address) -> str:
    """Return what identifies a set of rules, as each of them carries it in its comment."""
    text = _table(port, address, service_address, identity="")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read() -> DoorState | None:
    """Return the door, or None where it has not been built."""
    listed = run(["nft", "--json", "list", "table", "ip", TABLE], check=False)
    if listed.code != 0:
        return None
    ports: dict[str, int] = {}
    callers: dict[str, frozenset[tuple[str, int]]] = {}
    identities = []
    for entry in json.loads(listed.stdout)["nftables"]:
        if "map" in entry:
            elements = entry["map"].get("elem", [])
            ports[entry["map"]["name"]] = elements[0][1] if elements else 0
        elif "set" in entry:
            elements = entry["set"].get("elem", [])
            callers[entry["set"]["name"]] = frozenset(
                tuple(one["elem"]["val"]["concat"]) for one in elements
            )
        elif "rule" in entry:
            identities.append(entry["rule"].get("comment", ""))
    whole = len(identities) == RULES and len(set(identities)) == 1
    return DoorState(
        ports.get("inside", 0),
        ports.get("outside", 0),
        identities[0] if whole else "",
        callers.get("tried", frozenset()),
        callers.get("reached", frozenset()),
    )


def refusal(*, port: int, address: Address, service_address: Address) -> str | None:
    """Say why no door could be built here, or None: nft and the kernel are asked, nothing changes.

    Raises:
        KubeceptionError: there is no nft.
    """
    listed = run(["nft", "--json", "list", "tables"], check=False)
    if listed.code != 0:
        return _first_line(listed.stderr)
    table = _table(port, address, service_address, identity="")
    script = f"table ip {TABLE}\ndelete table ip {TABLE}\n{table}"
    checked = run(["nft", "--check", "--file", "-"], stdin=script, check=False)
    return None if checked.code == 0 else _first_line(checked.stderr)


def build(
    *, port: int, address: Address, service_address: Address, inside: int, outside: int
) -> None:
    """Build the door anew in one transaction, pointing where it is told."""
    identity = rules(port=port, address=address, service_address=service_address)
    table = _table(port, address, service_address, identity=identity)
    script = f"table ip {TABLE}\ndelete table ip {TABLE}\n{table}"
    crash.before("build the door to", inside)
    run(
        ["nft", "--file", "-"], stdin=script + _point("inside", inside) + _point("outside", outside)
    )


def turn(*, inside: int, outside: int) -> None:
    """Send new connections elsewhere, in one transaction.

    Who has come to the port before is forgotten, and who has reached another one is not.
    """
    found = read()
    stay = [f"{who} . {at}" for who, at in (found.reached if found else ()) if at != outside]
    script = "".join(f"flush set ip {TABLE} {name}\n" for name in ("tried", "reached"))
    script += f"add element ip {TABLE} reached {{ {', '.join(stay)} }}\n" if stay else ""
    script += "".join(
        f"flush map ip {TABLE} {name}\n{_point(name, port)}"
        for name, port in (("inside", inside), ("outside", outside))
    )
    crash.before("turn the door to", inside)
    run(["nft", "--file", "-"], stdin=script)


def remove() -> None:
    """Take the door away."""
    crash.before("remove", "the door")
    run(["nft", "--file", "-"], stdin=f"table ip {TABLE}\ndelete table ip {TABLE}\n")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it says nothing")


def _point(name: str, port: int) -> str:
    return f"add element ip {TABLE} {name} {{ tcp : {port} }}\n" if port else ""


def _table(port: int, address: Address, service_address: Address, *, identity: str) -> str:
    local = f"fib daddr type local tcp dport {port} redirect to :meta l4proto map"
    service = f"ip daddr {service_address} tcp dport {SERVICE_PORT}"
    servers = f"iif != lo tcp dport {HOSTED_PORTS[0]}-{HOSTED_PORTS[-1]}"
    callers = "type ipv4_addr . inet_service; flags dynamic, timeout; timeout 5m; size 4096;"
    # Translating is done at -100, whatever priority a chain of it has. One who sends SYN anew, or
    # ends what never stood, belongs to an established connection for the kernel.
    syn, ack = (f"tcp flags & (syn | ack | rst) == {flag}" for flag in ("syn", "ack"))
    caller = "{ ip saddr . tcp dport }"
    return f"""
table ip {TABLE} {{
  map inside {{ type inet_proto : inet_service; }}
  map outside {{ type inet_proto : inet_service; }}
  set tried {{ {callers} }}
  set reached {{ {callers} }}
  chain from-outside {{
    type nat hook prerouting priority -110; policy accept;
    {local} @outside comment "{identity}"
    {service} dnat to {address}:meta l4proto map @outside comment "{identity}"
  }}
  chain from-inside {{
    type nat hook output priority -110; policy accept;
    {local} @inside comment "{identity}"
    {service} redirect to :meta l4proto map @inside comment "{identity}"
  }}
  chain come {{
    type filter hook prerouting priority -99; policy accept;
    {servers} {syn} update @tried {caller} comment "{identity}"
  }}
  chain stand {{
    type filter hook input priority 400; policy accept;
    {servers} {ack} ct state established update @reached {caller} comment "{identity}"
  }}
}}
"""
