"""Tables: each column as wide as its widest cell."""

from kubeception.cli import table


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    rows = [("join", None, "missing"), ("apiserver", "-1", "expired"), ("etcd/ca", "3650", "")]

    assert list(table.lines(("NAME", "DAYS", "PROBLEM"), rows)) == [
        "NAME       DAYS  PROBLEM",
        "join       -     missing",
        "apiserver  -1    expired",
        "etcd/ca    3650  -",
    ]


def test_a_table_without_rows_has_its_head() -> None:
    assert list(table.lines(("ID", "NODE"), [])) == ["ID  NODE"]
