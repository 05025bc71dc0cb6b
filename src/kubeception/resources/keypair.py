"""A certificate with its key; and the ServiceAccount key, which has no certificate.

What is there and good is never touched. A leaf that won't do, or not for long enough, is issued
anew for the key that is there. A CA that is there and bad is never replaced: everything hangs on
it, so a person decides.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from kubeception import authorities, losses
from kubeception.config.model import KeyAlgorithm
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.layout import Pair
from kubeception.pki import issue
from kubeception.pki.catalog import Entry
from kubeception.session import Session


@dataclass(frozen=True)
class KeyPair:
    """A wanted row of the certificate table; `uid` is whose its key is, None for who makes it.

    A leaf is wanted to have `at_least` so much left, where its CA's key is here to give it more.
    One that is there may be signed by the CA `also_by` as well.
    """

    entry: Entry
    algorithm: KeyAlgorithm
    uid: int | None = None
    at_least: timedelta = timedelta(0)
    also_by: Pair | None = None

    def __str__(self) -> str:
        return str(self.entry.at.certificate)

    def drift(self, session: Session) -> str | None:
        """Say what is missing or won't do."""
        pem, key = _read(session, self.entry.at)
        if pem is None:
            return "missing"
        if key is None and self.entry.spec.is_ca and issue.is_certificate(pem):
            # An external CA keeps its key elsewhere; what it signed is checked against it.
            return issue.time_problem(pem, ca=None, now=session.host.clock.now())
        if key is None:
            return "its key is missing"
        problem = issue.key_problem(key)
        if problem:
            return f"its key {problem}"
        return self._problem(session, pem, key) or self._owner_problem(session)

    def apply(self, session: Session) -> None:
        """Make the key if there is none, then the certificate.

        Raises:
            KubeceptionError: a key or a CA is there and broken, or the CA's key is not here.
        """
        if (drift := self.drift(session)) is None:
            return
        at = self.entry.at
        pem, key = _read(session, at)
        if self.entry.spec.is_ca:
            if found := authorities.lost_one(session, self.entry):
                authorities.put_back(session, self.entry, *found)
                return
            losses.refuse(losses.of_authority(session, self.entry), session)
            if pem is not None:
                raise KubeceptionError(
                    f"{at.certificate}: {drift}",
                    hint="a CA is never replaced by itself; put the right pair back",
                )
        if key is None:
            key = issue.new_key(self.algorithm)
            self._write_key(session, key)
        elif problem := issue.key_problem(key):
            raise KubeceptionError(
                f"{at.key}: {problem}", hint="put the right key back, or move this one away"
            )
        elif self._owner_problem(session):
            self._write_key(session, key)
        if pem is not None and self._problem(session, pem, key) is None:
            return
        now = session.host.clock.now()
        made = issue.certificate(self.entry.spec, key, signer=self._signer(session), now=now)
        files.write(session.host.at(at.certificate), made)

    def _problem(self, session: Session, pem: bytes, key: bytes) -> str | None:
        """Say why the certificate won't do for this key, or None."""
        ca = ca_key = None
        if self.entry.issuer is not None:
            ca, ca_key = _read(session, self.entry.issuer)
        now = session.host.clock.now()
        problem = issue.certificate_problem(self.entry.spec, pem, key, ca=ca, now=now)
        if problem == issue.NOT_BY_ITS_CA and self.also_by:
            other, _ = _read(session, self.also_by)
            problem = issue.certificate_problem(self.entry.spec, pem, key, ca=other, now=now)
        if problem or ca_key is None:
            return problem
        return short_of(pem, self.at_least, now)

    def _owner_problem(self, session: Session) -> str | None:
        """Say whose the key is instead, or None."""
        owner = session.host.real(self.entry.at.key).stat().st_uid
        if self.uid is None or owner == self.uid:
            return None
        return f"its key belongs to user {owner}, not {self.uid}"

    def _write_key(self, session: Session, key: bytes) -> None:
        uid = -1 if self.uid is None else self.uid
        files.write(session.host.at(self.entry.at.key), key, mode=0o600, uid=uid)

    def _signer(self, session: Session) -> issue.Signer | None:
        if self.entry.issuer is None:
            return None
        return signer(session, self.entry.issuer, wanted=self.entry.at.certificate)


@dataclass(frozen=True)
class ServiceAccountKey:
    """The key that signs ServiceAccount tokens, and its public half in a file of its own."""

    key: Path
    public: Path
    algorithm: KeyAlgorithm

    def __str__(self) -> str:
        return str(self.key)

    def drift(self, session: Session) -> str | None:
        """Say which half is missing or does not match."""
        key = _bytes(session.host.real(self.key))
        if key is None:
            return "missing"
        if problem := issue.key_problem(key):
            return problem
        publics = issue.public_keys(_bytes(session.host.real(self.public)) or b"")
        return None if issue.public_key(key) in publics else f"{self.public} does not match it"

    def apply(self, session: Session) -> None:
        """Make the key if there never was one, and write its public half.

        Raises:
            PreflightError: there was another one, or it is that of another public half.
        """
        losses.refuse(losses.of_service_account(session), session)
        key = _bytes(session.host.real(self.key))
        if key is None:
            key = issue.new_key(self.algorithm)
            files.write(session.host.at(self.key), key, mode=0o600)
        files.write(session.host.at(self.public), issue.public_key(key))


@dataclass(frozen=True)
class InItsTime:
    """A leaf that is there is wanted to be valid now; what is missing is left to bootstrap."""

    pair: KeyPair

    def __str__(self) -> str:
        return str(self.pair)

    def drift(self, session: Session) -> str | None:
        """Say why it isn't, where its CA's key is here and it can be issued anew."""
        entry = self.pair.entry
        pem, key = _read(session, entry.at)
        if entry.issuer is None or pem is None or key is None or not issue.is_certificate(pem):
            return None
        ca, ca_key = _read(session, entry.issuer)
        problem = issue.time_problem(pem, ca=ca, now=session.host.clock.now())
        return problem if ca is not None and ca_key is not None else None

    def apply(self, session: Session) -> None:
        """Issue it anew."""
        self.pair.apply(session)


@dataclass(frozen=True)
class ByItsCa:
    """A leaf that is there is wanted to be signed by its CA; all else is left to its `pair`."""

    pair: KeyPair

    def __str__(self) -> str:
        return str(self.pair)

    def drift(self, session: Session) -> str | None:
        """Say that another CA has signed it."""
        pem, _ = _read(session, self.pair.entry.at)
        if pem is None or self.pair.entry.issuer is None:
            return None
        ca, _ = _read(session, self.pair.entry.issuer)
        is_good = ca is not None and issue.is_signed_by(pem, ca)
        return None if is_good else issue.NOT_BY_ITS_CA

    def apply(self, session: Session) -> None:
        """Issue it anew."""
        self.pair.apply(session)


def short_of(pem: bytes, at_least: timedelta, now: datetime) -> str | None:
    """Say how little a certificate has left, where that is less than it is to have."""
    left = issue.valid_until(pem) - now
    return f"has {left // timedelta(days=1)} days left" if left < at_least else None


def signer(session: Session, ca: Pair, *, wanted: Path) -> issue.Signer:
    """Return a CA, to sign what is wanted.

    Raises:
        KubeceptionError: its key is not here.
    """
    pem, key = _read(session, ca)
    if pem is None or key is None:
        raise KubeceptionError(
            f"{wanted}: its CA's key is not on this host",
            hint=f"put {ca.key} there, or a certificate that the CA signed",
        )
    return issue.Signer(pem, key)


def _read(session: Session, at: Pair) -> tuple[bytes | None, bytes | None]:
    return _bytes(session.host.real(at.certificate)), _bytes(session.host.real(at.key))


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
