"""Whether programs of this host may watch further files: a kubelet that may not doesn't start."""

from kubeception.conditions.condition import Condition
from kubeception.host import watches
from kubeception.session import Session


def files_may_be_watched() -> Condition:
    """The kernel lets root watch one more file."""

    def problem(session: Session) -> str | None:
        found = watches.shortage(session.host)
        return f"{found} ({found.mend})" if found else None

    return Condition("the kernel to let programs watch files", problem)
