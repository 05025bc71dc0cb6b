"""A folder of configuration files, good and bad, and what kubeception says about each."""

import re
from pathlib import Path

import pytest
from tests.conftest import Golden

from kubeception.config import Config
from kubeception.config.load import load, parse
from kubeception.errors import ConfigError

ROOT = Path(__file__).parents[3]
CASES = Path(__file__).parent / "cases"
VALID = sorted(CASES.glob("valid-*.toml")) + sorted((ROOT / "distros").glob("*.toml"))
INVALID = sorted(CASES.glob("invalid-*.toml"))


def problems_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.message


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_file_loads(path: Path) -> None:
    assert isinstance(load(path), Config)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_file_has_all_its_problems_named(path: Path, golden: Golden) -> None:
    told = problems_of(path).replace(f"{CASES}/", "")

    golden(path.with_suffix(".txt"), told + "\n")
    assert all(line.startswith(f"{path.name}:") for line in told.splitlines())


def test_the_example_of_the_reference_loads() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/config.md").read_text(), re.DOTALL)

    assert parse(example, "docs/config.md").node.name == "cp1"


def test_the_originals_file_keeps_every_value() -> None:
    config = load(ROOT / "distros/kubic.toml")

    assert config.secrets.path == "/etc/kubernetes/bootstrap-secrets"
    assert str(config.layout.pki.etcd_server.certificate) == "/etc/etcd/server.crt"
    assert str(config.layout.etcd.environment) == "/etc/sysconfig/etcd"
    assert str(config.layout.kubelet.environment) == "/etc/kubernetes/kubelet"
    assert str(config.layout.public_cas) == "/etc/ca-certificates"
    assert (str(config.net.apiserver_ip), str(config.net.dns_ip)) == ("10.3.0.1", "10.3.0.10")
    assert (config.kubeception.image, config.kubeception.join_port) == (
        "ereslibre/kubeception:latest",
        30000,
    )


def test_the_debian_profile_spells_out_defaults() -> None:
    assert load(ROOT / "distros/debian.toml") == Config()


def test_service_addresses_follow_from_the_range() -> None:
    config = parse('net.service_cluster_ip_range = "10.7.0.0/16"', "here")

    assert (str(config.net.apiserver_ip), str(config.net.dns_ip)) == ("10.7.0.1", "10.7.0.10")


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "none.toml") == f"{tmp_path}/none.toml: no such file"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == f"{tmp_path}: Is a directory"


def test_bytes_that_are_no_text_are_located(tmp_path: Path) -> None:
    path = tmp_path / "latin1.toml"
    path.write_bytes(b"version = 1\n# caf\xe9\n")

    assert problems_of(path) == f"{path}:2: not UTF-8 text"


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse("a = " + "[" * 5000, "deep")


def test_numbers_without_end_are_refused() -> None:
    for text in (f"version = {'9' * 5000}", f"version = 0x{'f' * 5000}"):
        with pytest.raises(ConfigError, match=r"^long:1:"):
            parse(text, "long")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_are_counted_past_values_of_many_lines(ending: str) -> None:
    lines = ["[kubeception]", "image = '''", "[net]", "'''", "# [net]", "[net]", "cni = 1"]

    with pytest.raises(ConfigError) as caught:
        parse(ending.join(lines), "f")

    places = [problem.split(": ")[0] for problem in caught.value.problems]
    assert places == ["f:2:kubeception.image", "f:7:net.cni"]
