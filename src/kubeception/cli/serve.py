"""`kubeception serve`."""

from pathlib import Path

import click

from kubeception.cli import options


@click.command(short_help="Answer joining hosts (runs inside the cluster)")
@click.option("--certificate", type=options.existing_file, required=True, help="PEM file.")
@click.option(
    "--key", type=options.existing_file, required=True, help="PEM file of the certificate's key."
)
@click.option(
    "--ca", type=options.existing_file, required=True, help="PEM file of the certificate's CA."
)
@click.option("--address", default="0.0.0.0", show_default=True, help="Where to listen.")  # noqa: S104 - the pod's own network
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True)
@click.option("--api", metavar="URL", required=True, help="Where this service asks the API.")
@click.option(
    "--endpoint",
    "endpoints",
    metavar="URL",
    multiple=True,
    required=True,
    help="Where hosts that join find the API; they are told all of them.",
)
@options.cluster_ca
@options.account_token
@click.option("--cluster-dns", required=True, help="The cluster DNS's address, for kubelets.")
@options.cluster_domain
@options.reserved
def serve(
    certificate: Path,
    key: Path,
    ca: Path,
    address: str,
    port: int,
    api: str,
    endpoints: tuple[str, ...],
    cluster_ca: Path,
    token: Path,
    cluster_dns: str,
    cluster_domain: str,
    reserved: tuple[str, ...],
) -> None:
    """Answer joining hosts over TLS 1.3; runs inside the cluster.

    There are /join and /healthz. SIGTERM ends it with exit code 0.

    \b
    Example:
      kubeception serve --certificate join.crt --key join.key --ca join-ca.crt \\
        --api https://10.3.0.1:443 --endpoint https://192.0.2.10:6443 --cluster-ca ca.crt \\
        --cluster-dns 10.3.0.10 --cluster-domain cluster.local
    """
    from kubeception.config.names import Reserved
    from kubeception.join import service

    settings = service.ServiceOptions(
        certificate=certificate,
        key=key,
        ca=ca,
        address=address,
        port=port,
        api=api,
        endpoints=endpoints,
        cluster_ca=cluster_ca,
        token=token,
        cluster_dns=cluster_dns,
        reserved=Reserved(cluster_domain, reserved),
    )
    service.serve(settings)
