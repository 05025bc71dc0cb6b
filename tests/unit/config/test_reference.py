"""The reference and the schema say what the model says, and the model keeps its promises."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from msgspec import inspect
from tests.conftest import Golden

from kubeception.config import reference, schema

ROOT = Path(__file__).parents[3]
STRUCTS = [schema.model()] + [
    kind for kind in schema.fields(schema.model()).values() if isinstance(kind, inspect.StructType)
]


def test_the_reference_is_fresh(golden: Golden) -> None:
    golden(ROOT / "docs/config.md", reference.markdown())


def test_the_schema_for_editors_is_fresh(golden: Golden) -> None:
    text = json.dumps(schema.json_schema(), indent=2) + "\n"

    golden(ROOT / "docs/config.schema.json", text)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.cls.__name__)
def test_every_table_is_frozen_strict_and_may_be_left_out(struct: inspect.StructType) -> None:
    assert struct.forbid_unknown_fields
    assert struct.cls.__struct_config__.frozen
    assert not any(field.required for field in struct.fields)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "distros").glob("*.toml")), ids=lambda path: path.stem
)
def test_editors_find_nothing_wrong_in_a_profile(path: Path) -> None:
    jsonschema.validate(tomllib.loads(path.read_text()), schema.json_schema())
