"""The client certificates in a kubeconfig, whoever wrote it."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

# A scalar of JSON, or of YAML as the tools of Kubernetes write it.
_SCALAR = r"""["']?{name}["']?[ \t]*:[ \t]*["']?([^"',\s]+)"""


@dataclass(frozen=True)
class KubeconfigClient:
    """What a user of a kubeconfig shows: content where it is embedded, a path where it is named."""

    certificate: bytes | str
    key: bytes | str | None


def is_one(text: str) -> bool:
    """Tell whether a text says anything that a kubeconfig says; an empty or cut one does not."""
    names = "client-certificate(-data)?|token|exec|server"
    return bool(re.search(rf"""["']?({names})["']?\s*:""", text))


def clients(text: str) -> Iterator[KubeconfigClient]:
    """Yield the certificate of each user who has one, with its key, in the order of the file."""
    certificates, keys = _parts(text, "client-certificate"), _parts(text, "client-key")
    for certificate, key in zip_longest(certificates, keys):
        if certificate is not None:
            yield KubeconfigClient(certificate, key)


def _parts(text: str, name: str) -> Iterator[bytes | str]:
    for found in re.finditer(_SCALAR.format(name=f"{name}(-data)?"), text):
        is_embedded, value = found.groups()
        yield _decoded(value) if is_embedded else value


def _decoded(value: str) -> bytes:
    """Return embedded content; what can't be read is no certificate either."""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""
