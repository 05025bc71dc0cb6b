"""The networks that a host is on, wanted to be none of the cluster's before it becomes a node."""

from dataclasses import dataclass

from kubeception import ranges
from kubeception.config.model import Net
from kubeception.errors import PreflightError
from kubeception.session import Session


@dataclass(frozen=True)
class ClearNetworks:
    """This host's networks, wanted to be beside the cluster's ranges, which it has just been told.

    Once it is a node it is too late: what is there is lost already, and preflight tells it.
    """

    net: Net

    def __str__(self) -> str:
        return "this host's networks"

    def drift(self, session: Session) -> str | None:
        """Say which range covers one."""
        if session.layout.cluster.exists():
            return None
        return "; ".join(map(str, ranges.covering(self.net))) or None

    def apply(self, session: Session) -> None:
        """Stop: that is for a person to decide.

        Raises:
            PreflightError: always.
        """
        found = [f"Net-{one.key}: {one}" for one in ranges.covering(self.net)]
        hint = (
            "take these networks away from this host, then kubeception join; or give the host up:"
            " kubeception reset here, and kubeception node remove on a control-plane host"
        )
        raise PreflightError(found, hint=hint)
