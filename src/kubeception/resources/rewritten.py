"""What kube-proxy and flannel keep in the kernel or in files, and write only when they start."""

from dataclasses import dataclass
from typing import ClassVar

from kubeception.conditions.node_program import FLANNEL, STARTS_WITHIN_S, NodeProgram
from kubeception.host import containers
from kubeception.host.gateway import Clock
from kubeception.session import Session


@dataclass(frozen=True)
class Rewritten:
    """Something that a program of the network writes when it starts."""

    program: NodeProgram
    written_within_s: ClassVar[float] = STARTS_WITHIN_S
    """How long after its start it is there on a usual machine, or that on any."""

    @property
    def mend(self) -> str:
        """The command by which somebody has the program start anew."""
        return self.program.mend

    def is_overdue(self, clock: Clock, runs_s: float) -> bool:
        """Tell whether a program that has run for so many seconds has had its time to write it."""
        if not self.written_within_s <= runs_s < STARTS_WITHIN_S:
            return runs_s >= STARTS_WITHIN_S
        return runs_s >= self.written_within_s * clock.slowness()  # to measure that is work

    def apply(self, session: Session) -> None:
        """Kill the program; the kubelet starts it anew."""
        socket = session.config.layout.containerd.socket
        for one in self.program.running(session) or []:
            containers.kill(session.host, socket, one=one, name=self.program.container)


@dataclass(frozen=True)
class OfFlannel(Rewritten):
    """Something of flannel's, which writes all of it within seconds."""

    program: NodeProgram = FLANNEL
    written_within_s = 20.0
