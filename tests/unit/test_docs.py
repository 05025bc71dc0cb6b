"""What documents say of this repository is so."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())

    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`make ([a-z]+)", page.read_text())) <= targets


def test_modules_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    package = ROOT / "src/kubeception"

    named = {name for name in re.findall(r"`([a-z_/]+(?:\.py|/))`", text) if "<" not in name}
    gone = [name for name in named if not any((at / name).exists() for at in (package, ROOT))]
    assert gone == []


def all_tests() -> set[str]:
    """Return the names of all tests that there are."""
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return set(re.findall(r"^def test_(\w+)", sources, re.MULTILINE))


def test_every_attack_that_was_thought_of_has_its_test() -> None:
    _, *tables = (ROOT / "docs/security.md").read_text().split("| Attack | Answer | Test |\n")
    rows = "\n".join(table.partition("\n\n")[0] for table in tables)
    made = all_tests()

    attacks = re.findall(r"^\|[^|]+\|[^|]+\|([^|]+)\|$", rows, re.MULTILINE)
    named = {name for cell in attacks for name in re.findall(r"`(\w+)`", cell)}
    assert len(tables) == 6 and len(attacks) > 30
    assert named - made == set()


def test_every_host_that_people_have_has_its_test() -> None:
    rows = re.findall(r"^\|[^|]+\|[^|]+\|([^|]+)\|$", (ROOT / "docs/hosts.md").read_text(), re.M)
    named = [set(re.findall(r"`(\w+)`", cell)) for cell in rows]

    told = [cell for cell in named if cell]
    assert len(told) > 40
    assert set().union(*told) - all_tests() == set()


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[<>=]", requirement)[0] for requirement in wanted}

    rows = re.findall(
        r"^\| ([a-z][a-z0-9-, ]*) \|",
        (ROOT / "docs/decisions/0001-libraries.md").read_text(),
        re.MULTILINE,
    )
    assert {name for row in rows for name in row.split(", ")} == names


def test_the_license_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()

    assert "Apache License\n                           Version 2.0" in text
    assert "END OF TERMS AND CONDITIONS" in text
