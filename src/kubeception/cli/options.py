"""Options that several commands have."""

import os
import re
from datetime import timedelta
from pathlib import Path

import click

from kubeception.config import Config
from kubeception.config.load import load
from kubeception.errors import PreflightError
from kubeception.host import kernel
from kubeception.host.gateway import this_host
from kubeception.source import DIGESTS, is_url

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


class _Duration(click.ParamType[timedelta]):
    """A length of time such as 90s, 30m or 2h."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        found = self.length(str(value))
        if found is None:
            self.fail(f"{value!r} is no length of time such as 90s, 30m or 2h", param, ctx)
        return found

    @staticmethod
    def length(text: str) -> timedelta | None:
        """Read one, for who tells of several wrong things at once."""
        found = re.fullmatch(r"(\d{1,6})([smh])", text)
        return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


def seen(path: Path) -> Path:
    """Return where a path that the user gave lies: one that a container lacks is its host's."""
    if os.path.exists(path):  # noqa: PTH110 - what can't be looked at is not there
        return path
    on_host = this_host().at(path.absolute())
    return on_host if os.path.exists(on_host) else path  # noqa: PTH110 - see above


def loaded(path: Path | None = None) -> Config:
    """Return the configuration at `path`, by default the host's own."""
    return load(path, root=this_host().root)


def node_name(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    """Take a name that a node can have."""
    from kubeception.config import names

    if value is not None and (problem := names.node_problem(value)):
        raise click.BadParameter(problem)
    return value


def sha256(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Take a SHA-256 in hex."""
    if value is not None and not re.fullmatch(DIGESTS, value):
        raise click.BadParameter(f"{value!r} is no SHA-256 of 64 hex digits")
    return value


def url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Take the URL of a folder; one with a password in it is not said again."""
    if value is None or is_url(value):
        return value
    if "@" in value.partition("://")[2].partition("/")[0]:
        raise click.BadParameter(
            "there is a user in this URL; a server for bundles asks nobody who he is"
        )
    raise click.BadParameter(f"{value!r} is no URL of a folder such as https://192.0.2.1/1.37.1")


def only_root(what: str, command: str) -> None:
    """Go on only as root.

    Raises:
        PreflightError: somebody else asks; what only root can, and the command, are said.
    """
    if not kernel.is_root():
        raise PreflightError([f"only root can {what}"], hint=f"sudo kubeception {command}")


DURATION = _Duration()
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
existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)
# What a command needs that runs inside the cluster and asks the API.
cluster_domain = click.option(
    "--cluster-domain", required=True, help="The cluster's domain, which no host is in."
)
reserved = click.option(
    "--reserved",
    multiple=True,
    metavar="NAME",
    help="A name or an address of the API, besides its own, which no host has.",
)
cluster_ca = click.option(
    "--cluster-ca", type=existing_file, required=True, help="PEM file of the cluster's CA."
)
account_token = click.option(
    "--token",
    type=existing_file,
    default="/var/run/secrets/kubernetes.io/serviceaccount/token",
    show_default=True,
    help="File of the ServiceAccount's token.",
)
