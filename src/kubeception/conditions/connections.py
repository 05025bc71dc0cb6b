"""Whether the kernel takes note of further connections: without room for that it drops them."""

from pathlib import Path

from kubeception.conditions.condition import Condition
from kubeception.session import Session

_FOLDER = Path("sys/net/netfilter")
_NEARLY_FULL = 0.95


def connections_have_room() -> Condition:
    """The kernel's table of connections, by which Services are reached, is not nearly full."""

    def problem(session: Session) -> str | None:
        used = _value(session, "nf_conntrack_count")
        most = _value(session, "nf_conntrack_max")
        if used is None or not most or used < _NEARLY_FULL * most:
            return None
        mend = f"sysctl -w net.netfilter.nf_conntrack_max={2 * most}"
        return f"{used} of {most} are in use, and further ones are dropped ({mend})"

    return Condition("the kernel's table of connections to have room", problem)


def _value(session: Session, name: str) -> int | None:
    """Return a setting or a count of the kernel's, None where it tracks no connections."""
    try:
        return int((session.host.proc / _FOLDER / name).read_text())
    except (OSError, ValueError):
        return None
