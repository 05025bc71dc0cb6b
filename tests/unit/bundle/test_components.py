"""The table of what is compiled, and what makes it compile again."""

from dataclasses import replace
from pathlib import Path

import pytest

from kubeception.bundle import components, golang
from kubeception.bundle.components import Component
from kubeception.errors import KubeceptionError
from kubeception.versions import BUILT_IN

MINOR = BUILT_IN.minor
TABLE = components.table(MINOR)

COMPONENT = Component("etcd", "go.etcd.io/etcd/server/v3", {"main.version": "v{version}"})


@pytest.fixture
def etcd(tmp_path: Path) -> Component:
    """Return a component with a go.mod and go.sum of its own."""
    folder = tmp_path / "etcd"
    folder.mkdir()
    (folder / "go.mod").write_text("module x\n\nrequire go.etcd.io/etcd/server/v3 v3.7.3\n")
    (folder / "go.sum").write_text("")
    return replace(COMPONENT, modules=tmp_path)


@pytest.mark.parametrize("component", TABLE, ids=lambda component: component.name)
def test_every_component_is_pinned(component: Component) -> None:
    assert component.version[0].isdigit()
    assert (component.folder / "go.sum").stat().st_size > 0
    assert "tool" in (component.folder / "go.mod").read_text()


def test_components_hold_no_go_code() -> None:
    assert {p.name for p in components.MODULES.rglob("*") if p.is_file()} == {
        *("go.mod", "go.sum", "release.toml")
    }


def test_kubernetes_comes_first_since_it_takes_longest() -> None:
    assert TABLE[0].name == "kubernetes"
    assert TABLE[0].version == BUILT_IN.kubernetes


def test_programs_are_told_their_version() -> None:
    link = TABLE[0].flags()[-1]

    assert f"-X k8s.io/component-base/version.gitVersion=v{BUILT_IN.kubernetes}" in link
    assert "-X k8s.io/client-go/pkg/version.gitMinor=37" in link


def test_what_needs_a_c_library_is_linked_statically() -> None:
    assert {c.name for c in TABLE if c.cgo} == {"runc", "flannel"}
    assert all("-extldflags -static" in c.flags()[-1] for c in TABLE if c.cgo)


def test_an_unknown_minor_says_what_there_is() -> None:
    with pytest.raises(KubeceptionError, match=rf"1\.12: only .*{MINOR}"):
        components.table("1.12")


def test_a_module_that_is_not_required_is_an_error(etcd: Component) -> None:
    with pytest.raises(KubeceptionError, match="does not require example"):
        _ = replace(etcd, module="example.com/other").version


def test_the_same_input_has_the_same_key(etcd: Component, tmp_path: Path) -> None:
    first = golang.recipe(etcd, tmp_path)

    assert golang.recipe(etcd, tmp_path / "elsewhere").key == first.key


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_a_changed_module_has_another_key(etcd: Component, tmp_path: Path, name: str) -> None:
    before = golang.recipe(etcd, tmp_path).key
    with (etcd.folder / name).open("a") as file:
        file.write("// changed\n")

    assert golang.recipe(etcd, tmp_path).key != before


@pytest.mark.parametrize(
    "change", [{"tags": ("netgo",)}, {"cgo": True}, {"stamps": {}}, {"renamed": {"a": "b"}}]
)
def test_a_changed_flag_has_another_key(
    etcd: Component, tmp_path: Path, change: dict[str, object]
) -> None:
    changed = replace(etcd, **change)  # type: ignore[arg-type]

    assert golang.recipe(changed, tmp_path).key != golang.recipe(etcd, tmp_path).key
