"""The roles and bindings that Kubernetes makes for itself, and can't do without."""

from dataclasses import dataclass, field

from kubeception import conditions
from kubeception.endpoints import BOOTSTRAP_PORT
from kubeception.kept import default_roles
from kubeception.kept.default_roles import Whole
from kubeception.resources.file import File
from kubeception.session import Session

_WHAT = "default roles and bindings"


@dataclass(frozen=True)
class DefaultRoles:
    """They are wanted as an API server of this Kubernetes has them once it has started.

    Only an API server that starts completes them, and leaves those alone of which a person has said
    so (rbac.authorization.kubernetes.io/autoupdate). So one is started by `server`, a manifest,
    which nobody is led to; the hosted ones serve on.
    """

    server: File
    kubernetes: str

    def __str__(self) -> str:
        return _WHAT

    def drift(self, session: Session) -> str | None:
        """Say what is gone or has changed; another Kubernetes completes them when it starts."""
        whole = default_roles.read(session.layout.default_roles)
        if whole is None:
            return "nobody knows whether all are there"
        if whole.kubernetes != self.kubernetes:
            return None
        return default_roles.changed(whole.revisions, default_roles.look(session.etcd))

    def apply(self, session: Session) -> None:
        """Start one, until it is ready, and remember what it has made.

        Raises:
            WaitTimeout: it does not become ready.
        """
        self.server.apply(session)
        try:
            conditions.wait_for(conditions.apiserver_ready(BOOTSTRAP_PORT), session, lambda _: None)
        finally:
            File(self.server.path, None).apply(session)
        before = default_roles.read(session.layout.default_roles)
        ours = before.ours if before else {}
        made = Whole(self.kubernetes, _of_kubernetes(session), ours)
        default_roles.write(session.layout.default_roles, made)


@dataclass(frozen=True)
class KnownRoles:
    """They are whole, as an API server of this Kubernetes is ready, and wanted to be remembered.

    So are `ours`, by their keys in etcd: they have been applied.
    """

    kubernetes: str
    ours: frozenset[str] = field(repr=False)

    def __str__(self) -> str:
        return f"what is remembered of {_WHAT}"

    def drift(self, session: Session) -> str | None:
        """Say how they differ from what is remembered."""
        whole = default_roles.read(session.layout.default_roles)
        if whole is None or whole.kubernetes != self.kubernetes:
            return f"nothing of Kubernetes {self.kubernetes}"
        return "they are others by now" if whole != self._now(session) else None

    def apply(self, session: Session) -> None:
        """Remember them."""
        default_roles.write(session.layout.default_roles, self._now(session))

    def _now(self, session: Session) -> Whole:
        """Return them as they are; of ours, one that somebody has just deleted is missed soon."""
        now = default_roles.look(session.etcd, self.ours)
        ours = {key: now.get(key, 0) for key in self.ours}
        return Whole(self.kubernetes, _of_kubernetes(session), ours)


def _of_kubernetes(session: Session) -> dict[str, int]:
    now = default_roles.look(session.etcd)
    return {key: now[key] for key in default_roles.of_kubernetes(session.api) if key in now}
