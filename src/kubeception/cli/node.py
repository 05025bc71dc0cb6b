"""`kubeception node`: who is in the cluster or not any more, who reboots or runs a program."""

import functools
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubeception.cli import options, table
from kubeception.cli.batch import Wishes, carry_out, in_batches, out_of_bounds, say_done
from kubeception.cli.terminal import confirm, emit
from kubeception.config import Config
from kubeception.session import on_control_plane

if TYPE_CHECKING:
    from kubeception.admin.nodes import NodeStatus


@click.group()
def node() -> None:
    """List the cluster's nodes, remove workers, have nodes reboot or run a program.

    On a control-plane host, as root; exit code 3 says who else asked.
    """


@node.command(name="list", short_help="Show every node, and how it came in")
@options.config_file
@options.output
def list_(config_file: Path | None, output: str) -> None:
    """Show every node: what it is, whether it is ready, and the token that it joined by.

    \b
    Example:
      kubeception node list -o json
    """
    options.only_root("reach the cluster's keys", "node …")
    from kubeception.admin import nodes

    with on_control_plane(options.loaded(config_file)) as session:
        found = nodes.listed(session)
    if output == "json":
        emit([_row(one) for one in found])
        return
    head = ("NAME", "ROLE", "READY", "ADDRESSES", "TOKEN")
    click.echo("\n".join(table.lines(head, map(_cells, found))))


@node.command()
@options.config_file
@click.argument("name", callback=options.node_name)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--timeout",
    type=options.DURATION,
    default="5m",
    show_default=True,
    help="How long its pods may take to go.",
)
def remove(config_file: Path | None, name: str, yes: bool, timeout: timedelta) -> None:
    """Move a worker's pods elsewhere, and take it out of the cluster.

    Disruption budgets are respected. Pods of DaemonSets stay until the host is switched off or
    reset: run `kubeception reset` there. Afterwards the name is free for a host with a new token.

    Safe to run again; one that was interrupted goes on where it was. Exit code 4 says that pods are
    left, and which; the node is still there then, and takes no new ones.

    \b
    Example:
      kubeception node remove w1 --timeout 10m
    """
    for problem in out_of_bounds("--timeout", timeout):
        raise click.UsageError(problem)
    options.only_root("reach the cluster's keys", "node …")
    from kubeception.admin import nodes

    with on_control_plane(options.loaded(config_file)) as session:
        nodes.refuse_own(session, name)
        if not yes:
            _ask(name)
        was_there = nodes.remove(
            session, name, timeout_s=timeout.total_seconds(), tell=lambda line: click.echo(line)
        )
    if not was_there:
        click.echo(f"node {name}: there is none; nothing was changed")


@node.command(short_help="Let a node renew its certificate that asks with an unknown one")
@options.config_file
@click.argument("name", callback=options.node_name)
def trust(config_file: Path | None, name: str) -> None:
    """Take the certificate by which a node's kubelet asks next as its own.

    A worker renews its certificate with the one that it has, and the cluster knows which that is.
    After etcd was restored from a backup, say, it may not: then the renewal is held, and `status`
    says so. Make sure that it is that host before you trust it.

    \b
    Example:
      kubeception node trust w1
    """
    options.only_root("reach the cluster's keys", "node …")
    from kubeception.admin import nodes

    with on_control_plane(options.loaded(config_file)) as session:
        nodes.trust(session, name)
    click.echo(f"node {name}: the certificate that it asks with next is taken as its own")


def _of_nodes(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the nodes that it is about, none for all of them, and how it goes on."""

    @functools.wraps(command)
    def called(
        names: tuple[str, ...], config_file: Path | None, *, is_all: bool, **given: Any
    ) -> None:
        options.only_root("reach the cluster's keys", "node …")
        config = options.loaded(config_file)
        if (names and is_all) or not (names or is_all or given.get("is_needed")):
            raise click.UsageError("name the nodes, or say --all")
        command(nodes=tuple(dict.fromkeys(names)), config=config, **given)

    is_all = click.option("--all", "is_all", is_flag=True, help="Every node: workers first.")
    shared = is_all(in_batches(options.output(options.config_file(called))))
    return click.argument("names", nargs=-1, metavar="[NODE]...")(shared)


@node.command(short_help="Have nodes reboot in batches, each emptied before")
@click.option("--needed", "is_needed", is_flag=True, help="Only those whose hosts want to.")
@_of_nodes
def reboot(
    nodes: tuple[str, ...],
    wishes: Wishes,
    output: str,
    config: Config,
    *,
    is_needed: bool,
) -> None:
    """Have nodes reboot, a batch at a time.

    A batch is cordoned, then emptied as disruption budgets allow; its hosts reboot, and once they
    are Ready again they take pods as before. Who was cordoned already stays so. After a batch in
    which a node failed nothing more begins. A control-plane host goes by itself, and its own
    control plane, which can run nowhere else, goes and comes with it.

    With --needed it is about those nodes alone, of the named or of all, on whose hosts there is
    /var/run/reboot-required, by which Debian's and Ubuntu's packages say that they want it.

    The cluster does it, so it goes on when this command ends: Ctrl-C only stops watching. See
    `kubeception upgrade status`, `pause`, `resume` and `abort`. Exit code 1 says that a node failed
    or that it was aborted, 3 what speaks against it before anything is changed.

    \b
    Example:
      kubeception node reboot w1 w2 w3 --batch 2
    """
    from kubeception.admin import upgrades

    with on_control_plane(config) as session:
        if is_needed and not (nodes := upgrades.needing_reboot(session, nodes)):
            say_done("no host wants to reboot", output=output)
            return
        order = wishes.order(nodes=nodes)
        carry_out(session, order, output=output, is_watched=not wishes.no_wait)


def _program_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    from kubeception.render.cluster_upgrade import Errand

    if not re.fullmatch(Errand.COMMAND.names, value):
        raise click.BadParameter(f"{value!r} is no name of a program such as update-os")
    return value


@node.command(short_help="Have nodes run a program of yours in batches, each emptied before")
@click.argument("program", callback=_program_name)
@click.option("--reboot", "reboots", is_flag=True, help="Have each host reboot then.")
@_of_nodes
def run(
    program: str,
    nodes: tuple[str, ...],
    wishes: Wishes,
    output: str,
    config: Config,
    *,
    reboots: bool,
) -> None:
    """Have nodes run a program that you have put on their hosts, a batch at a time.

    PROGRAM is the name of one in /etc/kubeception/steps.d on each of these hosts, of small letters,
    digits and dashes. It runs as root and without arguments. It has to belong to root, and nobody
    else may write to it or to its folder. Who ends with anything but 0 has failed; with --reboot
    the others reboot then. One that was cut short, by a power cut say, is run again.

    Batches are as those of `kubeception node reboot`: cordoned, emptied, and let go once they are
    Ready. `kubeception upgrade status`, `pause`, `resume` and `abort` are about this, too. Exit
    code 1 says that a node failed or that it was aborted, 3 what speaks against it before anything
    is changed.

    \b
    Example:
      kubeception node run update-os --all --reboot --batch 2
    """
    order = wishes.order(nodes=nodes, command=program, reboots=reboots)
    with on_control_plane(config) as session:
        carry_out(session, order, output=output, is_watched=not wishes.no_wait)


def _ask(name: str) -> None:
    said = (
        f"This ends every pod on node {name} and takes it out of the cluster.",
        "  pods that something manages: started again on other nodes",
        "  other pods, and data in emptyDir volumes: gone, for good",
    )
    confirm("node remove", said)


def _row(one: "NodeStatus") -> dict[str, object]:
    return {
        "name": one.name,
        "role": one.role.value,
        "ready": one.problem is None,
        "problem": one.problem,
        "addresses": list(one.addresses),
        "token": one.token,
    }


def _cells(one: "NodeStatus") -> tuple[str | None, ...]:
    ready = "yes" if one.problem is None else one.problem
    return one.name, one.role.value, ready, ",".join(one.addresses), one.token
