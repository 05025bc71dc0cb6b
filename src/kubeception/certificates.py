"""Read the certificates of a host, and say what is wrong with each; changes nothing, asks nobody.

What each has to be is the table's; how one is judged is `pki/issue.py`'s.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from kubeception import losses, membership, timestamp
from kubeception.errors import KubeceptionError
from kubeception.gather import chosen_address, node_name
from kubeception.pki import catalog, issue, kubeconfigs
from kubeception.reach import Reach
from kubeception.resources.keypair import KeyPair
from kubeception.resources.kubelet_client import KubeletClient

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


def look(reach: Reach) -> list[Row]:
    """Return every certificate that this host has, or lacks, the first to expire first.

    Raises:
        KubeceptionError: the host has no address that certificates could be compared with.
    """
    node = node_name(reach)
    address = chosen_address(reach)
    if not address:
        raise KubeceptionError(
            "there is no default route to take the node's address from",
            hint="set address in the [node] section of the configuration",
        )
    rows = [
        *_table(reach, node, address),
        *_kubelets_own(reach, node),
        *_workers_server(reach, node, address),
        *_kubeconfigs(reach),
        *_service_account(reach),
    ]
    return sorted(rows, key=lambda row: (row.days is not None, row.days, row.name))


def until(reach: Reach, node: str) -> dict[Path, datetime]:
    """Return until when each certificate that can be read holds."""
    layout = reach.config.layout
    table = catalog.entries(reach.config, node, "127.0.0.1")  # where they lie, and no more
    found = {}
    kubelets = (layout.kubelet.renewed_client, layout.kubelet.renewed_server)
    for path in (*(entry.at.certificate for entry in table), *kubelets):
        with contextlib.suppress(OSError, ValueError):
            found[path] = issue.valid_until(reach.host.real(path).read_bytes())
    return found


def expiring(reach: Reach, node: str) -> str | None:
    """Say which certificate that can be renewed here has too little time left, the first of them.

    The kubelet renews its own by itself, until that has expired.
    """
    layout, now = reach.config.layout, reach.host.clock.now()
    found = until(reach, node)
    due = []
    for entry, ca in catalog.leaves(reach.config, node, "127.0.0.1"):
        left = found.get(entry.at.certificate, now + catalog.CA_LIFETIME) - now
        if left < catalog.RENEWED_WITHIN and reach.host.at(ca.key).exists():
            due.append((left, catalog.name(layout.pki, entry.at)))
    left = found.get(layout.kubelet.renewed_client, now) - now
    if left < timedelta(0) and reach.host.at(layout.pki.ca.key).exists():
        due.append((left, catalog.KUBELETS_OWN))
    if not due:
        return None
    left, name = min(due)
    has = "has expired" if left < timedelta(0) else f"has {left // _DAY} days left"
    return f"certificate {name} {has}"


def broken(reach: Reach) -> str | None:
    """Say which leaf is missing or won't do, where a bootstrap can issue it anew; the first one."""
    by_file = {str(e.at.certificate): ca for e, ca in catalog.leaves(reach.config, "", "127.0.0.1")}
    for row in look(reach):
        ca = by_file.get(row.file)
        if row.problem and ca is not None and reach.host.at(ca.key).exists():
            return f"certificate {row.name}: {row.problem}"
    return None


def not_renewable(reach: Reach, asked: Iterable[str]) -> list[str]:
    """Return what keeps certificates from being renewed here: those asked for, or any."""
    pki, asked = reach.config.layout.pki, set(asked)
    table = list(catalog.leaves(reach.config, "", "127.0.0.1"))
    if not asked and not any(reach.host.at(entry.at.certificate).exists() for entry, _ in table):
        return ["there is no certificate on this host that could be renewed"]
    return [
        f"{name}: the key of its CA, {ca.key}, is not on this host"
        for entry, ca in table
        if (name := catalog.name(pki, entry.at)) in asked and not reach.host.at(ca.key).exists()
    ]


def _table(reach: Reach, node: str, address: str) -> Iterator[Row]:
    pki, algorithm = reach.config.layout.pki, reach.config.certificates.key_algorithm
    entries = list(catalog.entries(reach.config, node, address))
    here = [one for one in entries if reach.host.at(one.at.certificate).exists()]
    # A worker has the cluster's CA, and misses nothing.
    has_table = any(entry.at != pki.ca for entry in here)
    for entry in entries if has_table else here:
        problem = KeyPair(entry, algorithm).drift(reach)
        name = catalog.name(pki, entry.at)
        yield _row(reach, name, entry.at.certificate, problem)


def _kubelets_own(reach: Reach, node: str) -> Iterator[Row]:
    at = reach.config.layout
    path = at.kubelet.renewed_client
    if reach.host.real(path).exists():
        wanted = KubeletClient(
            path,
            at.kubelet.reissued_client,
            catalog.kubelet_client(node),
            at.pki.ca,
            reach.config.certificates.key_algorithm,
        )
        yield _row(reach, catalog.KUBELETS_OWN, path, wanted.drift(reach))


def _workers_server(reach: Reach, node: str, address: str) -> Iterator[Row]:
    """Yield what a worker's kubelet serves with; a control-plane host's is in the table."""
    path = reach.config.layout.kubelet.renewed_server
    pem = _read(reach, path)
    if pem is not None and membership.read(reach.layout.membership):
        certificate, key = issue.halves(pem)
        ca, now = _read(reach, reach.config.layout.pki.ca.certificate), reach.host.clock.now()
        spec = catalog.kubelet_server(node, address)
        problem = issue.certificate_problem(spec, certificate, key, ca=ca, now=now)
        yield _judged(reach, catalog.KUBELETS_OWN_SERVER, path, certificate, problem)


def _kubeconfigs(reach: Reach) -> Iterator[Row]:
    """Yield what kubeconfigs embed, and the files that they name and the table doesn't."""
    at, now = reach.config.layout, reach.host.clock.now()
    pki = at.pki
    table = {entry.at.certificate for entry in catalog.entries(reach.config, "", "127.0.0.1")}
    ca = _read(reach, pki.ca.certificate)
    named = at.kubernetes
    ours = [named.kubelet]
    if membership.read(reach.layout.membership) is None:  # a worker has no other
        ours += [named.admin, named.controller_manager, named.scheduler]
        ours += [at.kubeconfig_bootstrap, at.kubeconfig_cluster]
    are_there = any(_read(reach, path) is not None for path in ours)
    for path in ours:
        if unfit := _access_problem(reach, path):
            if are_there or unfit != "missing":
                yield Row(path.name, str(path), None, None, None, unfit)
            continue
        for client in kubeconfigs.clients((_read(reach, path) or b"").decode(errors="replace")):
            file = Path(client.certificate) if isinstance(client.certificate, str) else path
            if file in table or file == at.kubelet.renewed_client:
                continue
            pem = _content(reach, client.certificate)
            key = _content(reach, client.key)
            if pem is None or not issue.is_certificate(pem):
                problem: str | None = "missing" if pem is None else "is no certificate"
            else:
                problem = issue.pair_problem(pem, key, ca=ca, now=now)
            yield _judged(reach, path.name, file, pem, problem)


def _access_problem(reach: Reach, path: Path) -> str | None:
    """Say why nobody can use a kubeconfig, whoever's it is; or None."""
    content = _read(reach, path)
    if content is None:
        return "missing"
    text = content.decode(errors="replace")
    return None if kubeconfigs.is_one(text) else "is no kubeconfig"


def _service_account(reach: Reach) -> Iterator[Row]:
    """Yield the pair that ServiceAccounts' tokens are signed and checked by, where there is one."""
    at = reach.config.layout.pki
    key, public = _read(reach, at.service_account_key), _read(reach, at.service_account_public)
    if key is None and public is None:
        return
    problem = next((loss.problem for loss in losses.of_service_account(reach)), None)
    if problem is None and key is not None:
        # Its losses have nothing against it, so it is a key.
        is_whole = issue.public_key(key) in issue.public_keys(public or b"")
        words = "missing" if public is None else "does not belong to its key"
        if not is_whole:
            yield Row("sa", str(at.service_account_public), None, None, None, words)
    if problem:
        yield Row("sa", str(at.service_account_key), None, None, None, problem)


def _content(reach: Reach, part: bytes | str | None) -> bytes | None:
    """Return what a kubeconfig embeds or the content of the file that it names."""
    return _read(reach, Path(part)) if isinstance(part, str) else part


def _row(reach: Reach, name: str, path: Path, problem: str | None) -> Row:
    return _judged(reach, name, path, _read(reach, path), problem)


def _judged(reach: Reach, name: str, path: Path, pem: bytes | None, problem: str | None) -> Row:
    if pem is None or not issue.is_certificate(pem):
        return Row(name, str(path), None, None, None, problem)
    ends = issue.valid_until(pem)
    days = (ends - reach.host.clock.now()) // _DAY
    return Row(name, str(path), days, timestamp.text(ends), issue.issuer(pem), problem)


def _read(reach: Reach, path: Path) -> bytes | None:
    try:
        return reach.host.real(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
