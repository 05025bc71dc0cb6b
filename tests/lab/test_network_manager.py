"""Hosts whose network NetworkManager has, as most distributions of the Red Hat family bring it."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.lab import cluster
from tests.lab.cluster import until, until_seen
from tests.lab.conftest import apt

from kubeception.host.process import run
from kubeception.lab import Host, Lab
from kubeception.layout import Layout
from kubeception.render import flannel, network_manager

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(600)]

BACK_S = 60.0
# The hosts' own link stays systemd-networkd's; ours add to what others say.
OF_THE_LAB = "[keyfile]\nunmanaged-devices=interface-name:host0\n"


@pytest.fixture(scope="module")
def packages(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What NetworkManager needs beside what the hosts have, in a tar file."""
    folder = tmp_path_factory.mktemp("packages")
    installed = folder / "status"
    installed.write_text(lab.hosts()[0].get("/var/lib/dpkg/status"))
    folders = (f"Dir::State::status={installed}", f"Dir::Cache::archives={folder}")
    wanted = ("--download-only", "--no-install-recommends", "network-manager")
    with apt():
        run(["apt-get", "update", "-q"])
        run(["apt-get", "install", "-qy", *wanted, *(f"-o{one}" for one in folders)])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in folder.glob("*.deb"):
            tar.add(path, arcname=path.name)
    return packed.getvalue()


@pytest.fixture(scope="module")
def made(lab: Lab, packages: bytes) -> tuple[Host, Host]:
    """A cluster whose worker has had NetworkManager before it joined, and cp1 has it since."""
    cp1, w1 = lab.hosts()
    install(w1, packages)
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    w1.run("sh", stdin=cp1.run("kubeception", "token", "create", "--node", "w1").stdout)
    install(cp1, packages)
    for host in (cp1, w1):
        until(partial(cluster.is_well, host), timeout_s=90)
        # The pods' bridge comes with the first pod of a host, its keeper's own place among them.
        until(partial(has_links, host), timeout_s=120)
    return cp1, w1


def has_links(host: Host) -> bool:
    shown = [host.run("ip", "link", "show", link, check=False).code for link in flannel.LINKS]
    return not any(shown)


def install(host: Host, packages: bytes) -> None:
    host.put(network_manager.SETTINGS / "conf.d/99-lab.conf", OF_THE_LAB)
    host.run("sh", "-c", "mkdir -p /root/new && tar xf - -C /root/new", stdin=packages)
    host.run("sh", "-c", "DEBIAN_FRONTEND=noninteractive dpkg -i /root/new/*.deb", timeout_s=120)
    host.run("systemctl", "restart", network_manager.UNIT)


def ours(host: Host) -> Path:
    """Return where the file of its settings is that we write."""
    return host.root() / Layout.network_manager.relative_to("/")


def states(host: Host) -> dict[str, str]:
    """Return what NetworkManager says of each link."""
    asked = ("nmcli", "--terse", "--escape", "no", "--fields", "DEVICE,STATE", "device")
    return dict(line.split(":", 1) for line in host.run(*asked).stdout.splitlines())


def addresses(host: Host) -> list[str]:
    """Return the addresses of flannel's link and of the pods' bridge."""
    told = [host.run("ip", "-4", "-brief", "address", "show", link) for link in flannel.LINKS]
    return [one.stdout.split()[2] for one in told]


@contextmanager
def networking_off(host: Host) -> Iterator[None]:
    """Have a host as it is while it sleeps, or while somebody has switched its network off."""
    host.run("nmcli", "networking", "off")
    try:
        yield
    finally:
        host.run("nmcli", "networking", "on")


def test_networking_that_is_switched_off_and_on_leaves_pods_their_network(
    made: tuple[Host, Host],
) -> None:
    _, w1 = made
    had = addresses(w1)
    assert {states(w1)[link] for link in flannel.LINKS} == {"unmanaged"}

    with networking_off(w1):
        assert addresses(w1) == had

    assert addresses(w1) == had
    assert {states(w1)[link] for link in flannel.LINKS} == {"unmanaged"}
    assert cluster.is_well(w1)


def test_a_network_manager_that_came_later_is_named_and_what_is_said_helps(
    made: tuple[Host, Host],
) -> None:
    cp1, _ = made
    assert not ours(cp1).exists()
    cp1.run("kubeception", "keeper", "pause")  # it would have it all back before anybody looks
    with networking_off(cp1):
        pass
    cause = f"NetworkManager configures {min(flannel.LINKS)}"

    look = partial(cluster.status, cp1)
    said, _ = until_seen(look, lambda said: cause in said, timeout_s=BACK_S)
    assert f"{cause} (kubeception bootstrap)" in said
    # Whatever NetworkManager has left of it.
    cp1.run("sh", "-c", f"ip link set {flannel.BRIDGE} down; ip address flush dev {flannel.BRIDGE}")
    cluster.bootstrap(cp1)
    cp1.run("kubeception", "keeper", "resume")

    until(partial(cluster.is_well, cp1), timeout_s=BACK_S)
    assert {states(cp1)[link] for link in flannel.LINKS} == {"unmanaged"}
    had = addresses(cp1)
    with networking_off(cp1):
        assert addresses(cp1) == had


def test_a_reset_gives_it_its_links_back(made: tuple[Host, Host]) -> None:
    _, w1 = made
    assert ours(w1).exists()

    w1.run("kubeception", "reset", "--yes", timeout_s=240)

    assert not ours(w1).exists()
    assert flannel.LINK not in w1.run("NetworkManager", "--print-config").stdout
