"""A kernel that lacks what the network of pods is made of, as a real one says it."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fixed import CONFIG, HOST

from kubeception.config import cluster
from kubeception.config.model import Cni, ProxyMode
from kubeception.diagnosis import network_cause
from kubeception.facts import asked
from kubeception.host import files, network_modules
from kubeception.host.gateway import Host, this_host
from kubeception.host.network_modules import LINKS, RULES, brought_by, lacking
from kubeception.host.systemd import Systemd
from kubeception.preflight import kernel
from kubeception.preflight.host_state import HostState
from kubeception.session import Session

# No kernel makes links of that type, and none translates where packets are only passed on.
NO_LINK: dict[str, tuple[str, ...]] = {"kubeception": ()}
NO_RULE = {"nft_none": ("nat hook forward priority 0", "accept")}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(CONFIG, Host(tmp_path, Systemd(tmp_path / "nobody-answers")))


def test_a_kernel_that_has_them_lacks_nothing_and_keeps_nothing() -> None:
    assert list(lacking(this_host(), LINKS, RULES)) == []
    assert not Path("/sys/class/net/kubeception0").exists()


def test_each_that_is_missing_is_named() -> None:
    found = [str(one) for one in lacking(this_host(), {**LINKS, **NO_LINK}, {**RULES, **NO_RULE})]

    assert found == [
        "the kernel makes no links of type kubeception, which pods' network is made of: it lacks"
        " the module kubeception",
        "the kernel takes no rules of nft with `accept`, by which Services are reached: it lacks"
        " the module nft_none",
    ]


def test_who_can_not_be_asked_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may do without nft, and a user without rights for a network of its own."""
    for program in ("unshare", "ip"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert list(lacking(this_host(), {}, {**RULES, **NO_RULE})) == []

    (tmp_path / "ip").unlink()
    assert list(lacking(this_host(), LINKS, {})) == []


def test_it_is_an_error_before_there_is_a_cluster_and_then_a_word(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_modules, "LINKS", NO_LINK)
    monkeypatch.setattr(network_modules, "RULES", NO_RULE)

    def found(*, is_worker: bool = False) -> list[str]:
        seen = HostState(session, is_worker=is_worker)
        return [f"{one.severity} {one.check}" for one in kernel.modules(seen)]

    def ask(**changes: Any) -> None:
        net = msgspec.structs.replace(CONFIG.net, **changes)
        session.asked = msgspec.structs.replace(CONFIG, net=net)
        session.hang_up()

    link, rule = "Kernel-kubeception", "Kernel-nft_none"
    assert found() == [f"error {link}", f"error {rule}"]
    assert found(is_worker=True) == [f"warning {link}", f"warning {rule}"]
    ask(proxy_mode=ProxyMode.IPTABLES)
    assert found() == [f"error {link}"]
    ask(cni=Cni.NONE)
    assert found() == [f"error {rule}"]
    # By now the cluster's word counts, whatever this host asks for.
    ask()
    settings = asked(CONFIG, HOST)
    files.write(session.layout.cluster, cluster.text(cluster.Copy(settings, settings)))
    session.hang_up()
    assert found() == [f"warning {link}", f"warning {rule}"]


def test_it_is_the_cause_of_a_network_that_does_not_work(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_modules, "RULES", NO_RULE)

    cause = network_cause.look(session)

    assert cause and cause.what.startswith("the kernel takes no rules of nft with `accept`")


@pytest.mark.parametrize(
    ("disabled", "there", "hint"),
    [
        ("0", ["6.1.0"], "modprobe vxlan; where there is none install linux-modules-extra-6.1.0"),
        ("0", ["6.2.0"], "reboot: /lib/modules/6.1.0, the running kernel's, is gone"),
        ("0", [], "modprobe vxlan, on the machine whose kernel this host has"),
        (None, [], "boot another kernel: this one was built without it"),
        ("1", ["6.1.0"], "echo vxlan > /etc/modules-load.d/vxlan.conf; reboot: by kernel.modules_"),
    ],
)
def test_the_hint_goes_by_what_keeps_it_from_being_loaded(
    tmp_path: Path, disabled: str | None, there: list[str], hint: str
) -> None:
    files.write(tmp_path / "proc/sys/kernel/osrelease", "6.1.0\n")
    if disabled:
        files.write(tmp_path / "proc/sys/kernel/modules_disabled", f"{disabled}\n")
    for release in there:
        files.make_folder(tmp_path / "modules" / release)

    said = brought_by("vxlan", proc=tmp_path / "proc", modules=tmp_path / "modules")

    assert said.startswith(hint)
