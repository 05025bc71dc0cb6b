"""The ports of a host, and strangers on them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.endpoints import API_PORT, BOOTSTRAP_PORT, HOSTED_PORTS
from kubeception.host import sockets, sysctl
from kubeception.host.sockets import ANYWHERE, Listener
from kubeception.kube import kubelet as its
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import apiserver, containerd, controllers, etcd, keeper, kubelet, proxy

_GIVEN, _RESERVED = "net/ipv4/ip_local_port_range", "net/ipv4/ip_local_reserved_ports"
_OF_OURS = "/etc/sysctl.d/90-reserved-ports.conf"
_COMM = 15  # what the kernel keeps of a program's name
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Port:
    """A port, and who may listen there: a process of this unit, or this program in a pod.

    `address` is the one that it is wanted on, "" for all. With `is_redirected` nobody listens:
    the kernel sends its connections elsewhere, away from whoever does.
    """

    number: int
    program: str
    unit: str = ""
    address: str = ""
    is_redirected: bool = False

    def takes(self, listener: Listener) -> bool:
        """Whether a listener is the one that belongs there."""
        if self.is_redirected:
            return False
        if self.unit:
            return listener.is_of_unit(self.unit)
        return listener.is_in_a_pod() and listener.program == self.program[:_COMM]

    def clashes(self, listener: Listener) -> bool:
        """Whether nobody else can listen there beside a listener."""
        return not self.address or listener.address in ANYWHERE or listener.address == self.address


KUBELET = Port(its.PORT, "kubelet", kubelet.UNIT)


def table(seen: HostState) -> tuple[Port, ...]:
    """Return every port that the host uses."""
    of_node = (
        Port(seen.config.kubeception.join_port, "the join service", is_redirected=True),
        Port(10248, "kubelet", kubelet.UNIT, _LOOPBACK),
        KUBELET,
        Port(10256, proxy.NAME),
        Port(10249, proxy.NAME, address=_LOOPBACK),
    )
    return of_node if seen.is_worker else (*of_node, *_of_control_plane(seen))


def _of_control_plane(seen: HostState) -> tuple[Port, ...]:
    of_apiserver = (BOOTSTRAP_PORT, *HOSTED_PORTS)
    return (
        Port(API_PORT, "the door", is_redirected=True),
        Port(2379, "etcd", etcd.UNIT),
        Port(2380, "etcd", etcd.UNIT, str(seen.address or "")),
        Port(2381, "etcd", etcd.UNIT, _LOOPBACK),
        *(
            Port(port, apiserver.NAME, address="" if port in HOSTED_PORTS else _LOOPBACK)
            for port in of_apiserver
        ),
        *(
            Port(port, one.name, address=_LOOPBACK)
            for one in controllers.BOTH
            for port in (one.port, one.bootstrap_port)
        ),
    )


def foreign_listeners(seen: HostState) -> Iterator[Finding]:
    """Name whoever keeps a port of ours from us, with its pid."""
    for port, stranger in strangers(table(seen), proc=seen.session.host.proc):
        if _may_be_ours(seen, port, stranger):
            continue
        found = Finding if _is_wanted_now(seen, port) and stranger.pid else warning
        what = f"{stranger}, the port of {port.program}"
        yield found(f"Port-{port.number}", what, ended_by(stranger))


def strangers(wanted: Collection[Port], *, proc: Path) -> Iterator[tuple[Port, Listener]]:
    """Yield who listens on a port of ours, or has it at its own end of a connection.

    That counts where nobody listens and nobody could.
    """
    ports = {port.number: port for port in wanted}
    there = sockets.listeners(ports.keys(), proc=proc)
    for listener in there:
        port = ports[listener.port]
        if not port.takes(listener) and port.clashes(listener):
            yield port, listener
    taken = {one.port for one in there if ports[one.port].clashes(one)}
    free = {one.number for one in wanted if not one.is_redirected} - taken
    ways = {(one.port, one.pid): one for one in sockets.connections(free, proc=proc)}
    for way in sorted(ways.values(), key=lambda one: one.is_over):
        port = ports[way.port]
        is_foreign = port.clashes(way) and not _is_of_ours(wanted, way)
        if is_foreign and not sockets.is_free(port.number, port.address):
            yield port, way


def given_out(seen: HostState) -> Iterator[Finding]:
    """Want no port to listen on among those that the kernel gives to outgoing connections.

    While one has it, nobody can start to listen there.
    https://docs.kernel.org/networking/ip-sysctl.html#ip-variables
    """
    first, last = map(int, (sysctl.value(_GIVEN) or "0 0").split())
    reserved = _numbers(sysctl.value(_RESERVED) or "")
    listening = {port.number for port in table(seen) if not port.is_redirected}
    if taken := {one for one in listening - reserved if first <= one <= last}:
        name, kept = sysctl.shown(_RESERVED), _spans(reserved | listening)
        yield warning(
            f"Sysctl-{name}",
            f"outgoing connections may take {_spans(taken)}, where this host is to listen:"
            f" {sysctl.shown(_GIVEN)} is {first} to {last}",
            f"echo {name}={kept} > {_OF_OURS}; sysctl -p {_OF_OURS}",
        )


def _numbers(spans: str) -> set[int]:
    """Read ports as the kernel writes them: 2379-2381,6444."""
    ends = (span.partition("-") for span in spans.split(",") if span)
    return {one for low, _, high in ends for one in range(int(low), int(high or low) + 1)}


def _spans(numbers: set[int]) -> str:
    """Write ports as the kernel reads them."""
    firsts = (one for one in sorted(numbers) if one - 1 not in numbers)
    lasts = (one for one in sorted(numbers) if one + 1 not in numbers)
    ends = zip(firsts, lasts, strict=True)
    return ",".join(f"{low}-{high}" if low < high else f"{low}" for low, high in ends)


def ended_by(stranger: Listener) -> str:
    """Return a command that ends a stranger, or finds it.

    Whose connection has the port by chance has another one when it is started again.
    """
    if stranger.unit:
        verb = "stop" if stranger.peer else "disable --now"
        return f"systemctl {verb} {stranger.unit}"
    if stranger.is_over:
        return "sleep 60"
    if stranger.pid:
        return f"kill {stranger.pid}"
    return f"ss -{'' if stranger.peer else 'l'}tnp 'sport = {stranger.port}'"


def _is_of_ours(wanted: Collection[Port], way: Listener) -> bool:
    """Whether a connection is of one of our programs."""
    is_of_unit = any(way.is_of_unit(unit) for unit in (containerd.UNIT, keeper.UNIT))
    return is_of_unit or any(port.takes(way) for port in wanted)


def _may_be_ours(seen: HostState, port: Port, listener: Listener) -> bool:
    """Whether a process that can't be seen (this one runs in a container) is probably ours."""
    if listener.pid or port.is_redirected:
        return False
    if port.unit:
        return port.unit in seen.units and seen.units[port.unit].active == "active"
    return seen.live > 0


def _is_wanted_now(seen: HostState, port: Port) -> bool:
    """Whether this run needs the port: a hosted control plane that serves needs no further one."""
    if port.number == seen.config.kubeception.join_port:
        return False  # who listens there is cut off, but breaks nothing
    return bool(port.unit) or port.is_redirected or not seen.is_carried
