"""Certificates that a person has to look at.

What is missing is made, and a leaf that won't do is issued anew: neither is a problem. What can't
be read is nobody's to replace silently. What is lost of CAs is told in belongings.py.
"""

from collections.abc import Iterator
from pathlib import Path

from kubeception.facts import Accept
from kubeception.layout import Pair
from kubeception.pki import catalog, issue
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.scene import Scene


def content(scene: Scene) -> Iterator[Finding]:
    """Want every leaf's certificate and key that is there to be one."""
    for entry in _table(scene):
        if entry.issuer is not None:
            for path, what in _unreadable(scene, entry.at):
                yield _finding(path, what, "put it back, or move it away and it is issued anew")


def certificates(scene: Scene) -> Iterator[Finding]:
    """Want what has to be issued anew to be issuable: its CA's key has to be here."""
    if Accept.NEW_CA in scene.reach.accepted:
        return  # whoever has lost a CA's key gets another one
    for entry in _table(scene):
        if entry.issuer is None or any(
            (*_unreadable(scene, entry.at), *_unreadable(scene, entry.issuer))
        ):
            continue
        ca = _read(scene, entry.issuer.certificate)
        if ca is None or not scene.is_root:
            continue
        problem = _leaf_problem(scene, entry, ca)
        if problem and _read(scene, entry.issuer.key) is None:
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


def _leaf_problem(scene: Scene, entry: catalog.Entry, ca: bytes) -> str | None:
    pem, key = _read(scene, entry.at.certificate), _read(scene, entry.at.key)
    if pem is None or key is None:
        return "is missing" if pem is None else "its key is missing"
    now = scene.reach.host.clock.now()
    return issue.certificate_problem(entry.spec, pem, key, ca=ca, now=now)


def _table(scene: Scene) -> Iterator[catalog.Entry]:
    # Where there is no address yet, certificates are not compared with one.
    return catalog.entries(scene.config, scene.node, scene.address or "127.0.0.1")


def _unreadable(scene: Scene, at: Pair) -> Iterator[tuple[Path, str]]:
    """Yield each file of a pair that is there and not what it should be."""
    pem, key = _read(scene, at.certificate), _read(scene, at.key)
    if pem is not None and not issue.is_certificate(pem):
        yield at.certificate, "is no certificate"
    if key is not None and (problem := issue.key_problem(key)):
        yield at.key, problem


def _read(scene: Scene, path: Path) -> bytes | None:
    """Return a file's content, None where there is none, or none that this user may read."""
    try:
        return scene.reach.host.at(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError:  # a folder, or a disk that has lost it: nothing that could be used
        return b""


def _finding(path: Path, problem: str, hint: str) -> Finding:
    return Finding(of_path("FileContent", path), f"{path}: {problem}", hint)
