"""What others left on a host that would be in the way is told, with what removes it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fixed import CONFIG
from tests.unit.preflight.host_states import said, scene_of
from tests.unit.sessions import session_of

from kubeception.config import Config
from kubeception.config.model import Cni, Net
from kubeception.host import files
from kubeception.preflight import leftovers
from kubeception.render import flannel

FOLDER = CONFIG.layout.cni.settings


def test_another_network_is_told_where_it_goes_before_ours(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    folder = session.host.at(FOLDER)
    assert said(leftovers.networks, scene_of(session)) == []
    names = (
        "10-calico.conflist",
        flannel.PLUGIN,
        "87-podman.conflist",
        "00-off",
        f".{flannel.PLUGIN}",
    )
    for name in names:
        files.write(folder / name, "{}")

    [told] = said(leftovers.networks, scene_of(session))
    assert told.startswith(f"error FileContent--etc-cni-net.d-10-calico.conflist: {FOLDER}")

    # What the hint says.
    [found] = leftovers.networks(scene_of(session))
    shutil.move(folder / "10-calico.conflist", folder / "10-calico.conflist.off")
    assert found.hint == f"mv {FOLDER}/10-calico.conflist {FOLDER}/10-calico.conflist.off"
    assert said(leftovers.networks, scene_of(session)) == []


def test_a_network_that_people_bring_is_their_own(tmp_path: Path) -> None:
    session = session_of(tmp_path, config=Config(net=Net(cni=Cni.NONE)))
    files.write(session.host.at(FOLDER) / "10-calico.conflist", "{}")

    assert said(leftovers.networks, scene_of(session)) == []


BRIDGE = '{"type": "bridge", "bridge": "cni-podman0", "ipam": {"type": "host-local"}}'
# As their own programs write them.
MULTUS = """{"cniVersion": "0.3.1", "name": "multus-cni-network", "type": "multus-shim",
 "clusterNetwork": "/host/etc/cni/net.d/10-flannel.conflist"}"""
CILIUM = """{"name": "chained", "cniVersion": "0.3.1", "plugins": [
 {"type": "flannel", "delegate": {"isDefaultGateway": true}}, {"type": "cilium-cni"}]}"""


@pytest.mark.parametrize(
    ("name", "text", "is_told"),
    [
        ("05-podman.conflist", f'{{"name": "podman", "plugins": [{BRIDGE}]}}', True),
        ("05-own.conf", BRIDGE, True),
        (".05-own.conf", BRIDGE, True),  # a runtime takes it, too
        ("05-own.json", "{", True),  # the runtime reads no other one then
        ("05-own.conf", '{"type": ["flannel"]}', True),
        ("05-own.conf.off", BRIDGE, False),
        ("00-multus.conf", MULTUS, False),
        ("05-cilium.conflist", CILIUM, False),
    ],
)
def test_plugins_that_lead_to_flannels_are_no_other_network(
    name: str, text: str, tmp_path: Path, *, is_told: bool
) -> None:
    session = session_of(tmp_path)
    files.write(session.host.at(FOLDER) / name, text)

    assert bool(said(leftovers.networks, scene_of(session))) is is_told


def test_a_folder_is_no_network(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    (session.host.at(FOLDER) / "00-own.conf").mkdir(parents=True)

    assert said(leftovers.networks, scene_of(session)) == []


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("nameserver 127.0.0.1\n", True),
        ("nameserver 0.0.0.0\nnameserver ::\n", True),
        ("nameserver ::1\nnameserver 127.0.0.53\n", True),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", False),
        ("nameserver fe80::1%eth0\n", False),
        ("search here\n", True),
        ("", True),
    ],
)
def test_a_resolver_that_only_the_host_can_ask_is_told(
    tmp_path: Path, text: str, *, is_told: bool
) -> None:
    session = session_of(tmp_path)
    files.write(session.host.at(Path("/etc/resolv.conf")), text)

    told = said(leftovers.resolver, scene_of(session))

    assert [line.partition(":")[0] for line in told] == (
        ["warning FileContent--etc-resolv.conf"] if is_told else []
    )


@pytest.mark.parametrize(
    ("put", "said_of_it"),
    [
        (lambda at: None, "no such file"),
        (lambda at: at.symlink_to("/run/none"), "leads to /run/none, which isn't there"),
        (lambda at: at.mkdir(), "is no file"),
    ],
)
def test_a_resolver_file_that_no_pod_could_inherit_is_an_error(
    tmp_path: Path, put: Callable[[Path], None], said_of_it: str
) -> None:
    session = session_of(tmp_path)
    at = session.host.at(Path("/etc/resolv.conf"))
    at.parent.mkdir(parents=True, exist_ok=True)
    put(at)

    (found,) = leftovers.resolver(scene_of(session))

    assert found.severity == "error"
    assert found.problem.startswith(f"/etc/resolv.conf: {said_of_it}: no pod could start")
    assert found.hint == "rm -rf /etc/resolv.conf; echo nameserver ADDRESS > /etc/resolv.conf"


@pytest.mark.parametrize("path", ["/usr/bin", "/nowhere", ""])
def test_programs_are_found_whatever_path_it_was_started_with(path: str) -> None:
    program = (
        "import os, sys; from kubeception import cli; sys.argv = ['kubeception', '--version']\n"
    )
    program += "try: cli.main()\nexcept SystemExit: print(os.environ['PATH'])"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )

    *_, found = done.stdout.splitlines()
    folders = found.split(":")
    assert {"/usr/local/bin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"} <= {*folders}
    assert "" not in folders and len({*folders}) == len(folders)
    assert not path or folders[0] == path  # who has programs of his own still gets these
