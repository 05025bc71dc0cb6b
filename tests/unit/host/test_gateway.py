"""The host of a container: where its files, links and programs are, and what it is called."""

from pathlib import Path

import pytest

from kubeception.host.gateway import Host, this_host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that is mounted in a container."""
    (tmp_path / "etc").mkdir()
    return this_host({"KUBECEPTION_HOST": str(tmp_path)})


def put(host: Host, path: str, text: str, *, mode: int = 0o644) -> None:
    at = host.at(Path(path))
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(text)
    at.chmod(mode)


def link(host: Host, path: str, target: str) -> None:
    at = host.at(Path(path))
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(target)


def test_a_container_works_on_the_host_that_is_mounted_in_it(host: Host, tmp_path: Path) -> None:
    assert (host.root, host.inside) == (tmp_path, tmp_path)
    assert host.proc == tmp_path / "proc"


@pytest.mark.parametrize("variables", [{}, {"KUBECEPTION_HOST": "/nowhere"}])
def test_where_no_host_is_mounted_it_is_this_one(variables: dict[str, str]) -> None:
    found = this_host(variables)

    assert (found.root, found.inside, found.proc) == (Path("/"), None, Path("/proc"))


@pytest.mark.parametrize(
    ("target", "folder"),
    [
        ("/run/real", "/etc"),
        ("../run/real", "/etc"),
        ("/etc/other", "/etc"),
        ("../../../../run/real", "/etc"),  # nothing is above a root
        ("/run/real", "/etc/a/b"),
    ],
)
def test_links_lead_where_they_lead_on_the_host(host: Host, target: str, folder: str) -> None:
    put(host, "/run/real", "text")
    link(host, "/etc/other", "/run/real")
    link(host, f"{folder}/named", target)

    assert host.real(Path(folder, "named")) == host.at(Path("/run/real"))


def test_a_folder_that_is_a_link_is_followed_too(host: Host) -> None:
    put(host, "/opt/bundle/bin/etcd", "", mode=0o755)
    link(host, "/opt/current", "bundle")
    link(host, "/usr/bin/etcd", "/opt/current/bin/etcd")

    assert host.real(Path("/usr/bin/etcd")) == host.at(Path("/opt/bundle/bin/etcd"))


def test_links_in_a_circle_lead_nowhere(host: Host) -> None:
    link(host, "/etc/a", "b")
    link(host, "/etc/b", "a")

    assert host.real(Path("/etc/a")) == host.at(Path("/etc/a"))


def test_programs_are_found_as_the_host_calls_them(host: Host) -> None:
    put(host, "/opt/bin/etcd", "", mode=0o755)
    link(host, "/usr/bin/etcd", "/opt/bin/etcd")
    put(host, "/usr/sbin/etcd", "not executable")
    path = "/usr/sbin:/usr/bin"

    assert host.find("etcd", path=path) == Path("/usr/bin/etcd")
    assert host.find("kubelet", path=path) is None


def test_a_host_goes_by_its_own_name(host: Host) -> None:
    put(host, "/etc/hostname", "cp7\n")

    assert host.name == "cp7"


def test_as_many_links_as_the_kernel_follows_are_followed(host: Host) -> None:
    """Whatever it left to the kernel would be followed from another root."""
    for number in range(39):
        link(host, f"/etc/{number}", f"{number + 1}")
    link(host, "/etc/39", "/run/real")

    assert host.real(Path("/etc/0")) == host.at(Path("/run/real"))
