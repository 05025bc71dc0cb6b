"""Kubeconfigs; they refer to files, so that clients read a renewed certificate again."""

from kubeception.layout import OUR_MARK, Pair
from kubeception.render import objects

CLUSTER = "kubernetes"


def document(*, user: str, server: str, ca: Pair, client: Pair) -> str:
    """Return the kubeconfig of one user for one server."""
    context = f"{user}@{CLUSTER}"
    return OUR_MARK + objects.document(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": CLUSTER,
                    "cluster": {"server": server, "certificate-authority": str(ca.certificate)},
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate": str(client.certificate),
                        "client-key": str(client.key),
                    },
                }
            ],
            "contexts": [{"name": context, "context": {"cluster": CLUSTER, "user": user}}],
            "current-context": context,
        }
    )
