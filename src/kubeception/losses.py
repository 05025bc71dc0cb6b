"""What of a cluster is gone from this host, or is another one's: nobody goes on by himself.

One verdict for whoever would make something anew: bootstrap, recover, the keeper, preflight and
`status`. That there was something, anything may say that only a cluster leaves behind; what a
person has accepted is no loss any more.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kubeception import authorities, versions
from kubeception.endpoints import LOOPBACK
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.etcd import data, guard
from kubeception.facts import Accept, Identity, Loss, Stored
from kubeception.host import files
from kubeception.kept import identity, revisions, snapshots, taking
from kubeception.layout import OUR_MARK, Pair
from kubeception.pki import catalog, issue
from kubeception.pki.catalog import Entry
from kubeception.render import etcd, keeper
from kubeception.session import Session

log = logging.getLogger("kubeception.host")

_ACCEPT = "kubeception bootstrap --accept"
_RESTORE = "a CA is never replaced by itself; put the right pair back"
_ANEW = "have its key sign it anew, which keeps all that it signed, then bootstrap"
_TOKENS = "with another key every ServiceAccount's token becomes void"


def look(session: Session) -> list[Loss]:
    """Return everything that is lost, or another cluster's, and that nobody has accepted.

    Raises:
        KubeceptionError: etcd's data can't be read.
    """
    every = (*of_etcd(session), *of_keys(session))
    return [loss for loss in every if loss.accepted_as not in session.accepted]


def of_etcd(session: Session) -> Iterator[Loss]:
    """Yield what is lost of etcd's data."""
    known, witness = _known(session)
    folder = session.etcd_data
    there = data.stored(folder)
    went = identity.progress(session.layout.progress)
    index, seen = None, 0
    if there and there.cluster == went.cluster and not _runs(session):
        index, seen = data.last_index(folder), went.index
    at = session.config.layout.etcd.data
    remains = guard.Remains(at, there, index, known, witness, seen)
    if any(guard.losses(remains)):
        remains = replace(remains, way_back=way_back(session))
    for loss in guard.losses(remains):
        yield replace(loss, hint=loss.hint + _unless_anothers(session, witness))


def way_back(session: Session) -> str:
    """Say how the last good snapshot of etcd is restored, "" where there is none."""
    try:
        release, authority = versions.of(session.layout.bundle), taking.authority(session)
        last = snapshots.last_good(session.layout.snapshots, authority, release)
    except KubeceptionError:
        return ""
    return snapshots.way_back(last) if last else ""


def of_keys(session: Session) -> Iterator[Loss]:
    """Yield what is lost of the CAs, and of the key that signs ServiceAccounts' tokens."""
    for entry in authorities.entries(session):
        yield from of_authority(session, entry)
    yield from of_service_account(session)


def of_authority(session: Session, entry: Entry) -> Iterator[Loss]:
    """Yield why a CA is not the one that it was, or why none may be made in its place."""
    pem, key = _read(session, entry.at.certificate), _read(session, entry.at.key)
    known = identity.read(session.layout.member) or Identity()
    name = catalog.name(session.config.layout.pki, entry.at)
    if key is not None and (problem := issue.key_problem(key)):
        yield Loss(entry.at.key, problem, _RESTORE, None)
    if pem is None or not issue.is_certificate(pem):
        if authorities.copy_of(session, entry):
            return  # it is put back
        if pem is not None:
            yield Loss(entry.at.certificate, "is no certificate", _RESTORE, None)
        elif witness := _witness_of(session, entry, known):
            hint = f"{_RESTORE}; or make a new one, which voids all that it signed, on every host: "
            hint += f"{_ACCEPT} {Accept.NEW_CA}{_unless_anothers(session, witness)}"
            yield Loss(entry.at.certificate, f"is missing, while {witness}", hint, Accept.NEW_CA)
        return
    recorded = known.authorities.get(name, "").encode()
    if _differs(recorded, pem):
        yield _other(entry, f"is not the CA that this host had: {session.config.layout.member}")
    elif entry.at == session.config.layout.pki.ca and not recorded:
        for path, leaf in _kubelets_own(session):
            if not issue.is_signed_by(leaf, pem):
                yield _other(entry, f"has not signed {path}, which this host's cluster issued")
    at = session.config.layout.pki
    # The controller-manager doesn't start without these two.
    now = session.host.clock.now()
    is_needed = entry.at in {at.ca, at.kubelet_serving_ca} or _has_to_sign(session, entry.at)
    if key is None and name in known.signing and is_needed:
        hint = "put it back from a backup: without it nothing can be signed or renewed; or make "
        hint += f"a new CA, which voids all that this one signed: {_ACCEPT} {Accept.NEW_CA}"
        yield Loss(entry.at.key, "is gone, and this host had it", hint, Accept.NEW_CA)
    elif key is not None and not issue.key_problem(key):
        if problem := issue.certificate_problem(entry.spec, pem, key, ca=None, now=now):
            words = f"does not belong to its key, {entry.at.key}"
            problem = words if problem == issue.NOT_ITS_KEYS else problem
            hint = _renewal(entry.at) if issue.time_problem(pem, ca=None, now=now) else _RESTORE
            yield Loss(entry.at.certificate, problem, hint, None)
    elif key is None and (problem := issue.time_problem(pem, ca=None, now=now)):
        hint = f"{_ANEW}, wherever the key is, and put it here"
        yield Loss(entry.at.certificate, problem, hint, None)


def _renewal(ca: Pair) -> str:
    """Return the command by which a CA's key signs its certificate anew: all that it signed stays.

    A run takes it, since it is about the same key (RFC 5280 knows a CA by its name and its key).
    """
    new = f"{ca.certificate}.new"
    return (
        f"{_ANEW}: openssl x509 -in {ca.certificate} -signkey {ca.key} -days 3650 -out {new}"
        f" && mv {new} {ca.certificate}"
    )


def of_service_account(session: Session) -> Iterator[Loss]:
    """Yield why the key of ServiceAccounts' tokens is not the one that it was, or is lost."""
    at = session.config.layout.pki
    key, public = _read(session, at.service_account_key), _read(session, at.service_account_public)
    known = identity.read(session.layout.member) or Identity()
    if key is None:
        witness = f"{at.service_account_public} is there" if public is not None else None
        if known.service_account:
            witness = witness or f"{session.config.layout.member} knows of it"
        if witness := witness or _sign_of_a_cluster(session):
            hint = f"put it back: {_TOKENS}; to make a new one all the same: "
            hint += f"{_ACCEPT} {Accept.NEW_SERVICE_ACCOUNT_KEY}"
            hint += _unless_anothers(session, witness)
            accepted_as = Accept.NEW_SERVICE_ACCOUNT_KEY
            yield Loss(at.service_account_key, f"is missing, while {witness}", hint, accepted_as)
        return
    if problem := issue.key_problem(key):
        yield Loss(at.service_account_key, problem, f"put it back: {_TOKENS}", None)
        return
    own = issue.public_key(key)
    publics = issue.public_keys(public or b"")
    recorded = issue.public_keys(known.service_account.encode())
    if (publics and own not in publics) or (recorded and own not in recorded):
        than = at.service_account_public if publics and own not in publics else None
        hint = f"put the right pair back: {_TOKENS}; to go on with this key all the same: "
        hint += f"{_ACCEPT} {Accept.OTHER_SERVICE_ACCOUNT_KEY}"
        yield Loss(
            at.service_account_key,
            f"is another key than that of {than or session.config.layout.member}",
            hint,
            Accept.OTHER_SERVICE_ACCOUNT_KEY,
        )


def signature(session: Session) -> Iterator[object]:
    """Yield what changes when anything does that losses are told by; costs a look at each file."""
    at = session.config.layout
    cas = (path for entry in authorities.entries(session) for path in vars(entry.at).values())
    keys = (at.pki.service_account_key, at.pki.service_account_public)
    others = (
        at.member,
        at.etcd.environment,
        at.etcd.data / "member/wal",
        at.kubelet.renewed_client,
    )
    for path in (*cas, *keys, *others):
        try:
            found = session.host.real(path).stat()
        except OSError as error:
            yield error.errno
        else:
            # What is put in place of something that is gone may get its number.
            yield found.st_dev, found.st_ino, found.st_ctime_ns
    yield any(session.etcd_data.glob("member/wal/*.wal"))


def require(session: Session) -> None:
    """Stop where something is lost.

    Raises:
        PreflightError: something is; everything is named, each with the way on.
    """
    refuse((*of_etcd(session), *of_keys(session)), session)


def refuse(lost: Iterable[Loss], session: Session) -> None:
    """Stop where there are losses that nobody has accepted.

    Raises:
        PreflightError: there are; everything is named, each with the way on.
    """
    if found := [loss for loss in lost if loss.accepted_as not in session.accepted]:
        hints = [loss.hint for loss in found]
        raise PreflightError([str(loss) for loss in found], hints=hints, is_final=True)


def accepted(session: Session) -> frozenset[Accept]:
    """Return what is lost, of what a person has accepted to go on without."""
    if not session.accepted:
        return frozenset()
    return session.accepted & {loss.accepted_as for loss in (*of_etcd(session), *of_keys(session))}


def accept(session: Session) -> None:
    """Have the record say what a person has accepted, so that later runs go on from there.

    Given up is only what is gone, or what nobody could use: it is put aside, never removed.
    """
    known, _ = _known(session)
    before = identity.read(session.layout.member)
    after = before or replace(known or Identity(), authorities={}, signing=(), service_account="")
    if not after.is_legible:
        name = session.config.node.name or session.host.name.lower()
        after = Identity(node=known.node if known and known.is_legible else name)
    for loss in (*of_etcd(session), *of_keys(session)):
        if loss.accepted_as in session.accepted:
            log.warning("%s: accepted as %s", loss, loss.accepted_as)
            after = _given_up(session, after, loss)
    if after != before:
        files.write(session.layout.member, identity.text(after), mode=0o600)


def put_aside_data(session: Session) -> None:
    """Put aside what is left of etcd's data: a database without its log would be opened.

    Each folder may be a disk of its own, and keeps its name then.
    """
    for name in ("wal", "snap"):
        folder = session.host.real(session.config.layout.etcd.data / "member" / name)
        if not os.path.ismount(folder):
            _put_aside(folder)
            continue
        for path in [*folder.glob("*.wal"), *folder.glob("*.snap"), *folder.glob("db")]:
            _put_aside(path)


def _given_up(session: Session, known: Identity, loss: Loss) -> Identity:
    """Return what is still remembered once a loss is accepted."""
    pki = session.config.layout.pki
    match loss.accepted_as:
        case Accept.EMPTY_ETCD:
            put_aside_data(session)
            return replace(known, token="", cluster="", member="")
        case Accept.OTHER_ETCD:
            there = data.stored(session.etcd_data) or Stored()
            return replace(known, token="", cluster=there.cluster, member=there.member)
        case Accept.OLDER_ETCD:
            files.remove(session.layout.progress)
            return known
        case Accept.NEW_CA | Accept.OTHER_CA:
            [entry] = [e for e in authorities.entries(session) if loss.path in vars(e.at).values()]
            name = catalog.name(pki, entry.at)
            if entry.at == pki.ca:
                # What the kubelet has fetched goes before what bootstrap gives it.
                files.put_aside(session.host.at(session.config.layout.kubelet.renewed_client))
            if loss.accepted_as is Accept.NEW_CA:
                files.put_aside(session.host.at(entry.at.certificate))
                # Beside another key nobody takes a copy of the old certificate for what is lost.
                if _read(session, entry.at.key) is None:
                    key = issue.new_key(session.config.certificates.key_algorithm)
                    files.write(session.host.at(entry.at.key), key, mode=0o600)
            left = {n: pem for n, pem in known.authorities.items() if n != name}
            signing = tuple(n for n in known.signing if n != name)
            return replace(known, authorities=left, signing=signing)
        case Accept.NEW_SERVICE_ACCOUNT_KEY | Accept.OTHER_SERVICE_ACCOUNT_KEY:
            files.put_aside(session.host.at(pki.service_account_public))
            return replace(known, service_account="")
        case None:
            return known


def _known(session: Session) -> tuple[Identity | None, str]:
    """Return what is known of this host, by its record or else by what a cluster left; and by what.

    What only says that there was a cluster makes an identity that nobody can read.
    """
    at = session.config.layout
    known, witness = identity.recall(session.host, at.member, at.etcd.environment)
    if not witness and (sign := _sign_of_a_cluster(session, but_data=True)):
        return Identity(), sign
    return known, witness


def _sign_of_a_cluster(session: Session, *, but_data: bool = False) -> str | None:
    """Say what is on this host that only a cluster leaves there, or None."""
    at = session.config.layout
    if not but_data and session.etcd_data.joinpath("member").exists():
        return f"{at.etcd.data} has the data of a cluster"
    if any(session.layout.revisions.glob(revisions.PROVEN)):
        return f"{at.revisions} has a revision of its API server"
    if session.host.real(at.kubelet.renewed_client).exists():
        return f"{at.kubelet.renewed_client} was issued by it"
    # A bootstrap writes these only once etcd serves.
    for path in (at.units / keeper.UNIT, at.kubelet.environment):
        if _text(session, path).startswith(OUR_MARK):
            return f"{path} was written after it"
    return None


def _unless_anothers(session: Session, witness: str) -> str:
    """Return the way on where all that tells of a cluster is what some kubelet left."""
    path = session.config.layout.kubelet.renewed_client
    is_all = witness.startswith(str(path))
    return f"; or, if another cluster issued {path.name}: rm {path}" if is_all else ""


def _has_to_sign(session: Session, ca: Pair) -> bool:
    """Tell whether a leaf of a CA is missing, so that it has to be issued."""
    leaves = (leaf for leaf, issuer in catalog.leaves(session.config, "", LOOPBACK) if issuer == ca)
    files_of = (path for leaf in leaves for path in vars(leaf.at).values())
    return any(_read(session, path) is None for path in files_of)


def _put_aside(path: Path) -> None:
    if os.path.lexists(path):
        log.warning("%s is kept as %s", path, files.put_aside(path))


def _witness_of(session: Session, entry: Entry, known: Identity) -> str | None:
    """Say what shows that there was such a CA, or None."""
    at = session.config.layout
    for path, _ in authorities.signed_by(session, entry.at):
        return f"{path}, which it signed, is there"
    if catalog.name(at.pki, entry.at) in known.authorities:
        return f"{at.member} knows of it"
    if entry.at == at.pki.kubelet_serving_ca and _read(session, at.pki.kubelet_serving_cas):
        return f"{at.pki.kubelet_serving_cas} has it"
    # A CA that is new in this version was not there when all of this was made.
    if entry.at not in {at.pki.ca, at.pki.etcd_ca, at.pki.front_proxy_ca}:
        return None
    # Kubeconfigs are written once all keys are made.
    named = at.kubernetes
    for path in (named.admin, named.controller_manager, named.scheduler, named.kubelet):
        if _read(session, path) is not None:
            return f"{path} is there"
    return _sign_of_a_cluster(session)


def _kubelets_own(session: Session) -> Iterator[tuple[Path, bytes]]:
    path = session.config.layout.kubelet.renewed_client
    pem = _read(session, path)
    if pem is not None and issue.is_certificate(pem):
        yield path, pem


def _other(entry: Entry, problem: str) -> Loss:
    hint = f"{_RESTORE}; or go on with this one, which voids all that the other signed: "
    hint += f"{_ACCEPT} {Accept.OTHER_CA}"
    return Loss(entry.at.certificate, problem, hint, Accept.OTHER_CA)


def _differs(recorded: bytes, pem: bytes) -> bool:
    """Tell whether a recorded certificate is about another key; the same key may be signed anew."""
    if not issue.is_certificate(recorded):
        return False
    return issue.public_key_of(recorded) != issue.public_key_of(pem)


def _runs(session: Session) -> bool:
    """Tell whether etcd has its data open: then it writes them, and nobody else can judge them."""
    try:
        return session.host.systemd.state(etcd.UNIT).active == "active"
    except KubeceptionError:
        return False


def _text(session: Session, path: Path) -> str:
    return (_read(session, path) or b"").decode(errors="replace")


def _read(session: Session, path: Path) -> bytes | None:
    """Return a file's content, None where there is none; a folder in its place has none either."""
    try:
        return session.host.real(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return b""
