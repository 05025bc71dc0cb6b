"""Options that several commands have."""

from pathlib import Path

import click

config_file = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file.  [default: /etc/kubeception/config.toml]",
)
output = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)
