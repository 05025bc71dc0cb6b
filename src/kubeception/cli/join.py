"""`kubeception join`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubeception.cli import dry_run as dry
from kubeception.cli import options
from kubeception.cli.summary import show
from kubeception.errors import ConfigError
from kubeception.session import Session

if TYPE_CHECKING:
    from kubeception.pki.token import Token
    from kubeception.resources.credential import RequestCertificate

# A token has 113 letters; what is much longer is another file.
_LONGEST = 1024


@click.command()
@options.config_file
@options.output
@click.option("--url", help="The join service, as `kubeception token create` prints it.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    callback=lambda _context, _option, path: (
        path and (path if str(path) == "-" else options.seen(path))
    ),
    help="The file with the token; - reads standard input.",
)
@click.option("--by-keeper", is_flag=True, hidden=True)
@dry.option
@click.pass_context
def join(
    context: click.Context,
    config_file: Path | None,
    output: str,
    url: str | None,
    token_file: Path | None,
    by_keeper: bool,
    dry_run: bool,
) -> None:
    """Make this host a worker of a cluster.

    The token proves the cluster to this host before anything is sent, and this host to the cluster;
    it is never sent itself. Safe to run again at any time: one that was killed goes on with the
    same token, and on a host that has joined it mends what isn't as wanted and needs no token.
    A host that has another address since it joined, or whose API has, joins again by a token of
    token create --rejoin NAME; what runs on it runs on.
    A dry run needs none either: it asks nobody.

    \b
    Example:
      kubeception join --dry-run
      kubeception join --url https://192.0.2.10:30000/join --token-file token
    """
    from kubeception import workflows
    from kubeception.join import pinned

    options.only_root("join this host to a cluster", "join …")
    with Session(
        options.loaded(config_file), is_patient=not dry_run, is_attended=not by_keeper
    ) as session:
        if dry_run:
            problems, preview = workflows.preview_join(session, source=config_file)
            dry.end(context, preview, problems, output=output)
        why = None if by_keeper else workflows.has_to_join(session)
        is_led = url and token_file and workflows.joins_again(session, pinned.place(url).host)
        ask = _ask(session, url, token_file, why or "") if why or is_led else None
        summary = workflows.join(session, ask=ask, source=config_file)
    show(summary, "join", output=output)


def _ask(
    session: Session, url: str | None, token_file: Path | None, why: str
) -> "RequestCertificate":
    """Return what asks the cluster of a token.

    Raises:
        ConfigError: there is no URL or token to ask with, or none that can be read.
    """
    from kubeception.host import core_dump
    from kubeception.join import pinned
    from kubeception.join.client import JoinClient

    if url is None or token_file is None:
        missing = [
            name for name, it in (("--url", url), ("--token-file", token_file)) if it is None
        ]
        raise ConfigError(
            [f"{name} is missing, and {why}" for name in missing],
            hint="kubeception token create, on a control-plane host, prints the whole command;"
            " with --rejoin NODE for one that has joined before",
        )
    at = pinned.place(url)
    core_dump.refuse()
    token = _token(token_file)
    return JoinClient(at, token, clock=session.host.clock)


def _token(path: Path) -> "Token":
    """Read a token; no message repeats anything of it."""
    from kubeception.pki import token

    name = "standard input" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            text = sys.stdin.read(_LONGEST)
        else:
            with path.open() as file:
                text = file.read(_LONGEST)
    except OSError as error:
        raise ConfigError([f"{name}: {(error.strerror or str(error)).lower()}"]) from error
    except UnicodeDecodeError:
        text = ""
    try:
        return token.parse(text)
    except ValueError as error:
        raise ConfigError([f"{name} {error}"]) from None
