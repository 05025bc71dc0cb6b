"""Whose a listener is: nobody of ours is a stranger, in whatever state a rerun finds them."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fixed import HOST
from tests.unit.preflight.host_states import scene_of
from tests.unit.sessions import session_of

from kubeception.host import sockets
from kubeception.host.sockets import Listener
from kubeception.preflight import ports

SYSTEMD = "0::/system.slice/{}\n"
OLD_SYSTEMD = "12:cpu,cpuacct:/system.slice/{0}\n1:name=systemd:/system.slice/{0}\n"
POD = "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-1.scope\n"
OLD_POD = "9:pids:/kubepods/burstable/pod1/2\n1:name=systemd:/kubepods/burstable/pod1/2\n"
SHELL = "0::/user.slice/user-0.slice/session-1.scope\n"


def table(tmp_path: Path) -> dict[int, ports.Port]:
    return {port.number: port for port in ports.table(scene_of(session_of(tmp_path)))}


@pytest.mark.parametrize(
    ("number", "program", "cgroup", "is_ours"),
    [
        (2379, "etcd", SYSTEMD.format("etcd.service"), True),
        (2379, "etcd", OLD_SYSTEMD.format("etcd.service"), True),
        (2379, "etcd", SYSTEMD.format("etcd-of-somebody.service"), False),
        (2379, "etcd", POD, False),
        (2380, "etcd", SHELL, False),
        (10250, "kubelet", SYSTEMD.format("kubelet.service"), True),
        (10250, "k3s", SYSTEMD.format("k3s.service"), False),
        (6444, "kube-apiserver", POD, True),
        (6445, "kube-apiserver", OLD_POD, True),
        (6446, "nginx", POD, False),
        (6446, "kube-apiserver", SHELL, False),
        (10257, "kube-controller", OLD_POD, True),
        (10269, "kube-scheduler", POD, True),
        (10256, "kube-proxy", POD, True),
        (6443, "kube-apiserver", POD, False),
        (30000, "python3", SHELL, False),
    ],
)
def test_who_belongs_on_a_port(
    tmp_path: Path, number: int, program: str, cgroup: str, is_ours: bool
) -> None:
    listener = Listener("0.0.0.0", number, 7, program, cgroup)

    assert table(tmp_path)[number].takes(listener) is is_ours


@pytest.mark.parametrize(
    ("number", "address", "clashes"),
    [
        (6445, "198.51.100.7", True),
        (6444, "127.0.0.1", True),
        (6444, "::", True),
        (6444, "198.51.100.7", False),
        (2380, str(HOST.address), True),
        (2380, "127.0.0.1", False),
    ],
)
def test_a_port_on_another_address_is_free(
    tmp_path: Path, number: int, address: str, clashes: bool
) -> None:
    assert table(tmp_path)[number].clashes(Listener(address, number)) is clashes


def test_a_listener_is_found_with_its_process() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        one, other = four.getsockname()[1], six.getsockname()[1]
        found = {listener.port: listener for listener in sockets.listeners({one, other})}

    assert (found[one].address, found[one].pid) == ("127.0.0.1", os.getpid())
    assert (found[other].address, found[other].pid) == ("::1", os.getpid())
    program = Path("/proc/self/comm").read_text().strip()
    assert str(found[one]) == f"{program} (pid {os.getpid()}) listens on 127.0.0.1:{one}"


def test_an_address_of_ipv4_may_look_like_one_of_ipv6(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx:rx tr:when retrnsmt uid timeout inode\n"
    mapped = "0000000000000000FFFF00000A0200C0:192B"
    rest = "0:0 0A 00000000:00000000 00:00000000 00000000 0 0 41 1"
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(head)
    (tmp_path / "net/tcp6").write_text(f"{head}   0: {mapped} {rest}\n")

    (found,) = sockets.listeners({6443}, proc=tmp_path)

    assert found == Listener("192.0.2.10", 6443)
    assert str(found) == "another process listens on 192.0.2.10:6443"


def test_a_stranger_is_named_and_said_how_to_end(tmp_path: Path) -> None:
    seen = scene_of(session_of(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = type(seen.config)(kubeception=type(seen.config.kubeception)(nodeport=port))
        seen = replace(seen, session=session_of(tmp_path, config=config))
        (finding,) = ports.foreign_listeners(seen)

    assert (finding.check, finding.severity) == (f"Port-{port}", "warning")
    told = f"(pid {os.getpid()}) listens on 127.0.0.1:{port}, the port of the join service"
    assert told in finding.problem
