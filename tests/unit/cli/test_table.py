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


def test_what_a_cell_says_commands_no_terminal_and_is_no_other_row() -> None:
    cell = "\x1b]0;x\x07\nnode cp1: removed\r\u202e\x9b31m"

    rows = list(table.lines(("NAME",), [(cell,)]))

    assert rows == ["NAME", "\ufffd]0;x\ufffd\ufffdnode cp1: removed\ufffd\ufffd\ufffd31m"]
