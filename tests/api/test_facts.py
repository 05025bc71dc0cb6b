"""The facts of a host whose files are a folder, in a network of its own."""

import json
import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from tests.api.network import new
from tests.fixed import HOST, on_host

from kubeception.config import Config
from kubeception.config.model import Node
from kubeception.errors import KubeceptionError
from kubeception.facts import Facts
from kubeception.gather import UNITS, gather
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.host.process import run
from kubeception.host.systemd import Systemd
from kubeception.layout import OUR_MARK
from kubeception.preflight.host_state import inspect
from kubeception.render import apiserver, revision
from kubeception.session import Session
from kubeception.versions import BUILT_IN, Release

CONFIG = Config(node=Node(address="192.0.2.10"))


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    with new():
        yield


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A host with units of ours and no systemd to run them."""
    host = Host(root=tmp_path, systemd=Systemd(tmp_path / "no-bus"))
    for unit in UNITS:
        files.write(host.at(CONFIG.layout.units / unit), OUR_MARK)
    return Session(CONFIG, host)


def test_a_fresh_host_needs_the_bootstrap_control_plane(session: Session) -> None:
    facts = gather(session)

    assert (facts.needs_api, facts.needs_controllers) == (True, True)
    assert (facts.host.door, facts.cluster.hosted) == (0, None)
    assert facts.host.foreign_units == frozenset()
    assert facts.host.cgroup_version in {1, 2}


def test_the_node_is_called_as_the_host_unless_told_otherwise(session: Session) -> None:
    assert gather(session).host.node == socket.gethostname().lower()
    session = Session(Config(node=Node(name="cp1", address="192.0.2.10")), session.host)
    assert (gather(session).host.node, str(gather(session).host.address)) == ("cp1", "192.0.2.10")


def test_the_address_is_the_one_of_the_default_route(session: Session) -> None:
    session = Session(Config(), session.host)
    with pytest.raises(KubeceptionError, match="no default route") as caught:
        gather(session)
    assert caught.value.hint and "[node]" in caught.value.hint

    run(["ip", "address", "add", "198.51.100.7/24", "dev", "lo"])
    run(["ip", "route", "add", "default", "dev", "lo", "src", "198.51.100.7"])
    assert str(gather(session).host.address) == "198.51.100.7"


def test_the_release_is_that_of_the_bundle_in_use_or_else_the_built_in_one(
    session: Session,
) -> None:
    assert gather(session).host.release == BUILT_IN
    assert gather(session).host.archives == {}

    at = CONFIG.layout
    for minor in (8, 9):
        image = f"localhost/kubeception/kube-apiserver:v1.{minor}.0"
        listed = {"kubernetes": f"1.{minor}.0", "images": {"kube-apiserver": image}}
        files.write(session.host.at(at.bundles / f"1.{minor}.0/bundle.json"), json.dumps(listed))
    for minor in (9, 8):
        files.link(session.host.at(at.bundle), Path(f"1.{minor}.0"))

        facts = gather(session)
        image = f"localhost/kubeception/kube-apiserver:v1.{minor}.0"
        assert facts.host.release == Release(f"1.{minor}.0", {"kube-apiserver": image})
        assert facts.cluster.settings.release == facts.host.release
        assert inspect(session).release == facts.host.release
        assert facts.host.archives == {
            "kube-apiserver": Path("/opt/kubeception/current/images/kube-apiserver.tar")
        }


def test_a_bundle_that_is_gone_is_told_instead_of_images_of_other_names(session: Session) -> None:
    files.link(session.host.at(CONFIG.layout.bundle), Path("1.9.0"))

    with pytest.raises(KubeceptionError, match="opt/kubeception/current: no bundle here") as caught:
        gather(session)
    assert caught.value.hint == "kubeception bundle import DIR"


def test_a_unit_that_we_did_not_write_is_the_hosts_own(session: Session) -> None:
    files.write(session.host.at(CONFIG.layout.units / "etcd.service"), "[Unit]\n")

    assert gather(session).host.foreign_units == {"etcd.service"}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (None, False),
        ("", False),
        ("search a\n#nameserver 1\n", False),
        ("nameserver 1\n", True),
        ("nameserver 127.0.0.1\n", False),
        ("nameserver 0.0.0.0\n", False),
        ("nameserver 10.96.0.10\n", False),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", True),
    ],
)
def test_a_resolver_is_known_if_one_is_named_that_pods_reach(
    text: str | None, known: bool, session: Session
) -> None:
    if text is not None:
        files.write(session.host.at(Path("/etc/resolv.conf")), text)

    facts = gather(session)
    assert (facts.host.has_resolver, facts.host.resolv_conf) == (known, "/etc/resolv.conf")


def test_pods_inherit_no_stub_resolver(session: Session) -> None:
    """systemd-resolved's own address would be a loop inside a pod."""
    files.write(session.host.at(Path("/etc/resolv.conf")), "nameserver 127.0.0.53\n")
    real = Path("/run/systemd/resolve/resolv.conf")
    files.write(session.host.at(real), "nameserver 192.0.2.1\n")

    facts = gather(session)
    assert (facts.host.has_resolver, facts.host.resolv_conf) == (True, str(real))


def test_reading_the_facts_changes_nothing(session: Session, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))

    first = gather(session)
    # Randomness comes in as a fact, and is used where it is written down first.
    again = gather(session)
    host = replace(again.host, new_token=first.host.new_token)
    assert replace(again, host=host) == first
    assert sorted(tmp_path.rglob("*")) == before


def keep(session: Session, image: str, *, minute: int) -> str:
    """Keep a revision with an API server's image as a proven one; return which it is."""
    facts = on_host(
        release=structs.replace(HOST.release, images={**HOST.release.images, apiserver.NAME: image})
    )
    template = apiserver.daemonset(facts.cluster)["spec"]["template"]
    name = revision.identity(template)
    document = {
        "revision": name,
        "template": template,
        "manager": "kubeception",
        "since": f"2026-03-01T12:{minute:02}:00Z",
    }
    files.write(session.layout.revisions / f"proven-{name}.json", json.dumps(document))
    return name


def image_of_the_bootstrap_one(facts: Facts) -> str:
    [server] = revision.bootstrap_pod(facts)["spec"]["containers"]
    return str(server["image"])


def test_a_revision_of_long_ago_is_passed_over_for_one_that_may_still_be_started(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "kubeception.keeper")
    stale, rendered = "localhost/stale:v1.30.0", gather(session).host.release.images[apiserver.NAME]
    passed_over = keep(session, stale, minute=1)
    why = f"revision {passed_over}: {stale} is not of {BUILT_IN.kubernetes}, nor of the minor"

    without = gather(session)

    assert image_of_the_bootstrap_one(without) == rendered
    assert why in caplog.text

    current = f"localhost/older:v{BUILT_IN.kubernetes}"
    kept = keep(session, current, minute=0)
    facts = gather(session)
    assert facts.host.proven is not None
    assert facts.host.proven.revision == kept
    assert image_of_the_bootstrap_one(facts) == current
