"""Kubeconfigs: a host's own refer to files, so that clients read a renewed certificate again."""

import base64

from kubeception.layout import OUR_MARK, Pair
from kubeception.render import objects

CLUSTER = "kubernetes"


def document(*, user: str, server: str, ca: Pair, client: Pair) -> str:
    """Return the kubeconfig of one user for one server."""
    cluster = {"server": server, "certificate-authority": str(ca.certificate)}
    shown = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    return OUR_MARK + _document(user, cluster, shown)


def embedded(*, user: str, server: str, ca: bytes, certificate: bytes, key: bytes) -> str:
    """Return one that refers to no file, and so works anywhere."""
    cluster = {"server": server, "certificate-authority-data": _written(ca)}
    shown = {
        "client-certificate-data": _written(certificate),
        "client-key-data": _written(key),
    }
    return _document(user, cluster, shown)


def _document(user: str, cluster: dict[str, str], shown: dict[str, str]) -> str:
    context = f"{user}@{CLUSTER}"
    return objects.document(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CLUSTER, "cluster": cluster}],
            "users": [{"name": user, "user": shown}],
            "contexts": [{"name": context, "context": {"cluster": CLUSTER, "user": user}}],
            "current-context": context,
        }
    )


def _written(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
