"""Options that several commands have."""

from pathlib import Path

import click

from kubeception.config import Config
from kubeception.config.load import load
from kubeception.host.gateway import this_host


def seen(path: Path) -> Path:
    """Return where a path that the user gave lies: one that a container lacks is its host's."""
    on_host = this_host().at(path.absolute())
    return path if path.exists() or not on_host.exists() else on_host


def loaded(path: Path | None = None) -> Config:
    """Return the configuration at `path`, by default the host's own."""
    return load(path, root=this_host().root)


config_file = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=lambda _context, _option, path: path and seen(path),
    help="The configuration file.  [default: /etc/kubeception/config.toml]",
)
output = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)
