"""Tables on a terminal or in a pipe: columns as wide as what stands in them."""

from collections.abc import Iterable, Iterator


def lines(head: tuple[str, ...], rows: Iterable[tuple[str | None, ...]]) -> Iterator[str]:
    """Yield the lines of a table; what a row lacks is a dash, what no terminal shows a mark."""
    table = [head, *(tuple(_shown(cell or "-") for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _shown(cell: str) -> str:
    """Return a cell as one line that commands no terminal; some of what it says, a worker wrote."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cell
    )
