"""APIs that the API server leaves to others (its aggregation layer), and nobody answers for."""

from collections.abc import Iterator
from datetime import timedelta

from kubeception.conditions.reading import conditions_of, time
from kubeception.session import Session

# Whoever has just been started is given so long.
_PATIENCE = timedelta(minutes=1)


def notices(session: Session) -> Iterator[str]:
    """Yield each API that is not there, and what goes on without it.

    As long as one is missing nobody knows all kinds of objects, so no namespace is emptied.
    """
    now = session.host.clock.now()
    for one in session.api.list("APIService"):
        name = one["metadata"]["name"]
        for said in conditions_of(one):
            is_missing = said["type"] == "Available" and said["status"] != "True"
            if is_missing and now - time(said["lastTransitionTime"]) > _PATIENCE:
                yield (
                    f"APIService {name}: nobody answers for it ({said.get('message', '').strip()}),"
                    " and no namespace that is deleted goes meanwhile; where nobody needs it:"
                    f" kubectl delete apiservice {name}"
                )
