"""On which line of a TOML text each key stands; asked for only when there is something to say."""

import tomllib
from collections.abc import Collection
from typing import Any

Key = tuple[str, ...]


def locate(text: str, keys: Collection[Key]) -> dict[Key, int]:
    """Return the line on which each of the keys first appears in a valid TOML text.

    TOML is a list of statements. Each one is valid TOML by itself and no beginning of one is, so
    the parser of the standard library finds where statements end.
    """
    found: dict[Key, int] = {}
    header: Key = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        try:
            table = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # it goes on on the next line
        is_header = statement.lstrip().startswith("[")
        if is_header:
            header = _path(table)
        for key in keys:
            # The keys of a statement are relative to the header above it; a header's own are not.
            inner = key if is_header else key[len(header) :]
            under = is_header or key[: len(header)] == header
            if key not in found and under and inner and _has(table, inner):
                found[key] = first
        statement, first = "", number + 1
    return found


def _path(table: Any) -> Key:
    path: Key = ()
    while isinstance(table, dict) and table:
        ((name, table),) = table.items()
        path += (name,)
    return path


def _has(table: Any, key: Key) -> bool:
    for name in key:
        if not isinstance(table, dict) or name not in table:
            return False
        table = table[name]
    return True
