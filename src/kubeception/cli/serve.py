"""`kubeception serve`."""

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Answer joining hosts (runs inside the cluster)")
@click.option("--certificate", type=FILE, required=True, help="PEM file, chain included.")
@click.option("--key", type=FILE, required=True, help="PEM file of the certificate's key.")
@click.option("--address", default="0.0.0.0", show_default=True, help="Where to listen.")  # noqa: S104 - the pod's own network
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True)
def serve(certificate: Path, key: Path, address: str, port: int) -> None:
    """Answer joining hosts over TLS 1.3; runs inside the cluster.

    There is /healthz so far. SIGTERM ends it with exit code 0.
    """
    from kubeception.join import service

    service.serve(certificate, key, address=address, port=port)
