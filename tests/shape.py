"""What two trees of files have to have in common, made at different times with different keys."""

import os
import re
from pathlib import Path

from cryptography import x509

Said = tuple[object, ...]
Shape = dict[str, Said]

# What is drawn by lot each time a certificate is made.
_OWN = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----")


def shape(root: Path, *folders: str) -> Shape:
    """Return every path below folders of a root: its type, mode and owner, and what it says.

    Keys, serials, signatures and dates are masked; how long a certificate is good is not.
    """
    found: dict[str, Said] = {}
    for folder in folders or (".",):
        here = [root / folder] if os.path.lexists(root / folder) else []
        for path in [*here, *(root / folder).rglob("*")]:
            stat = path.lstat()
            owner = (f"{stat.st_mode:o}", stat.st_uid, stat.st_gid)
            found[str(path.relative_to(root))] = (*owner, _said(path))
    return found


def difference(left: Shape, right: Shape) -> list[str]:
    """Return what differs between two trees, a line for each path."""
    return [
        f"{path}: {left.get(path, 'missing')} != {right.get(path, 'missing')}"
        for path in sorted({*left, *right})
        if left.get(path) != right.get(path)
    ]


def _said(path: Path) -> object:
    if path.is_symlink():
        return str(path.readlink())
    if not path.is_file():
        return None
    content = path.read_bytes()
    kinds = _PEM.findall(content.decode(errors="replace"))
    if not kinds:
        return content
    if kinds != ["CERTIFICATE"]:
        return tuple(kinds)
    made = x509.load_pem_x509_certificate(content)
    return (
        made.subject.rfc4514_string(),
        made.issuer.rfc4514_string(),
        made.not_valid_after_utc - made.not_valid_before_utc,
        tuple(str(one) for one in made.extensions if not isinstance(one.value, _OWN)),
    )
