"""What a host has and needs outside, wanted to be none of the cluster's before it is a node."""

from collections.abc import Iterator
from dataclasses import dataclass

from kubeception import ranges, resolver
from kubeception.config.model import Net
from kubeception.errors import PreflightError
from kubeception.session import Session


@dataclass(frozen=True)
class ClearNetworks:
    """This host's networks and name servers, wanted to be beside the cluster's ranges.

    It has just been told these. Once it is a node it is too late: what is there is lost already,
    and preflight tells it.
    """

    net: Net

    def __str__(self) -> str:
        return "this host's networks"

    def drift(self, session: Session) -> str | None:
        """Say which range covers one."""
        if session.layout.cluster.exists():
            return None
        return "; ".join(what for _, what, _ in self._covered(session)) or None

    def apply(self, session: Session) -> None:
        """Stop: that is for a person to decide.

        Raises:
            PreflightError: always.
        """
        found = list(self._covered(session))
        what = " and ".join(dict.fromkeys(mend for *_, mend in found))
        hint = (
            f"{what}, then kubeception join; or give the host up:"
            " kubeception reset here, and kubeception node remove on a control-plane host"
        )
        raise PreflightError([f"{check}: {what}" for check, what, _ in found], hint=hint)

    def _covered(self, session: Session) -> Iterator[tuple[str, str, str]]:
        """Yield a check's name, in preflight's way, what it has found, and what mends that."""
        for one in ranges.covering(self.net):
            yield f"Net-{one.range.key}", str(one), "take these networks away from this host"
        for why in resolver.within(session, self.net):
            path = resolver.file(session)
            check = f"FileContent-{str(path).replace('/', '-')}"
            yield check, f"{path}: {why}", resolver.naming(session)
