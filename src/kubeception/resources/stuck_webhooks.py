"""Admission webhooks that keep anybody from leading: they must answer for Leases and can't.

A leader that cannot renew its Lease ends, so such a webhook stops the control plane, and with it
whatever would bring the webhook's own pods back.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from kubeception.conditions.webhooks import OPENED_NOTE, Unanswered, concerns, unanswered
from kubeception.kube.client import KEEPER
from kubeception.kube.kinds import KINDS
from kubeception.session import Session

log = logging.getLogger("kubeception.k8s")


@dataclass(frozen=True)
class NoStuckWebhooks:
    """No webhook that is asked about Leases of kube-system is wanted to refuse for want of answer.

    What can't answer is no longer waited for (`failurePolicy: Ignore`); it stays for all else.
    """

    def __str__(self) -> str:
        return "webhooks that stop the control plane"

    def drift(self, session: Session) -> str | None:
        """Say which one does."""
        stuck = next(_stuck(session), None)
        return f"{stuck.kind} {stuck.configuration}: {stuck.problem}" if stuck else None

    def apply(self, session: Session) -> None:
        """Have the API go on without an answer of theirs."""
        for one in list(_stuck(session)):
            name = one.webhook["name"]
            change = {
                "metadata": {"annotations": {OPENED_NOTE: f"{name}: failurePolicy was Fail"}},
                "webhooks": [{"name": name, "failurePolicy": "Ignore"}],
            }
            session.api.merge(one.kind, one.configuration, change, manager=KEEPER)
            log.warning(
                "%s %s: %s; %s is ignored until somebody puts its failurePolicy back "
                "(kubectl edit %s %s)",
                one.kind,
                one.configuration,
                one.problem,
                name,
                KINDS[one.kind].plural,
                one.configuration,
            )


def _stuck(session: Session) -> Iterator[Unanswered]:
    return (one for one in unanswered(session) if concerns(one.webhook, "Lease"))
