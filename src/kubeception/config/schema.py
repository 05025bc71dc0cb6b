"""The shape of the configuration in words and as a JSON Schema."""

import difflib
from typing import Any

import msgspec
from msgspec import inspect

from kubeception.config.model import Config


def model() -> inspect.StructType:
    """Return the configuration's shape."""
    shape = inspect.type_info(Config)
    assert isinstance(shape, inspect.StructType)  # noqa: S101 - it is one, by definition
    return shape


def fields(shape: inspect.StructType) -> dict[str, inspect.Type]:
    """Return what each key of a table takes."""
    return {field.encode_name: field.type for field in shape.fields}


def plain(kind: inspect.Type) -> inspect.Type:
    """Return a type without its title and description."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def phrase(kind: inspect.Type) -> str:
    """Say what a key takes, as in `4 is not a string`."""
    match kind:
        case inspect.Metadata(extra_json_schema={"title": str(title)}):
            return title
        case inspect.Metadata(type=inner):
            return phrase(inner)
        case inspect.EnumType(cls=members):
            return " or ".join(f'"{member.value}"' for member in members)
        case inspect.VarTupleType(item_type=item):
            return f"a list, each {phrase(item)}"
        case inspect.DictType(value_type=value):
            return f"a table, each value {phrase(value)}"
        case inspect.StructType():
            return "a table"
        case inspect.BoolType():
            return "true or false"
        case _:
            return "a string"


def suggestion(name: str, shape: inspect.StructType) -> str:
    """Say what was meant by a key that a table doesn't know."""
    whole = model()
    for section, kind in fields(whole).items():
        if isinstance(kind, inspect.StructType) and name in fields(kind):
            return f"it belongs in [{section}]"
    known = list(fields(shape))
    near = difflib.get_close_matches(name, known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema by which editors complete and check configuration files."""
    return {"title": "kubeception", **msgspec.json.schema(Config)}
