"""`kubeception kubeconfig`."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import click

from kubeception.cli import options
from kubeception.errors import ConfigError
from kubeception.session import on_control_plane

log = logging.getLogger("kubeception.pki")

# By this a file is known that may be written over.
_MARK = "# Made by kubeception kubeconfig"


@click.command()
@options.config_file
@click.option("--user", metavar="NAME", help="Whom it is for.  [default: you, as an administrator]")
@click.option(
    "--group", "groups", multiple=True, metavar="GROUP", help="A group of theirs, once for each."
)
@click.option("--ttl", default="8h", show_default=True, help="How long it is good: 10m to 8760h.")
@click.option(
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="A file for it, which only its owner reads.  [default: standard output]",
)
def kubeconfig(
    config_file: Path | None,
    user: str | None,
    groups: tuple[str, ...],
    ttl: str,
    target: Path | None,
) -> None:
    """Print a kubeconfig that works anywhere: the API's address, the CA, a key and a certificate.

    The cluster signs a new certificate for that name, which expires; the administrator's own key
    stays on this host. What a person may do, RBAC says by user and groups: without --user and
    --group it is for you, in the administrators' group; with --user alone it is in no group. Nobody
    can take a certificate back: take the rights of its name back, or let it expire.

    On a control-plane host, as root. Exit code 2 names all that is wrong with what was asked for, 3
    says who else asked, 4 that nobody has signed it in time.

    \b
    Example:
      kubeception kubeconfig > ~/.kube/config
      kubeception kubeconfig --user jane --group dev --ttl 24h --output jane.conf
    """
    from kubeception.admin import credentials
    from kubeception.pki.catalog import ADMINS

    length = options.DURATION.length(ttl)
    name = os.environ.get("SUDO_USER", "root") if user is None else user
    member_of = groups or ((ADMINS,) if user is None else ())
    wrong = [] if length else [f"ttl: {ttl!r} is no length of time such as 90s, 30m or 2h"]
    wrong += credentials.problems(name, member_of, length or credentials.SHORTEST)
    wrong += _problems_of(target) if target else ()
    if wrong or length is None:
        raise ConfigError(wrong, hint="kubeception kubeconfig --help")
    options.only_root("reach the cluster's keys", "kubeconfig …")
    from kubeception import timestamp
    from kubeception.endpoints import url
    from kubeception.gather import address
    from kubeception.host import core_dump, files
    from kubeception.pki import issue
    from kubeception.render import kubeconfig as rendered
    from kubeception.report import Steps

    core_dump.refuse()
    with on_control_plane(options.loaded(config_file)) as session:
        server, ca = url(address(session)), session.layout.pki.ca.certificate
        with Steps(log) as steps, steps.step("certificate", quiet=True) as note:
            made = credentials.make(session, user=name, groups=member_of, ttl=length, note=note)
        text = rendered.embedded(
            user=name, server=server, ca=ca.read_bytes(), certificate=made.certificate, key=made.key
        )
    until = timestamp.text(issue.valid_until(made.certificate))
    text = f"{_MARK} for {name}; good until {until}\n{text}"
    if target is None:
        click.echo(text, nl=False)
    else:
        files.write(options.seen(target.absolute().parent) / target.name, text, mode=0o600)
    of = f"in {', '.join(member_of)}" if member_of else "in no group"
    click.echo(f"kubeconfig of {name}, {of}: good until {until}, and as secret as a key", err=True)
    if not member_of:
        bind = f"kubectl create clusterrolebinding {name} --clusterrole=view --user={name}"
        click.echo(f"hint: what {name} may do is up to RBAC, such as {bind}", err=True)


def _problems_of(target: Path) -> Iterator[str]:
    """Yield why a kubeconfig can't be written to a file: another one is never written over."""
    folder = options.seen(target.absolute().parent)
    path = folder / target.name
    if not folder.is_dir():
        yield f"output: {folder} is no folder"
    elif path.is_symlink() or (path.exists() and not path.is_file()):
        yield f"output: {target} is no plain file"
    elif path.exists() and not path.read_text(errors="replace").startswith(_MARK):
        yield f"output: {target} is there already, and not from this command"
