"""Whatever a file holds, kubeception either takes it or says what is wrong with it."""

import json
import re
from ipaddress import IPv4Network
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeception.config import Config, schema
from kubeception.config.load import parse
from kubeception.errors import ConfigError

# No deadline: how long one example takes says more about the machine than about us.
few = settings(max_examples=40, deadline=None)

SECTIONS = {
    name: list(schema.fields(kind)) if isinstance(kind, msgspec.inspect.StructType) else []
    for name, kind in schema.fields(schema.model()).items()
}
WORDS = [
    *("10.96.0.0/12", "10.244.0.0/16", "10.2.0.1/16", "0.0.0.0/0", "10.96.0.10", "127.0.0.1"),
    *("/etc/kubernetes/pki", "/", "flannel", "30000", "32768", "a.b", "fd00::1", "a\n"),
]
STRINGS = st.sampled_from(WORDS) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), max_size=9
)
SCALARS = STRINGS | st.integers() | st.booleans() | st.floats(width=32)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(sorted({key for keys in SECTIONS.values() for key in keys})) | STRINGS


def toml(value: Any) -> str:
    """Write a value in TOML, tables inline."""
    match value:
        case dict():
            pairs = (f"{toml(key)} = {toml(part)}" for key, part in value.items())
            return f"{{{', '.join(pairs)}}}"
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def file_of(table: dict[str, Any]) -> str:
    """Write a file of TOML with a header for each table."""
    loose = [
        f"{toml(key)} = {toml(value)}"
        for key, value in table.items()
        if not isinstance(value, dict)
    ]
    tables = [
        "\n".join([f"\n[{toml(name)}]", *(f"{toml(k)} = {toml(v)}" for k, v in value.items())])
        for name, value in table.items()
        if isinstance(value, dict)
    ]
    return "\n".join(loose + tables) + "\n"


def problems_of(text: str) -> tuple[str, ...]:
    try:
        parse(text, "f")
    except ConfigError as refusal:
        return refusal.problems
    return ()


@few
@given(st.text())
def test_any_text_is_taken_or_refused(text: str) -> None:
    assert all(re.match(r"f(:\d+)?:", problem) for problem in problems_of(text))


@few
@given(
    st.dictionaries(
        st.sampled_from(list(SECTIONS)) | STRINGS, VALUES | st.dictionaries(KEYS, VALUES)
    )
)
def test_any_table_is_taken_or_its_problems_stand_where_there_is_something(
    table: dict[str, Any],
) -> None:
    text = file_of(table)
    lines = text.split("\n")

    for problem in problems_of(text):
        found = re.match(r"f:(\d+):", problem)
        assert found
        assert lines[int(found[1]) - 1]


def networks(within: str, *, smallest: int) -> st.SearchStrategy[IPv4Network]:
    """Return networks inside another one."""
    outer = IPv4Network(within)

    def at(prefix: int, number: int) -> IPv4Network:
        block = 2 ** (32 - prefix)
        return IPv4Network(
            (int(outer[0]) + number % (outer.num_addresses // block) * block, prefix)
        )

    return st.builds(at, st.integers(outer.prefixlen, smallest), st.integers(0))


@st.composite
def valid_tables(draw: st.DrawFn) -> dict[str, Any]:
    """Return tables that are right, with any of their keys left out."""
    services = draw(networks("10.0.0.0/9", smallest=28))
    whole = {
        "certificates": {"key_algorithm": draw(st.sampled_from(["RSA-2048", "ECDSA-P256"]))},
        "etcd": {"config_path": "/srv/etcd"},
        "net": {
            "cluster_cidr": str(draw(networks("172.16.0.0/12", smallest=24))),
            "service_cluster_ip_range": str(services),
            "apiserver_cluster_ip": str(services[draw(st.integers(1, 9))]),
            "dns_cluster_ip": str(services[draw(st.integers(10, services.num_addresses - 2))]),
            "cni": draw(st.sampled_from(["flannel", "none"])),
        },
        "apiserver": {
            "extra_args": draw(
                st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), STRINGS)
            )
        },
        "kubeception": {
            "nodeport": draw(
                st.integers(30000, 32767).flatmap(lambda n: st.sampled_from([n, str(n)]))
            )
        },
    }
    return {name: value for name, value in whole.items() if draw(st.booleans()) or name == "net"}


@few
@given(valid_tables())
def test_a_valid_table_loads_and_what_it_loads_as_loads_the_same(table: dict[str, Any]) -> None:
    config = parse(file_of(table), "f")

    again = parse(file_of(msgspec.to_builtins(config)), "f")

    assert again == config
    assert msgspec.convert(table, Config) == config
