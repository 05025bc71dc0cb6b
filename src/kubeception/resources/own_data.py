"""etcd's data, wanted to be of the cluster whose CA this host has, before they are remembered."""

from dataclasses import dataclass

from kubeception import authorities
from kubeception.errors import PreflightError
from kubeception.facts import Accept
from kubeception.session import Session


@dataclass(frozen=True)
class OwnData:
    """Data that nobody remembers are wanted to know this host's CA; `is_known` ones need not say.

    Of data that are there and a CA that is there nothing else tells whether they belong together.
    """

    is_known: bool

    def __str__(self) -> str:
        return "etcd's data"

    def drift(self, session: Session) -> str | None:
        """Say that they are of a cluster that has another CA."""
        if self.is_known or session.accepted & {Accept.NEW_CA, Accept.OTHER_CA}:
            return None
        is_ours = authorities.is_published(session)
        return "know another CA than this host has" if is_ours is False else None

    def apply(self, session: Session) -> None:
        """Go no further.

        Raises:
            PreflightError: always; what a person may accept is in its hint.
        """
        at = session.config.layout
        ours = at.pki.ca.certificate
        raise PreflightError(
            [f"{at.etcd.data}: these data are of a cluster whose CA is not {ours}"],
            hints=[
                "put the data or the CA back that belong together; or go on with this CA, which "
                f"voids all that the other signed: kubeception bootstrap --accept {Accept.OTHER_CA}"
            ],
            is_final=True,
        )
