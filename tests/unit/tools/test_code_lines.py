"""The count of code lines, which `make lint` holds to a limit."""

import subprocess
import sys
from pathlib import Path

import pytest
from tools.code_lines import count

TOOL = Path(__file__).parents[3] / "tools" / "code_lines.py"

MODULE = '''\
"""A docstring.

Of three lines.
"""

import os  # an import counts


class Settings:
    """A docstring alone."""


def text() -> str:
    """Return it."""
    # only a comment
    return """\\
first

third
""" + str(
        os.sep
    )
'''


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        ("\n# a comment\n\n", 0),
        ('"""A docstring\n\nof a module."""\n', 0),
        ("import os\nfrom os import (\n    path,\n)\n", 4),
        ("a = 1\nb = 2; c = 3\n", 2),
        ("a = (\n    # a comment\n\n    1\n)\n", 3),
        ('a = """first\n\nthird"""\n', 3),
        ('a = 1\n"""A string that no docstring is."""\n', 2),
        ('async def f():\n    """Say."""\n    return 1\n', 2),
        (MODULE, 1 + 1 + 1 + 7),
    ],
)
def test_lines_that_hold_code_count(source: str, lines: int) -> None:
    assert count(source) == lines


@pytest.mark.parametrize(("limit", "code"), [(10, 0), (9, 1)])
def test_more_lines_than_the_limit_fail(tmp_path: Path, limit: int, code: int) -> None:
    (tmp_path / "within").mkdir()
    (tmp_path / "within" / "module.py").write_text(MODULE)

    ended = subprocess.run(
        [sys.executable, TOOL, tmp_path, "--limit", str(limit)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert ended.returncode == code
    assert ended.stdout == f"{tmp_path}: 10 lines of code of {limit}\n"
