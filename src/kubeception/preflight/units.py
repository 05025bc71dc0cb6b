"""What keeps our units from starting as they are meant to, with what lets them."""

from collections.abc import Iterator

from kubeception import drop_ins
from kubeception.preflight.finding import Finding, of_path
from kubeception.preflight.host_state import HostState


def commands(seen: HostState) -> Iterator[Finding]:
    """Want no drop-in of another tool's that has a unit of ours run another command."""
    for one in drop_ins.look(seen.session, foreign=seen.foreign, is_worker=seen.is_worker):
        yield Finding(of_path("FileContent", one.path), str(one), one.hint)
