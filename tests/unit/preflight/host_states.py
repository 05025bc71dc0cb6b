"""Hosts as preflight finds them, made of a folder."""

import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tests.fixed import HOST
from tests.unit.sessions import Hands, keys_and_certificates, session_of

from kubeception.host import files
from kubeception.preflight.finding import Check
from kubeception.preflight.host_state import HostState
from kubeception.session import Session
from kubeception.versions import Release

# Of the bundle that these hosts use; it differs from the one that is built in.
RELEASE = Release("1.36.4", {}, released=datetime(2026, 9, 1, tzinfo=UTC))


def scene_of(session: Session, *, release: Release = RELEASE) -> HostState:
    """Return a host that is a folder, with no systemd and no API to ask."""
    return HostState(session, release=release, node=HOST.node, address=HOST.address)


def host_with_pki(root: Path, *, hands: Hands | None = None) -> Session:
    """Return a host on which every certificate and key has been made."""
    session = session_of(root, hands=hands)
    for name, content, mode in _pki() if hands is None else ():
        files.write(root / name, content, mode=mode)
    for wanted in keys_and_certificates():
        if wanted.drift(session):
            wanted.apply(session)
    return session


@cache
def _pki() -> list[tuple[Path, bytes, int]]:
    """Return them as files, made once: where a test starts from is the same for all."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        host_with_pki(root, hands=Hands())
        return [
            (path.relative_to(root), path.read_bytes(), files.mode_of(path))
            for path in root.rglob("*")
            if path.is_file()
        ]


def said(check: Check, seen: HostState) -> list[str]:
    """Return what a check finds, with what each finding is."""
    return [f"{finding.severity} {finding}" for finding in check(seen)]
