"""The client certificate that a kubelet got by itself, with its key in one file."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kubeception.config.model import KeyAlgorithm
from kubeception.host import files
from kubeception.layout import Pair
from kubeception.pki import issue
from kubeception.pki.catalog import CertificateSpec
from kubeception.resources.keypair import short_of, signer
from kubeception.session import Session


@dataclass(frozen=True)
class KubeletClient:
    """Where there is one, it is wanted to be good; the kubelet renews it as long as it is.

    `current` is a symlink, as the kubelet wants it; the fresh file is at `reissued`, so that who
    has to start the kubelet anew sees by its age whether that was done.
    """

    current: Path
    reissued: Path
    spec: CertificateSpec
    ca: Pair
    algorithm: KeyAlgorithm
    at_least: timedelta = timedelta(0)

    def __str__(self) -> str:
        return str(self.current)

    def drift(self, session: Session) -> str | None:
        """Say why it won't do, or not for long enough."""
        pem = self._read(session)
        if pem is None:
            return None
        certificate, key = issue.halves(pem)
        now = session.host.clock.now()
        try:
            ca = session.host.real(self.ca.certificate).read_bytes()
        except FileNotFoundError:
            ca = None
        problem = issue.certificate_problem(self.spec, certificate, key, ca=ca, now=now)
        return problem or short_of(certificate, self.at_least, now)

    def trust_problem(self, session: Session) -> str | None:
        """Say that its time is over, or has not come, or that another CA has signed it; or None."""
        pem, ca = self._read(session), session.host.content(self.ca.certificate)
        certificate, _ = issue.halves(pem or b"")
        if ca is None or not issue.is_certificate(certificate):
            return None
        return issue.trust_problem(certificate, ca=ca, now=session.host.clock.now())

    def apply(self, session: Session) -> None:
        """Put a fresh one in its place, for its key unless that is lost.

        Raises:
            KubeceptionError: the CA's key is not here.
        """
        if self.drift(session) is None:
            return
        _, key = issue.halves(self._read(session) or b"")
        if key is None or issue.key_problem(key):
            key = issue.new_key(self.algorithm)
        ca = signer(session, self.ca, wanted=self.current)
        made = issue.certificate(self.spec, key, signer=ca, now=session.host.clock.now())
        files.write(session.host.at(self.reissued), made + key, mode=0o600)
        files.link(session.host.at(self.current), self.reissued)

    def _read(self, session: Session) -> bytes | None:
        try:
            return session.host.real(self.current).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return None


@dataclass(frozen=True)
class LiveKubeletClient:
    """The same, wanted to be valid now and of this CA where its key is here, and no more.

    The kubelet goes by one that was left there before, and by the one that we give it only without.
    """

    client: KubeletClient
    of_any_ca: bool = False
    """Another CA than the cluster's signs what kubelets ask for."""

    def __str__(self) -> str:
        return str(self.client)

    def drift(self, session: Session) -> str | None:
        """Say why it isn't."""
        if not session.host.real(self.client.ca.key).exists():
            return None
        problem = self.client.trust_problem(session)
        return None if problem == issue.NOT_BY_ITS_CA and self.of_any_ca else problem

    def apply(self, session: Session) -> None:
        """Put a fresh one in its place."""
        self.client.apply(session)
