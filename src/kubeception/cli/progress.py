"""How far a ClusterUpgrade is, as text and as JSON, once and for as long as somebody watches."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from kubeception.cli import table
from kubeception.cli.terminal import emit
from kubeception.errors import KubeceptionError
from kubeception.session import Session

if TYPE_CHECKING:
    from kubeception.kube.client import Object

INTERRUPTED = 130
_STATUS = "kubeception upgrade status"


@contextlib.contextmanager
def _left_alone(name: str) -> Iterator[None]:
    """Say, where somebody stops watching, that it goes on without them."""
    try:
        yield
    except KeyboardInterrupt:
        said = (
            f"{name} goes on without you",
            f"watch it:            {_STATUS} --watch",
            "hold the next batch: kubeception upgrade pause",
            "let go what can be:  kubeception upgrade abort",
        )
        click.echo("\n".join(said), err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def follow(session: Session, name: str, *, output: str) -> None:
    """Tell what is new until its end; JSON at the end alone.

    Raises:
        KubeceptionError: it did not come to a good end.
    """
    from kubeception.admin import upgrades
    from kubeception.render.cluster_upgrade import Phase

    before = None
    with _left_alone(name):
        for run in upgrades.following(session, name):
            if output != "json":
                for line in upgrades.news(before, run):
                    click.echo(line)
            before = run
    found = upgrades.named(session, name)
    if output == "json":
        emit(document(found))
    said = f"{name}: {found['status'].get('done', '0')} done; {found['status']['message']}"
    if found["status"]["phase"] != Phase.SUCCEEDED:
        raise KubeceptionError(said, hint=_STATUS)
    if output != "json":
        click.echo(said)


def show(found: "Object") -> None:
    """Say how far it is, as text."""
    from kubeception.controller import cluster_upgrade

    run, said = cluster_upgrade.of(found), cluster_upgrade.message(found)
    done = (found.get("status") or {}).get("done")
    click.echo(f"{run.name}: {run.phase.value}" + (f", {done} done" if done else ""))
    if said:
        click.echo(said)
    if run.nodes:
        rows = ((one.name, one.state.value, one.message) for one in run.nodes)
        click.echo()
        click.echo("\n".join(table.lines(("NODE", "STATE", "MESSAGE"), rows)))


def document(found: "Object") -> "Object":
    """Return how far it is, for programs."""
    status = found.get("status") or {}
    kept = ("phase", "message", "done", "nodes", "conditions")
    return {"name": found["metadata"]["name"], **{key: status.get(key) for key in kept}}
