"""Read the configuration file, and show all its problems at once with file, line and key."""

import json
import re
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from kubeception.config import rules, schema
from kubeception.config.model import Config
from kubeception.config.positions import Key, locate
from kubeception.config.rules import Problem
from kubeception.errors import ConfigError
from kubeception.layout import Layout

Table = dict[str, Any]

# The reference with every key and its explanation has 4 KiB.
LONGEST = 1 << 20

# msgspec raises a plain ValueError for numbers of thousands of digits.
MISFIT = (msgspec.ValidationError, ValueError)


def load(path: Path | None = None, *, root: Path = Path("/")) -> Config:
    """Return the configuration at `path`, by default the host's own.

    A host without a file of its own has every default; `root` is where its files lie.

    Raises:
        ConfigError: the file can't be read or has problems.
    """
    chosen = path or root / Layout.config.relative_to("/")
    try:
        text = _read(chosen).decode()
    except FileNotFoundError as error:
        if path is None:
            return Config()
        hint = f"without --config, {Layout.config} or else every default holds"
        raise ConfigError([f"{path}: no such file"], hint=hint) from error
    except OSError as error:
        raise ConfigError([f"{chosen}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{chosen}:{line}: not UTF-8 text"]) from error
    return parse(text, str(chosen))


def _read(path: Path) -> bytes:
    """Return a file's content; what never ends, or would have to be waited for, is none.

    It may be read again, to become the host's own: a pipe could not.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ConfigError([f"{path}: not a regular file"])
    with path.open("rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ConfigError([f"{path}: has more than {LONGEST >> 20} MiB"])
    return content


def parse(text: str, name: str) -> Config:
    """Return the configuration that a TOML text holds; `name` stands for it in messages.

    Raises:
        ConfigError: it has problems; all of them are named.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError([_syntax(error, text, name)]) from error
    problems: list[Problem] = []
    try:
        config = msgspec.convert(table, Config)
    except MISFIT:
        # The keys that are left are good ones: what is wrong between them can be shown as well.
        problems += _sift(table, schema.model())
        config = msgspec.convert(table, Config)
    bad = {key for problem in problems for key in problem.keys}
    problems += [problem for problem in rules.check(config) if bad.isdisjoint(problem.keys)]
    if problems:
        raise ConfigError(_lines(problems, text, name))
    return config


def _syntax(error: Exception, text: str, name: str) -> str:
    if isinstance(error, RecursionError):
        return f"{name}: nested too deeply"
    # Python 3.11 tells the place in the message only.
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error))
    what, line = found.groups() if found else (str(error), None)
    return f"{name}:{line or text.count(chr(10)) + 1}: {what}"


def _sift(table: Table, shape: inspect.StructType, at: Key = ()) -> Iterator[Problem]:
    """Say what the model refuses of a table, and take it out; members of lists and tables too."""
    kinds = schema.fields(shape)
    for name, value in list(table.items()):
        key = (*at, name)
        kind = kinds.get(name)
        if kind is None:
            del table[name]
            yield Problem(f"unknown key; {schema.suggestion(name, shape)}", (key,))
            continue
        match schema.plain(kind), value:
            case inspect.StructType() as section, dict():
                yield from _sift(value, section, key)
            case inspect.DictType(value_type=inner), dict():
                for member, part in list(value.items()):
                    if not _fits(shape, name, {member: part}):
                        del value[member]
                        yield Problem(_refusal(part, inner), ((*key, member),))
            case inspect.VarTupleType(item_type=inner), list():
                table[name] = [part for part in value if _fits(shape, name, [part])]
                for part in value:
                    if not _fits(shape, name, [part]):
                        yield Problem(_refusal(part, inner), (key,))
            case _:
                if not _fits(shape, name, value):
                    del table[name]
                    yield Problem(_refusal(value, kind), (key,))


def _fits(shape: inspect.StructType, name: str, value: object) -> bool:
    # Every key has a default, so one key alone is a whole table.
    try:
        msgspec.convert({name: value}, shape.cls)
    except MISFIT:
        return False
    return True


def _refusal(value: object, kind: inspect.Type) -> str:
    wanted = schema.phrase(kind)
    match value:
        case dict():
            seen = "a table"
        case list():
            seen = "a list"
        case str():
            seen = json.dumps(value, ensure_ascii=False)
            if ":" in value and "IPv4" in wanted:
                wanted += "; IPv6 is not supported yet"
        case int() if abs(value) >= 2**63:
            seen = "a number of more than 64 bits"
        case _:
            seen = str(value).lower()
    return f"{seen} is not {wanted}"


def _lines(problems: Collection[Problem], text: str, name: str) -> list[str]:
    """Write each problem as `file:line:key: text`, in the order of the file."""
    places = locate(text, {key for problem in problems for key in problem.keys})
    lines = []
    for problem in problems:
        key = next((key for key in problem.keys if key in places), problem.keys[0])
        lines.append((places[key], f"{name}:{places[key]}:{_dotted(key)}: {problem.text}"))
    return [line for _, line in sorted(lines)]


def _dotted(key: Key) -> str:
    bare = re.compile(r"[A-Za-z0-9_-]+")
    return ".".join(part if bare.fullmatch(part) else json.dumps(part) for part in key)
