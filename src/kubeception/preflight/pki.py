"""Certificates that a person has to look at.

What is missing is made, and a leaf that won't do is issued anew: neither is a problem. What can't
be read is nobody's to replace silently. What is lost of CAs is told in belongings.py.
"""

from collections.abc import Iterator
from pathlib import Path

from kubeception.endpoints import LOOPBACK
from kubeception.facts import Accept
from kubeception.layout import Pair
from kubeception.pki import catalog, issue
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.host_state import HostState


def content(seen: HostState) -> Iterator[Finding]:
    """Want every leaf's certificate and key that is there to be one."""
    for entry in _table(seen):
        if entry.issuer is not None:
            for path, what in _unreadable(seen, entry.at):
                yield _finding(path, what, "put it back, or move it away and it is issued anew")


def certificates(seen: HostState) -> Iterator[Finding]:
    """Want what has to be issued anew to be issuable: its CA's key has to be here."""
    if Accept.NEW_CA in seen.session.accepted:
        return  # whoever has lost a CA's key gets another one
    for entry in _table(seen):
        if entry.issuer is None or any(
            (*_unreadable(seen, entry.at), *_unreadable(seen, entry.issuer))
        ):
            continue
        ca = _read(seen, entry.issuer.certificate)
        if ca is None or not seen.is_root:
            continue
        problem = _leaf_problem(seen, entry, ca)
        if problem and _read(seen, entry.issuer.key) is None:
            hint = f"put {entry.issuer.key} there, or a certificate that the CA signed"
            why = f"{problem}, and its CA's key is not on this host"
            yield _finding(entry.at.certificate, why, hint)
        elif problem == issue.NOT_BY_ITS_CA:
            hint = f"if {entry.issuer.certificate} is the wrong one, put the right pair back now"
            yield warning(
                of_path("FileContent", entry.at.certificate),
                f"{entry.at.certificate}: {problem}; it is issued anew",
                hint,
            )


def _leaf_problem(seen: HostState, entry: catalog.Entry, ca: bytes) -> str | None:
    pem, key = _read(seen, entry.at.certificate), _read(seen, entry.at.key)
    if pem is None or key is None:
        return "is missing" if pem is None else "its key is missing"
    now = seen.session.host.clock.now()
    return issue.certificate_problem(entry.spec, pem, key, ca=ca, now=now)


def _table(seen: HostState) -> Iterator[catalog.Entry]:
    # Where there is no address yet, certificates are not compared with one.
    return catalog.entries(seen.config, seen.node, seen.address or LOOPBACK)


def _unreadable(seen: HostState, at: Pair) -> Iterator[tuple[Path, str]]:
    """Yield each file of a pair that is there and not what it should be."""
    pem, key = _read(seen, at.certificate), _read(seen, at.key)
    if pem is not None and not issue.is_certificate(pem):
        yield at.certificate, "is no certificate"
    if key is not None and (problem := issue.key_problem(key)):
        yield at.key, problem


def _read(seen: HostState, path: Path) -> bytes | None:
    """Return a file's content, None where there is none, or none that this user may read."""
    try:
        return seen.session.host.at(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError:  # a folder, or a disk that has lost it: nothing that could be used
        return b""


def _finding(path: Path, problem: str, hint: str) -> Finding:
    return Finding(of_path("FileContent", path), f"{path}: {problem}", hint)
