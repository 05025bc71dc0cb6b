"""`kubeception token`: what a person carries to a host that is to join."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubeception import timestamp
from kubeception.cli import options, table
from kubeception.cli.terminal import emit
from kubeception.endpoints import url
from kubeception.session import on_control_plane

if TYPE_CHECKING:
    from kubeception.admin.tokens import TokenStatus

_ROLES = ("worker", "control-plane")


@click.group()
def token() -> None:
    """Let hosts join, once each, and take that back.

    On a control-plane host, as root. Exit code 3 says that this host is none, 2 that what was asked
    for is impossible.
    """


@token.command()
@options.config_file
@options.output
@click.option(
    "--node", metavar="NAME", callback=options.node_name, help="Only for the node of this name."
)
@click.option(
    "--rejoin",
    metavar="NAME",
    callback=options.node_name,
    help="Only for this node, which the cluster knows already: its host was lost, or made anew.",
)
@click.option(
    "--any-node", is_flag=True, help="For whichever host has it, by whatever name is free."
)
@click.option(
    "--any-source",
    is_flag=True,
    help="Also where the host is seen from another address than its own: behind NAT, say.",
)
@click.option("--ttl", type=options.DURATION, default="1h", show_default=True, help="How long.")
@click.option("--role", type=click.Choice(_ROLES), default="worker", show_default=True)
def create(
    config_file: Path | None,
    output: str,
    node: str | None,
    rejoin: str | None,
    any_node: bool,
    any_source: bool,
    ttl: timedelta,
    role: str,
) -> None:
    """Make a token and say, once, how to join with it.

    It is good for one host, by the name that it is for: who gets hold of it can be no other node.
    That host has to join by its own address, so that it gets certificates for no other one.
    The cluster keeps its public half alone, so nobody can say it again.

    \b
    Example:
      kubeception token create --node w1 --ttl 15m
      kubeception token create --rejoin w1 -o json
    """
    if role != "worker":
        raise click.UsageError("role control-plane is reserved: hosts join as workers so far")
    if bool(node) + bool(rejoin) + any_node != 1:
        raise click.UsageError(
            "one of --node, --rejoin and --any-node says whom the token is for: "
            "kubeception token create --node NAME"
        )
    if not ttl:
        raise click.UsageError("--ttl 0 would make a token that has expired already")
    options.only_root("reach the cluster's keys", "token …")
    from kubeception.admin import tokens
    from kubeception.config.names import Reserved
    from kubeception.gather import address
    from kubeception.host import core_dump

    config = options.loaded(config_file)
    core_dump.refuse()
    with on_control_plane(config) as session:
        where = f"{url(address(session), config.kubeception.join_port)}/join"
        of_host = rejoin or node
        reserved = Reserved(config.net.cluster_domain, config.apiserver.extra_sans)
        if of_host and (problem := reserved.node_problem(of_host)):
            raise click.UsageError(problem)
        made, record = tokens.create(
            session, node=of_host, rejoin=rejoin is not None, any_source=any_source, ttl=ttl
        )
    expires = timestamp.text(record.expires)
    if output == "json":
        told = {"id": made.id, "token": made.text(), "url": where, "expires": expires}
        emit(told)
        return
    click.echo(f"# Good once, until {expires}. On the host that is to join, as root:")
    click.echo(f"kubeception join --url {where} --token-file - <<'EOF'")
    click.echo(made.text())
    click.echo("EOF")


@token.command(name="list")
@options.config_file
@options.output
def list_(config_file: Path | None, output: str) -> None:
    """Show the tokens that the cluster knows, and what they are good for.

    A token is unused, spent, revoked or expired; a day after it was spent or has expired it is
    forgotten.

    \b
    Example:
      kubeception token list -o json
    """
    options.only_root("reach the cluster's keys", "token …")
    from kubeception.admin import tokens

    with on_control_plane(options.loaded(config_file)) as session:
        found = tokens.listed(session)
    if output == "json":
        emit([_row(one) for one in found])
        return
    head = ("ID", "ROLE", "STATE", "EXPIRES", "NODE")
    click.echo("\n".join(table.lines(head, map(_cells, found))))


@token.command()
@options.config_file
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def delete(config_file: Path | None, ids: tuple[str, ...]) -> None:
    """Revoke tokens, at once and for good; hosts that have joined stay.

    Exit code 1 says that one of them is not known; then none was revoked.

    \b
    Example:
      kubeception token delete k3x9a0q2bd
    """
    options.only_root("reach the cluster's keys", "token …")
    from kubeception.admin import tokens

    with on_control_plane(options.loaded(config_file)) as session:
        tokens.delete(session, ids)
    for one in ids:
        click.echo(f"token {one}: revoked")


def _row(one: "TokenStatus") -> dict[str, object]:
    return {
        "id": one.record.id,
        "role": one.record.role.value,
        "node": one.record.node,
        "rejoin": one.record.rejoin,
        "any_source": one.record.any_source,
        "expires": timestamp.text(one.record.expires),
        "state": one.state.value,
    }


def _cells(one: "TokenStatus") -> tuple[str | None, ...]:
    record = one.record
    node = f"{record.node} (rejoin)" if record.rejoin else record.node
    return record.id, record.role.value, one.state.value, timestamp.text(record.expires), node
