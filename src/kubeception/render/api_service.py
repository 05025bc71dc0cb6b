"""Service, Endpoints and EndpointSlice `default/kubernetes`.

API servers run without an endpoint reconciler (two on one address would erase each other's entry),
so where the API is to be found is wanted like any other object: at each control-plane host's door.
"""

from collections.abc import Iterator

from kubeception.endpoints import API_PORT, SERVICE_PORT
from kubeception.facts import ClusterFacts
from kubeception.render import objects

NAME, IN = "kubernetes", "default"
# Where it is to be found, by kind.
PLACES = ("Endpoints", "EndpointSlice")
_PORT = {"name": "https", "port": API_PORT, "protocol": "TCP"}


def everything(cluster: ClusterFacts) -> Iterator[objects.Object]:
    """Yield the three objects."""
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata({"component": "apiserver", "provider": "kubernetes"}),
        "spec": {
            "clusterIP": str(cluster.settings.net.apiserver_ip),
            "ports": [{**_PORT, "port": SERVICE_PORT, "targetPort": API_PORT}],
        },
    }
    hosts = sorted(cluster.control_planes.values(), key=int)
    addresses = list(map(str, hosts))
    yield {
        "apiVersion": "v1",
        "kind": "Endpoints",
        # The slice beside it is ours too, so no controller may copy this one.
        "metadata": _metadata({"endpointslice.kubernetes.io/skip-mirror": "true"}),
        "subsets": [{"addresses": [{"ip": address} for address in addresses], "ports": [_PORT]}],
    }
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _metadata({"kubernetes.io/service-name": NAME}),
        "addressType": f"IPv{hosts[0].version}",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}} for address in addresses
        ],
        "ports": [_PORT],
    }


def led_to(place: objects.Object) -> set[str]:
    """Return to where the Service leads by one of its places, as an API server has it."""
    if place["kind"] == "Endpoints":
        return {
            f"{address['ip']}:{port['port']}"
            for subset in place.get("subsets") or ()
            for address in subset.get("addresses") or ()
            for port in subset.get("ports") or ()
        }
    return {
        f"{address}:{port.get('port')}"
        for endpoint in place.get("endpoints") or ()
        if endpoint.get("conditions", {}).get("ready") is not False
        for address in endpoint["addresses"]
        for port in place.get("ports") or ()
    }


def _metadata(labels: dict[str, str]) -> objects.Object:
    return objects.metadata(NAME, namespace=IN, labels=labels)
