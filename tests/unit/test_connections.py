"""A kernel that is about to drop connections is told before it does."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception import conditions
from kubeception.conditions import current_problem


@pytest.mark.parametrize(
    ("used", "most", "problem"),
    [
        ("94", "100", None),
        (
            "95",
            "100",
            "95 of 100 are in use, and further ones are dropped"
            " (sysctl -w net.netfilter.nf_conntrack_max=200)",
        ),
        ("7", "0", None),
        (None, None, None),
    ],
)
def test_a_table_of_connections_that_is_nearly_full_is_told(
    tmp_path: Path, used: str | None, most: str | None, problem: str | None
) -> None:
    session = session_of(tmp_path)
    session = replace(session, host=replace(session.host, is_contained=True))
    folder = session.host.proc / "sys/net/netfilter"
    for name, value in (("nf_conntrack_count", used), ("nf_conntrack_max", most)):
        if value is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{value}\n")

    assert current_problem(conditions.connections_have_room(), session) == problem
