"""The settings that all hosts of a cluster go by, and what of a host's own file changes them."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.fixed import CONFIG, RELEASE, SETTINGS, on_host

from kubeception.config import Config, cluster
from kubeception.config.cluster import ClusterSettings, Copy
from kubeception.config.model import ApiServer, Kubeception, Net, ProxyMode
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.layout import Layout
from kubeception.session import Session
from kubeception.versions import Release

OTHER = Config(
    net=Net(proxy_mode=ProxyMode.IPTABLES),
    kubeception=Kubeception(nodeport=31000),
    apiserver=ApiServer(extra_args={"v": "4"}),
)


def asked(config: Config = CONFIG, **host: Any) -> ClusterSettings:
    return on_host(config, **host).cluster.settings


def test_they_are_read_as_they_were_written() -> None:
    assert cluster.parse(cluster.text(SETTINGS)) == SETTINGS
    assert cluster.parse(cluster.text(asked(OTHER))) == asked(OTHER)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"release": {"kubernetes": 1, "images": {}}}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        cluster.parse(text)


def test_a_host_that_asks_for_nothing_new_goes_by_the_clusters() -> None:
    """Neither its kernel nor its file, which said the same before, changes what others go by."""
    here = asked(
        OTHER, has_nftables_proxy=False, has_resolver=False, release=Release("1.0.0", {"a": "b"})
    )

    assert cluster.settled(here, here, SETTINGS) == SETTINGS
    assert cluster.settled(here, None, SETTINGS) == SETTINGS


def test_only_what_has_changed_on_a_host_changes_the_clusters() -> None:
    before = asked(Config(kubeception=Kubeception(nodeport=31000)))
    now = asked(
        Config(kubeception=Kubeception(nodeport=31000), apiserver=ApiServer(extra_args={"v": "4"}))
    )

    found = cluster.settled(now, before, SETTINGS)

    assert found == structs.replace(SETTINGS, apiserver=ApiServer(extra_args={"v": "4"}))
    assert cluster.settled(before, now, found) == SETTINGS  # and back


def test_a_release_is_taken_whole() -> None:
    """Images of two bundles belong together only by chance."""
    before = asked(release=Release("1.0.0", {"a": "a:1", "b": "b:1"}))
    now = asked(release=Release("1.1.0", {"a": "a:2", "b": "b:1"}))
    there = structs.replace(SETTINGS, release=Release("1.0.5", {"a": "a:0", "c": "c:0"}))

    assert cluster.settled(now, before, there).release == now.release


def test_what_the_control_plane_passes_for_is_no_hosts_to_ask() -> None:
    there = structs.replace(SETTINGS, emulates="0.9")
    now = asked(OTHER, release=Release("1.1.0", {"a": "a:2"}))

    assert cluster.settled(now, asked(), there).emulates == "0.9"
    assert (there.oldest, SETTINGS.oldest) == ("0.9", "1.0")


@pytest.mark.parametrize(
    ("own", "before", "there", "found"),
    [
        ("1", None, None, "1"),  # named for the first time
        ("1", "1", "1", "1"),
        ("2", "1", "1", "2"),  # edited here
        ("2", "2", "1", "1"),  # another host's was rolled out
        ("2", None, "1", "1"),  # seen here for the first time
        ("1", "2", "1", "1"),  # made the same as there
    ],
)
def test_a_file_counts_once_it_is_edited(
    own: str, before: str | None, there: str | None, found: str
) -> None:
    def files(digest: str | None) -> dict[str, str]:
        return {"/a": digest} if digest else {}

    gone = {"/gone": "0"}
    assert cluster.settled_files(files(own), files(before) | gone, files(there) | gone) == {
        "/a": found
    }


def test_each_difference_is_told_in_a_line() -> None:
    now = asked(OTHER, release=structs.replace(RELEASE, kubernetes="1.1.0"))

    assert list(cluster.differences(SETTINGS, now)) == [
        "apiserver.extra_args.v: the default becomes 4",
        "kubeception.nodeport: 30000 becomes 31000",
        "net.proxy_mode: nftables becomes iptables",
        "release: 1.0.0 becomes 1.1.0",
    ]
    assert not list(cluster.differences(SETTINGS, SETTINGS))


@pytest.mark.parametrize(
    ("net", "names"),
    [
        (Net(), []),
        (Net(apiserver_cluster_ip="10.96.0.1"), []),
        (Net(proxy_mode=ProxyMode.IPTABLES), []),
        (Net(cluster_cidr="10.1.0.0/16"), ["net.cluster_cidr"]),
        (Net(cluster_domain="a.example"), ["net.cluster_domain"]),
        (Net(dns_cluster_ip="10.96.0.11"), ["net.dns_cluster_ip"]),
        (
            Net(service_cluster_ip_range="10.1.0.0/16"),
            ["net.apiserver_cluster_ip", "net.dns_cluster_ip", "net.service_cluster_ip_range"],
        ),
    ],
)
def test_what_was_given_out_stays(net: Net, names: list[str]) -> None:
    found = cluster.changed_for_good(SETTINGS, asked(Config(net=net)))

    assert [name for name, _ in found] == names


def test_the_clusters_part_of_a_configuration_is_the_clusters(tmp_path: Path) -> None:
    """Whoever may change it sees what a person has changed; nobody else does."""
    host = Host(tmp_path)
    there = asked(Config(net=Net(cluster_cidr="10.1.0.0/16")))
    files.write(host.at(Layout.cluster), cluster.text(Copy(there, asked())))

    for may_change, mode in ((False, ProxyMode.NFTABLES), (True, ProxyMode.IPTABLES)):
        session = Session(OTHER, host, is_attended=may_change)
        assert session.config.net.cluster_cidr == "10.1.0.0/16"
        assert session.config.net.proxy_mode is mode
        assert session.config.node == OTHER.node


@pytest.mark.parametrize("text", ["", "{", "null", '{"settings": {}}'])
def test_a_copy_that_can_not_be_read_is_none(tmp_path: Path, text: str) -> None:
    files.write(tmp_path / "cluster.json", text)

    assert cluster.read(tmp_path / "cluster.json") is None
    assert cluster.read(tmp_path) is None


def test_an_edit_by_hand_changes_nothing_that_was_given_out() -> None:
    """Tokens and certificates say it; the rest of the edit counts."""
    net = structs.replace(SETTINGS.net, cluster_domain="a.example", proxy_mode=ProxyMode.IPTABLES)
    edited = structs.replace(SETTINGS, net=net)

    found = cluster.followed(edited, Copy(SETTINGS, SETTINGS))

    assert found.net.cluster_domain == "cluster.local"
    assert found.net.proxy_mode is ProxyMode.IPTABLES
    assert cluster.followed(edited, None) == edited


def test_an_edit_that_no_configuration_may_say_is_refused() -> None:
    net = structs.replace(SETTINGS.net, cluster_cidr="10.96.0.0/16")
    flags = ApiServer(extra_args={"secure-port": "1"})
    for edited in (structs.replace(SETTINGS, net=net), structs.replace(SETTINGS, apiserver=flags)):
        with pytest.raises(ValueError, match=r"net\.|secure-port"):
            cluster.parse(cluster.text(edited))
