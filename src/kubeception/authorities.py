"""Where else the certificate of a CA can be read, when its file is gone; keys lie nowhere else.

A certificate is only taken back that is beyond doubt: it belongs to the CA's key, or has signed
what is there, or this host's own record names it.
"""

import base64
import binascii
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from kubeception.endpoints import LOOPBACK
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.kept import identity
from kubeception.layout import Pair
from kubeception.pki import catalog, issue
from kubeception.pki.catalog import Entry
from kubeception.render import kubelet_serving
from kubeception.session import Session

log = logging.getLogger("kubeception.pki")

_EMBEDDED = re.compile(r"""certificate-authority-data["']?\s*:\s*["']?([A-Za-z0-9+/=]+)""")
# The API server publishes there by which CAs it knows its clients.
_PUBLISHED = "/registry/configmaps/kube-system/extension-apiserver-authentication"
_PUBLISHED_SERVING = f"/registry/configmaps/kube-system/{kubelet_serving.NAME}"
# What an administrator may have beside ours.
_PEOPLES = (Path("/root/.kube/config"),)


def entries(session: Session) -> Iterator[Entry]:
    """Yield the rows of the table that are CAs."""
    table = catalog.entries(session.config, "", LOOPBACK)
    return (entry for entry in table if entry.issuer is None)


def signed_by(session: Session, ca: Pair) -> Iterator[tuple[Path, bytes]]:
    """Yield the certificates that are there of those that a CA has signed, and their paths.

    What another CA of ours has signed is none of them: an earlier version had fewer CAs.
    """
    at = session.config.layout
    table = catalog.entries(session.config, "", LOOPBACK)
    leaves = [entry.at.certificate for entry in table if entry.issuer == ca]
    if ca == at.pki.ca:
        leaves.append(at.kubelet.renewed_client)
    others = [pem for entry in entries(session) if entry.at != ca for pem in _known(session, entry)]
    for path in leaves:
        pem = session.host.content(path)
        if pem is None or not issue.is_certificate(pem):
            continue
        if not any(issue.is_signed_by(pem, other) for other in others):
            yield path, pem


def copy_of(session: Session, entry: Entry) -> tuple[bytes, str] | None:
    """Return the certificate of a CA whose file is gone or garbage, and where it was found."""
    key = session.host.content(entry.at.key)
    for pem, where, is_recorded in _candidates(session, entry):
        if not issue.is_certificate(pem):
            continue
        if key is not None and not issue.key_problem(key):
            if issue.public_key_of(pem) == issue.public_key(key):
                return pem, where
        elif is_recorded or any(
            issue.is_signed_by(leaf, pem) for _, leaf in signed_by(session, entry.at)
        ):
            return pem, where
    return None


def lost_one(session: Session, entry: Entry) -> tuple[bytes, str] | None:
    """Return the certificate of a CA that is gone and can be put back, and where it was found."""
    pem = session.host.content(entry.at.certificate)
    is_there = pem is not None and issue.is_certificate(pem)
    return None if is_there else copy_of(session, entry)


def put_back(session: Session, entry: Entry, pem: bytes, where: str) -> None:
    """Write a certificate that was lost, and say where it was found."""
    files.write(session.host.at(entry.at.certificate), pem)
    log.warning("%s was gone; it is back, as %s has it", entry.at.certificate, where)


def put_all_back(session: Session) -> None:
    """Put back the certificate of each CA that is gone and can be read elsewhere."""
    for entry in entries(session):
        if found := lost_one(session, entry):
            put_back(session, entry, *found)


def _candidates(session: Session, entry: Entry) -> Iterator[tuple[bytes, str, bool]]:
    """Yield what may be the certificate, where it was found, and whether the record has it so."""
    at = session.config.layout
    known = identity.read(session.layout.member)
    if known and (recorded := known.authorities.get(catalog.name(at.pki, entry.at))):
        yield recorded.encode(), str(at.member), True
    published = _PUBLISHED
    if entry.at == at.pki.kubelet_serving_ca:
        trusted, published = at.pki.kubelet_serving_cas, _PUBLISHED_SERVING
        for pem in issue.certificates(session.host.content(trusted) or b""):
            yield pem, str(trusted), False
    elif entry.at not in {at.pki.ca, at.pki.front_proxy_ca}:
        return
    if entry.at == at.pki.ca:
        ours = at.kubernetes
        people = (at.kubeconfig_cluster, at.kubeconfig_bootstrap, *_PEOPLES)
        for path in (ours.admin, ours.kubelet, ours.controller_manager, ours.scheduler, *people):
            text = (session.host.content(path) or b"").decode(errors="replace")
            for data in _EMBEDDED.findall(text):
                yield from ((pem, str(path), False) for pem in _decoded(data))
    try:
        found = session.etcd.value(published) or b""
    except KubeceptionError:
        return
    for pem in issue.certificates(found):
        yield pem, f"{published} in etcd", False


def is_published(session: Session) -> bool | None:
    """Tell whether the cluster in etcd knows its clients by our CA; None where it says nothing.

    Raises:
        KubeceptionError: etcd can't be asked, or our CA can't be read.
    """
    published = issue.certificates(session.etcd.value(_PUBLISHED) or b"")
    ca = session.host.content(session.config.layout.pki.ca.certificate)
    if not published or ca is None:
        return None
    return issue.public_key_of(ca) in {issue.public_key_of(pem) for pem in published}


def _known(session: Session, entry: Entry) -> Iterator[bytes]:
    """Yield the certificate of a CA as its file has it, and as this host's record does."""
    name = catalog.name(session.config.layout.pki, entry.at)
    known = identity.read(session.layout.member)
    for pem in (
        session.host.content(entry.at.certificate) or b"",
        (known.authorities.get(name, "") if known else "").encode(),
    ):
        yield from issue.certificates(pem)


def _decoded(data: str) -> list[bytes]:
    try:
        return issue.certificates(base64.b64decode(data))
    except binascii.Error:
        return []
