"""`kubeception controller`."""

import socket
from pathlib import Path

import click

from kubeception.cli import options


@click.command(short_help="Approve kubelets' certificates (runs inside the cluster)")
@click.option("--api", "url", metavar="URL", required=True, help="Where the API is.")
@options.cluster_ca
@options.account_token
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="A range of pods or Services, which no host is in.",
)
@options.cluster_domain
@options.reserved
def controller(
    url: str,
    cluster_ca: Path,
    token: Path,
    networks: tuple[str, ...],
    cluster_domain: str,
    reserved: tuple[str, ...],
) -> None:
    """Approve the certificates of kubelets that joined; runs inside the cluster.

    A first one only for what a host has proven with its token, a serving one only for the name and
    addresses that it joined with. Of several controllers the one that holds the Lease acts. SIGTERM
    ends it with exit code 0.

    \b
    Example:
      kubeception controller --api https://192.0.2.10:6443 --cluster-ca ca.crt \\
        --network 10.244.0.0/16 --network 10.96.0.0/12 --cluster-domain cluster.local
    """
    from ipaddress import ip_network

    from kubeception.config.names import Reserved
    from kubeception.controller import loop
    from kubeception.kube.client import Api, TokenFile
    from kubeception.render import cluster_controller, join_service, objects

    try:
        ranges = tuple(ip_network(network, strict=False) for network in networks)
    except ValueError as error:
        raise click.UsageError(f"--network: {error}") from error
    settings = loop.ControllerOptions(
        join_service=objects.user_of(join_service.NAME),
        reserved=Reserved(cluster_domain, reserved),
        networks=ranges,
        lease=cluster_controller.LEASE,
        name=socket.gethostname(),
    )
    asking, watching = (Api(url, cluster_ca, TokenFile(token)) for _ in range(2))
    loop.run(asking, watching, settings)
