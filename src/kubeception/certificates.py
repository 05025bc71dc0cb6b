"""Read the certificates of a host, and say what is wrong with each; changes nothing, asks nobody.

What each has to be is the table's; how one is judged is `pki/issue.py`'s.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from kubeception import losses, timestamp
from kubeception.endpoints import LOOPBACK, Address
from kubeception.errors import KubeceptionError
from kubeception.gather import chosen_address, node_name
from kubeception.kept import membership
from kubeception.pki import catalog, issue, kubeconfigs
from kubeception.resources.keypair import KeyPair
from kubeception.resources.kubelet_client import KubeletClient
from kubeception.session import Session

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Row:
    """One certificate: what it is called, where it lies, until when it holds, what is wrong.

    `days` are whole ones, below zero where it has expired; they, `expires` and `issuer` are None
    where no certificate can be read.
    """

    name: str
    file: str
    days: int | None
    expires: str | None
    issuer: str | None
    problem: str | None


def look(session: Session) -> list[Row]:
    """Return every certificate that this host has, or lacks, the first to expire first.

    Raises:
        KubeceptionError: the host has no address that certificates could be compared with.
    """
    node = node_name(session)
    address = chosen_address(session)
    if not address:
        raise KubeceptionError(
            "there is no default route to take the node's address from",
            hint="set address in the [node] section of the configuration",
        )
    rows = [
        *_table(session, node, address),
        *_kubelets_own(session, node),
        *_workers_server(session, node, address),
        *_kubeconfigs(session),
        *_service_account(session),
    ]
    rows += _copies(session, unfit={row.file for row in rows if row.problem})
    return sorted(rows, key=lambda row: (row.days is not None, row.days, row.name))


def until(session: Session, node: str) -> dict[Path, datetime]:
    """Return until when each certificate that can be read holds."""
    layout = session.config.layout
    table = catalog.entries(session.config, node, LOOPBACK)  # where they lie, and no more
    found = {}
    kubelets = (layout.kubelet.renewed_client, layout.kubelet.renewed_server)
    for path in (*(entry.at.certificate for entry in table), *kubelets):
        with contextlib.suppress(OSError, ValueError):
            found[path] = issue.valid_until(session.host.real(path).read_bytes())
    return found


def expiring(session: Session, node: str) -> str | None:
    """Say which certificate that can be renewed here has too little time left, the first of them.

    The kubelet renews its own by itself, until that has expired.
    """
    layout, now = session.config.layout, session.host.clock.now()
    found = until(session, node)
    due = []
    for entry, ca in catalog.leaves(session.config, node, LOOPBACK):
        left = found.get(entry.at.certificate, now + catalog.CA_LIFETIME) - now
        if left < catalog.RENEWED_WITHIN and session.host.at(ca.key).exists():
            due.append((left, catalog.name(layout.pki, entry.at)))
    left = found.get(layout.kubelet.renewed_client, now) - now
    if left < timedelta(0) and session.host.at(layout.pki.ca.key).exists():
        due.append((left, catalog.KUBELETS_OWN))
    if not due:
        return None
    left, name = min(due)
    has = "has expired" if left < timedelta(0) else f"has {left // _DAY} days left"
    return f"certificate {name} {has}"


def broken(session: Session) -> str | None:
    """Say which leaf is missing or won't do, where a bootstrap can issue it anew; the first one.

    Or which copy of a pod's is another one than what was copied.
    """
    by_file = {str(e.at.certificate): ca for e, ca in catalog.leaves(session.config, "", LOOPBACK)}
    for row in look(session):
        if row.problem and Path(row.file).is_relative_to(session.config.layout.pods):
            return f"{row.file}: {row.problem}"
        ca = by_file.get(row.file)
        if row.problem and ca is not None and session.host.at(ca.key).exists():
            return f"certificate {row.name}: {row.problem}"
    return None


def not_renewable(session: Session, asked: Iterable[str]) -> list[str]:
    """Return what keeps certificates from being renewed here: those asked for, or any."""
    pki, asked = session.config.layout.pki, set(asked)
    table = list(catalog.leaves(session.config, "", LOOPBACK))
    if not asked and not any(session.host.at(entry.at.certificate).exists() for entry, _ in table):
        return ["there is no certificate on this host that could be renewed"]
    return [
        f"{name}: the key of its CA, {ca.key}, is not on this host"
        for entry, ca in table
        if (name := catalog.name(pki, entry.at)) in asked and not session.host.at(ca.key).exists()
    ]


def _table(session: Session, node: str, address: Address) -> Iterator[Row]:
    pki, algorithm = session.config.layout.pki, session.config.certificates.key_algorithm
    entries = list(catalog.entries(session.config, node, address))
    here = [one for one in entries if session.host.at(one.at.certificate).exists()]
    # A worker has the cluster's CA, and misses nothing.
    has_table = any(entry.at != pki.ca for entry in here)
    for entry in entries if has_table else here:
        problem = KeyPair(entry, algorithm).drift(session)
        name = catalog.name(pki, entry.at)
        yield _row(session, name, entry.at.certificate, problem)


def _kubelets_own(session: Session, node: str) -> Iterator[Row]:
    at = session.config.layout
    path = at.kubelet.renewed_client
    if session.host.real(path).exists():
        wanted = KubeletClient(
            path,
            at.kubelet.reissued_client,
            catalog.kubelet_client(node),
            at.pki.ca,
            session.config.certificates.key_algorithm,
        )
        yield _row(session, catalog.KUBELETS_OWN, path, wanted.drift(session))


def _workers_server(session: Session, node: str, address: Address) -> Iterator[Row]:
    """Yield what a worker's kubelet serves with; a control-plane host's is in the table."""
    path = session.config.layout.kubelet.renewed_server
    pem = session.host.content(path)
    if pem is not None and membership.read(session.layout.membership):
        certificate, key = issue.halves(pem)
        at, now = session.config.layout.pki, session.host.clock.now()
        # A cluster of an earlier version publishes no CA for it.
        read = session.host.content
        known = read(at.kubelet_serving_cas) or read(at.ca.certificate)
        cas = issue.certificates(known or b"")
        ca = next((one for one in cas if issue.is_signed_by(certificate, one)), (*cas, None)[0])
        spec = catalog.kubelet_server(node, address)
        problem = issue.certificate_problem(spec, certificate, key, ca=ca, now=now)
        yield _judged(session, catalog.KUBELETS_OWN_SERVER, path, certificate, problem)


def _kubeconfigs(session: Session) -> Iterator[Row]:
    """Yield what kubeconfigs embed, and the files that they name and the table doesn't."""
    at, now = session.config.layout, session.host.clock.now()
    pki = at.pki
    table = {entry.at.certificate for entry in catalog.entries(session.config, "", LOOPBACK)}
    ca = session.host.content(pki.ca.certificate)
    named = at.kubernetes
    ours = [named.kubelet]
    if membership.read(session.layout.membership) is None:  # a worker has no other
        ours += [named.admin, named.controller_manager, named.scheduler]
        ours += [at.kubeconfig_bootstrap, at.kubeconfig_cluster]
    are_there = any(session.host.content(path) is not None for path in ours)
    for path in ours:
        if unfit := _access_problem(session, path):
            if are_there or unfit != "missing":
                yield Row(path.name, str(path), None, None, None, unfit)
            continue
        text = (session.host.content(path) or b"").decode(errors="replace")
        for client in kubeconfigs.clients(text):
            file = Path(client.certificate) if isinstance(client.certificate, str) else path
            if file in table or file == at.kubelet.renewed_client:
                continue
            pem = _content(session, client.certificate)
            key = _content(session, client.key)
            if pem is None or not issue.is_certificate(pem):
                problem: str | None = "missing" if pem is None else "is no certificate"
            else:
                problem = issue.pair_problem(pem, key, ca=ca, now=now)
            yield _judged(session, path.name, file, pem, problem)


def _access_problem(session: Session, path: Path) -> str | None:
    """Say why nobody can use a kubeconfig, whoever's it is; or None."""
    content = session.host.content(path)
    if content is None:
        return "missing"
    text = content.decode(errors="replace")
    return None if kubeconfigs.is_one(text) else "is no kubeconfig"


def _service_account(session: Session) -> Iterator[Row]:
    """Yield the pair that ServiceAccounts' tokens are signed and checked by, where there is one."""
    at = session.config.layout.pki
    key = session.host.content(at.service_account_key)
    public = session.host.content(at.service_account_public)
    if key is None and public is None:
        return
    problem = next((loss.problem for loss in losses.of_service_account(session)), None)
    if problem is None and key is not None:
        # Its losses have nothing against it, so it is a key.
        is_whole = issue.public_key(key) in issue.public_keys(public or b"")
        words = "missing" if public is None else "does not belong to its key"
        if not is_whole:
            yield Row("sa", str(at.service_account_public), None, None, None, words)
    if problem:
        yield Row("sa", str(at.service_account_key), None, None, None, problem)


def _copies(session: Session, *, unfit: Collection[str]) -> Iterator[Row]:
    """Yield pods' copies of what we make that are another thing than the original, which is fit."""
    at = session.config.layout
    top = session.host.real(at.pods)
    for copy in sorted(top.glob("*/**/*")):
        component, *inside = copy.relative_to(top).parts
        original = Path("/", *inside)
        if original not in at.made or {str(original), str(original.with_suffix(".crt"))} & {*unfit}:
            continue
        content = session.host.content(original)
        if content not in {None, session.host.content(at.pods / component / Path(*inside))}:
            name, file = f"{component}/{original.name}", at.pods / component / Path(*inside)
            yield Row(name, str(file), None, None, None, f"is not as {original} is")


def _content(session: Session, part: bytes | str | None) -> bytes | None:
    """Return what a kubeconfig embeds or the content of the file that it names."""
    return session.host.content(Path(part)) if isinstance(part, str) else part


def _row(session: Session, name: str, path: Path, problem: str | None) -> Row:
    return _judged(session, name, path, session.host.content(path), problem)


def _judged(session: Session, name: str, path: Path, pem: bytes | None, problem: str | None) -> Row:
    if pem is None or not issue.is_certificate(pem):
        return Row(name, str(path), None, None, None, problem)
    ends = issue.valid_until(pem)
    days = (ends - session.host.clock.now()) // _DAY
    return Row(name, str(path), days, timestamp.text(ends), issue.issuer(pem), problem)
