"""By which CAs kubelets' serving certificates are known: on this host, and in the cluster."""

import logging
from dataclasses import dataclass
from pathlib import Path

from kubeception import serving
from kubeception.host import files
from kubeception.layout import Pair
from kubeception.pki import issue
from kubeception.render import kubelet_serving
from kubeception.resources.object import Object
from kubeception.session import Session

log = logging.getLogger("kubeception.pki")


@dataclass(frozen=True)
class ServingCas:
    """The file at `path`, by which the API server knows kubelets: wanted to have the CA `own`.

    It has the cluster's CA, `former`, as well where it had that before, or where that CA has signed
    what the host's own kubelet serves with (`server`): a version without `own` made this cluster.
    """

    path: Path
    own: Pair
    former: Pair
    server: Pair

    def __str__(self) -> str:
        return str(self.path)

    def drift(self, session: Session) -> str | None:
        """Say whether it is missing, or has others."""
        found = session.host.content(self.path)
        if found is None:
            return "missing"
        return None if found == self._wanted(session) else "has other CAs"

    def apply(self, session: Session) -> None:
        """Write it."""
        files.write(session.host.at(self.path), self._wanted(session))

    def _wanted(self, session: Session) -> bytes:
        own = issue.certificates(session.host.content(self.own.certificate) or b"")
        former = issue.certificates(session.host.content(self.former.certificate) or b"")
        before = session.host.content(self.path)
        if before is not None:
            is_needed = len(issue.certificates(before)) > 1
        else:
            server = session.host.content(self.server.certificate) or b""
            is_needed = any(issue.is_signed_by(server, ca) for ca in former)
        return b"".join(own + former if is_needed else own)


@dataclass(frozen=True)
class OneServingCa:
    """The same file, wanted to have one CA alone as soon as every kubelet serves by it.

    For the kubelet of this host's own `node` its certificate is there already.
    """

    path: Path
    node: str

    def __str__(self) -> str:
        return str(self.path)

    def drift(self, session: Session) -> str | None:
        """Say that no kubelet needs another one any more; name those that do."""
        if len(serving.trusted(session)) < 2:
            return None
        if late := serving.late(session, but=self.node):
            log.info("the cluster's CA is trusted for kubelets as well, for %s", ", ".join(late))
            return None
        return "every kubelet serves by its own CA"

    def apply(self, session: Session) -> None:
        """Write it."""
        files.write(session.host.at(self.path), serving.trusted(session)[0])


@dataclass(frozen=True)
class PublishedServingCas:
    """The same CAs, published for whoever asks kubelets; `path` is the file by then."""

    path: Path

    def __str__(self) -> str:
        return str(Object(kubelet_serving.config_map("")))

    def drift(self, session: Session) -> str | None:
        """Say how what is published differs."""
        return self._wanted(session).drift(session)

    def apply(self, session: Session) -> None:
        """Publish them."""
        self._wanted(session).apply(session)

    def _wanted(self, session: Session) -> Object:
        bundle = session.host.content(self.path) or b""
        return Object(kubelet_serving.config_map(bundle.decode(errors="replace")))
