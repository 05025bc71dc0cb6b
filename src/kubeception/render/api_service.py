"""Service, Endpoints and EndpointSlice `default/kubernetes`.

API servers run without an endpoint reconciler (two on one address would erase each other's entry),
so where the API is to be found is wanted like any other object: at each control-plane host's door.
"""

from collections.abc import Iterator

from kubeception.endpoints import API_PORT, SERVICE_PORT
from kubeception.facts import ClusterFacts
from kubeception.render import objects

NAME = "kubernetes"


def everything(cluster: ClusterFacts) -> Iterator[objects.Object]:
    """Yield the three objects."""
    hosts = sorted(cluster.control_planes.values(), key=int)
    addresses = list(map(str, hosts))
    port = {"name": "https", "port": API_PORT, "protocol": "TCP"}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata({"component": "apiserver", "provider": "kubernetes"}),
        "spec": {
            "clusterIP": str(cluster.settings.net.apiserver_ip),
            "ports": [{**port, "port": SERVICE_PORT, "targetPort": API_PORT}],
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "Endpoints",
        # The slice beside it is ours too, so no controller may copy this one.
        "metadata": _metadata({"endpointslice.kubernetes.io/skip-mirror": "true"}),
        "subsets": [{"addresses": [{"ip": address} for address in addresses], "ports": [port]}],
    }
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _metadata({"kubernetes.io/service-name": NAME}),
        "addressType": f"IPv{hosts[0].version}",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}} for address in addresses
        ],
        "ports": [port],
    }


def _metadata(labels: dict[str, str]) -> objects.Object:
    return objects.metadata(NAME, namespace="default", labels=labels)
