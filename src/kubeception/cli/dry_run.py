"""What `--dry-run` says: problems, changes with their diffs, and what can't be told yet."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kubeception.cli.terminal import emit
from kubeception.errors import PreflightError

if TYPE_CHECKING:
    from kubeception.engine import Preview
    from kubeception.preflight import Finding

CHANGES = 10

option = click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would change, with diffs, and change nothing. Ends with 10 if there is such a "
    "thing or something can't be told yet, with 3 if preflight would stop the run, else with 0.",
)


def end(
    context: click.Context, preview: "Preview", problems: "list[Finding]", *, output: str
) -> None:
    """Show what a run would change, and end with the exit code that says whether it would."""
    if output == "json":
        said = {"problems": [asdict(one) for one in problems], **asdict(preview)}
        emit(said)
    else:
        for line in (*of_findings(problems), *_lines(preview)):
            click.echo(line)
    if any(one.severity == "error" for one in problems):
        context.exit(PreflightError.exit_code)
    context.exit(CHANGES if preview.changes or preview.not_planned else 0)


def of_findings(found: "Iterable[Finding]") -> Iterator[str]:
    """Yield what preflight found, each with its hint under it."""
    for finding in found:
        is_error = finding.severity == "error"
        yield f"{click.style('✗', fg='red') if is_error else '!'} {finding}"
        yield f"    {finding.hint}"


def _lines(preview: "Preview") -> Iterator[str]:
    for change in preview.changes:
        yield str(change)
        yield from change.diff
    yield from map(str, preview.not_planned)
    unknown = f", {len(preview.not_planned)} not planned" if preview.not_planned else ""
    yield f"dry run: {len(preview.changes)} changes{unknown}; nothing was changed"
