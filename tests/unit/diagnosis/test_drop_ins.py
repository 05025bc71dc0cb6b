"""A drop-in with which a unit of ours can't do its work is told, with a way on."""

from collections.abc import Collection
from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.diagnosis import drop_ins
from kubeception.files_of_others import FileOfOthers
from kubeception.host import files
from kubeception.layout import OUR_MARK
from kubeception.render import containerd, etcd, keeper, kubelet
from kubeception.session import Session

ETC, PACKAGES = Path("/etc/systemd/system"), Path("/usr/lib/systemd/system")
# As kubeadm's package has it, for the kubelet's unit.
OF_KUBEADM = """# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS
"""
OURS = {
    containerd.UNIT: "/usr/local/bin/containerd --config /etc/containerd/config.toml",
    etcd.UNIT: "/usr/local/bin/etcd --data-dir=/var/lib/etcd/default.etcd",
    kubelet.UNIT: "/usr/local/bin/kubelet $KUBELET_ARGS",
    keeper.UNIT: "/usr/local/bin/kubeception keeper run",
}
UNITS = pytest.mark.parametrize("unit", OURS)


def look(
    session: Session, *, foreign: Collection[str] = (), is_worker: bool = False
) -> list[FileOfOthers]:
    return list(drop_ins.look(session, foreign=foreign, is_worker=is_worker))


def command(words: str) -> str:
    return f"[Service]\nExecStart=\nExecStart={words}\n"


@pytest.mark.parametrize(
    ("folder", "hint"),
    [
        (ETC, "rm {at}; systemctl daemon-reload"),
        (PACKAGES, "mkdir -p {over}; ln -sf /dev/null {over}/{name}; systemctl daemon-reload"),
    ],
)
def test_a_drop_in_with_another_tools_command_is_told(
    folder: Path, hint: str, tmp_path: Path
) -> None:
    session, name = session_of(tmp_path), "10-kubeadm.conf"
    at, over = folder / "kubelet.service.d" / name, ETC / "kubelet.service.d"
    files.write(session.host.at(at), OF_KUBEADM)

    [told] = look(session)
    assert str(told) == (
        f"{at}: has kubelet.service, when it next starts, run '/usr/bin/kubelet"
        " $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS'"
        " in place of /usr/local/bin/kubelet … KUBELET_ARGS"
    )
    assert told.hint == hint.format(at=at, over=over, name=name)
    assert look(session, foreign={kubelet.UNIT}) == []

    # What the hint says.
    if folder == ETC:
        session.host.at(at).unlink()
    else:
        session.host.at(over).mkdir(parents=True)
        session.host.at(over / name).symlink_to("/dev/null")
    assert look(session) == []


@UNITS
@pytest.mark.parametrize("text", ["[Service]\nExecStart=\n", command("/usr/bin/true")])
def test_every_unit_of_ours_is_looked_at(unit: str, text: str, tmp_path: Path) -> None:
    session = session_of(tmp_path)
    at = ETC / f"{unit}.d" / "10-docker.conf"
    files.write(session.host.at(at), text)

    [told] = look(session)
    assert told.path == at
    assert unit in told.problem
    # A worker has no etcd, and what is left of one there does no harm.
    assert bool(look(session, is_worker=True)) == (unit != etcd.UNIT)


@UNITS
@pytest.mark.parametrize(
    "text",
    [
        "[Service]\nEnvironment=GOGC=50\n",
        "[Service]\nExecStartPre=/bin/true\n",
        "",
        command("/usr/bin/nice {ours} --more"),
        command("/usr/bin/nice \\\n  {ours}"),
    ],
)
def test_a_drop_in_of_the_users_is_their_own(unit: str, text: str, tmp_path: Path) -> None:
    session = session_of(tmp_path)
    files.write(session.host.at(ETC / f"{unit}.d" / "own.conf"), text.format(ours=OURS[unit]))

    assert look(session) == []


def test_of_several_commands_the_last_one_counts(tmp_path: Path) -> None:
    session, folder = session_of(tmp_path), ETC / f"{etcd.UNIT}.d"
    files.write(session.host.at(folder / "10-other.conf"), command("/usr/bin/etcd"))
    files.write(session.host.at(folder / "20-own.conf"), command(OURS[etcd.UNIT]))
    assert look(session) == []

    files.write(session.host.at(PACKAGES / folder.name / "30-other.conf"), command("/usr/bin/etcd"))
    assert [one.path.name for one in look(session)] == ["30-other.conf"]


HARDENING = "[Service]\nProtectSystem=strict\nPrivateTmp=yes\nNoNewPrivileges=yes\n"


def test_what_confines_every_service_of_a_host_is_put_out_for_ours_alone(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    at = ETC / "service.d" / "hardening.conf"
    files.write(session.host.at(at), HARDENING)

    [told] = look(session)
    assert str(told) == (
        f"{at}: sets ProtectSystem=strict, PrivateTmp=yes, NoNewPrivileges=yes for etcd.service,"
        " containerd.service, kubelet.service, kubeception-keeper.service,"
        " which can't do their work so"
    )
    of_their_own = look(session, foreign={etcd.UNIT, containerd.UNIT, kubelet.UNIT})
    assert [str(one) for one in of_their_own] == [str(told)]
    assert etcd.UNIT not in str(look(session, is_worker=True))

    files.write(session.host.at(ETC / kubelet.UNIT), OUR_MARK)
    [again] = look(session)
    assert again.hint == f"{told.hint}; systemctl try-restart {kubelet.UNIT}"

    # What the hint says.
    for unit in OURS:
        over = ETC / f"{unit}.d"
        assert f"mkdir -p {over}; ln -sf /dev/null {over}/hardening.conf; " in told.hint
        session.host.at(over).mkdir()
        session.host.at(over / at.name).symlink_to("/dev/null")
    assert told.hint.endswith("; systemctl daemon-reload")  # no unit is there yet
    assert look(session) == []


OF_FOLDERS = (
    *("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths"),
    *("ReadOnlyDirectories", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths"),
    *("RootDirectory", "RootImage", "MountImages", "ExtensionImages", "ExtensionDirectories"),
)


@pytest.mark.parametrize(
    ("unit", "setting", "is_told"),
    [
        (kubelet.UNIT, "PrivateTmp=yes", True),
        (kubelet.UNIT, "PrivateTmp=no", False),
        (kubelet.UNIT, "PrivateTmp=yes\nPrivateTmp=No", False),
        (kubelet.UNIT, "NoNewPrivileges=yes", False),
        (kubelet.UNIT, "ProtectSystem=true\nReadWritePaths=/", True),
        (containerd.UNIT, "NoNewPrivileges=yes", True),
        (containerd.UNIT, "SystemCallFilter=@system-service", True),
        (containerd.UNIT, "SystemCallFilter=~@reboot", False),
        (containerd.UNIT, "User=root", False),
        (containerd.UNIT, "LimitNOFILE=1024\nEnvironment=PrivateTmp=yes", False),
        (etcd.UNIT, "ProtectSystem=strict", True),
        (etcd.UNIT, "ProtectSystem=full\nPrivateTmp=yes", False),
        (etcd.UNIT, "ProtectSystem=strict\nReadWritePaths=/var/lib/etcd", False),
        (keeper.UNIT, "ProtectSystem=full", True),
        (keeper.UNIT, "PrivateTmp=yes", False),
        # Each of these gives mounts of its own.
        *((kubelet.UNIT, f"{name}=/srv/none", True) for name in OF_FOLDERS),
        *((containerd.UNIT, f"{name}=-/srv/none", True) for name in OF_FOLDERS),
        *((kubelet.UNIT, f"{name}=", False) for name in OF_FOLDERS),
        (kubelet.UNIT, "MountFlags=slave", True),
        (kubelet.UNIT, "MountFlags=private", True),
        (kubelet.UNIT, "MountFlags=shared", False),
        (kubelet.UNIT, "ProtectHome=read-only", True),
        (containerd.UNIT, "PrivateIPC=yes", True),
        (containerd.UNIT, "LogNamespace=own", True),
        (kubelet.UNIT, "BindPaths=/srv\nBindPaths=", False),
        # Programs in pods inherit these.
        (containerd.UNIT, "RestrictSUIDSGID=yes", True),
        (containerd.UNIT, "MemoryDenyWriteExecute=yes", True),
        (kubelet.UNIT, "RestrictSUIDSGID=yes", False),
        # Of a unit whose mounts may be its own a folder counts that it writes to.
        (etcd.UNIT, "ReadOnlyPaths=/var/lib", True),
        (etcd.UNIT, "TemporaryFileSystem=/var:ro", True),
        (etcd.UNIT, "InaccessiblePaths=-/root /home", False),
        (etcd.UNIT, "ReadOnlyPaths=/\nReadWritePaths=/var/lib/etcd", False),
        (etcd.UNIT, "RootDirectory=/srv/etcd", True),
        (keeper.UNIT, "InaccessibleDirectories=/etc", True),
        (keeper.UNIT, "InaccessiblePaths=/root", False),
        # Nobody is reached, or what is needed can't be opened.
        (kubelet.UNIT, "IPAddressDeny=any", True),
        (kubelet.UNIT, "IPAddressDeny=any\nIPAddressAllow=localhost", True),
        (kubelet.UNIT, "IPAddressDeny=any\nIPAddressAllow=localhost 10.0.0.0/8", False),
        (kubelet.UNIT, "IPAddressDeny=169.254.169.254", False),
        (etcd.UNIT, "IPAddressDeny=any\nIPAddressAllow=localhost", False),
        (keeper.UNIT, "IPAddressDeny=any", True),
        (etcd.UNIT, "SocketBindDeny=any", True),
        (kubelet.UNIT, "DevicePolicy=closed", True),
        (kubelet.UNIT, "DevicePolicy=closed\nDeviceAllow=/dev/kmsg r", False),
        (kubelet.UNIT, "DevicePolicy=auto", False),
        (kubelet.UNIT, "ProtectClock=yes", True),
        (kubelet.UNIT, "ProtectClock=no", False),
        # Less than it takes when it has just started.
        (kubelet.UNIT, "MemoryMax=32M", True),
        (kubelet.UNIT, "MemoryMax=512M", False),
        (kubelet.UNIT, "MemoryMax=infinity", False),
        (kubelet.UNIT, "MemoryMax=5%", False),
        (containerd.UNIT, "TasksMax=40", True),
        (containerd.UNIT, "TasksMax=4096", False),
        (containerd.UNIT, "TasksMax=infinity", False),
        (etcd.UNIT, "TasksMax=40", False),
    ],
)
def test_a_unit_is_confined_by_what_keeps_it_from_its_work(
    unit: str, setting: str, tmp_path: Path, *, is_told: bool
) -> None:
    session = session_of(tmp_path)
    files.write(session.host.at(ETC / f"{unit}.d" / "own.conf"), f"[Service]\n{setting}\n")

    assert bool(look(session)) == is_told
    assert look(session, foreign={unit}) == [] or unit == keeper.UNIT
