"""Where the cluster's servers listen, and how that is written."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The door of each control-plane host: kubeadm's port of the API.
API_PORT = 6443
BOOTSTRAP_PORT = 6444
# Hosted API servers share a pool: in a roll a host has two, and one that was edited anew a third.
# Five hosts may be at revisions of their own, and one port is free.
HOSTED_PORTS = tuple(range(6445, 6451))
# Of the Service `kubernetes`, and of the cluster's DNS.
SERVICE_PORT = 443
DNS_PORT = 53
# What a Service of type NodePort is given, on every node (--service-node-port-range).
NODE_PORTS = (30000, 32767)
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
LOOPBACK = IPv4Address("127.0.0.1")


def url(host: Address, port: int = API_PORT) -> str:
    """Return the URL of a server at an address; one of IPv6 needs brackets (RFC 3986)."""
    return f"https://[{host}]:{port}" if host.version == 6 else f"https://{host}:{port}"
