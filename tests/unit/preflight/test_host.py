"""Names, versions, folders, clocks and cgroups."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fixed import CONFIG, MEMBER
from tests.unit.preflight.host_states import RELEASE, host_with_pki, said, scene_of
from tests.unit.sessions import Hands, session_of

from kubeception.host import files
from kubeception.host.process import run
from kubeception.kept import membership
from kubeception.preflight import address, capacity, checks, host, programs
from kubeception.preflight.finding import Severity
from kubeception.preflight.programs import PROGRAMS
from kubeception.versions import LISTING, Range, Release

RELEASED = datetime(2026, 9, 1, tzinfo=UTC)
LATER = RELEASED + timedelta(days=90)
LAUNCHERS = CONFIG.layout.launchers
BUNDLE = CONFIG.layout.bundle


@pytest.mark.parametrize("name", ["cp1", "cp1.example.org", "a" * 52])
def test_a_good_name(tmp_path: Path, name: str) -> None:
    assert said(address.node_name, replace(scene_of(session_of(tmp_path)), node=name)) == []


@pytest.mark.parametrize("name", ["", "my_host", "-cp1", "a" * 53])
def test_a_name_that_no_node_may_have(tmp_path: Path, name: str) -> None:
    [told] = said(address.node_name, replace(scene_of(session_of(tmp_path)), node=name))

    assert told.startswith(f"error Hostname: {name!r} is no name for a node: ")
    assert ("certificate takes 52" in told) is (len(name) > 52)


@pytest.mark.parametrize("name", ["localhost", "w1.localhost", "kubernetes", "default.svc"])
def test_a_name_that_no_worker_may_have(tmp_path: Path, name: str) -> None:
    seen = replace(scene_of(session_of(tmp_path)), node=name)

    [told] = said(address.node_name, replace(seen, is_worker=True))

    assert told == f"error Hostname: {name!r} is a name of the API or of the cluster's own"
    assert said(address.node_name, seen) == []


def program(root: Path, name: str, *lines: str) -> None:
    """Put a program on a host that says this when it is asked for its version."""
    text = "#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines)
    files.write(root / str(LAUNCHERS / name).lstrip("/"), text, mode=0o755)


@pytest.mark.parametrize(
    ("name", "answer", "problem"),
    [
        ("etcd", "etcd Version: 3.7.3", None),
        ("etcd", "etcd Version: 3.5.13", None),
        ("etcd", "etcd Version: 3.5.12", "is etcd 3.5.12"),
        ("etcd", "etcd Version: 3.4.23", "is etcd 3.4.23"),
        ("etcd", "etcdctl version: 3.7.3", "says 'etcdctl version: 3.7.3', which is no version"),
        ("etcd", "", "says '', which is no version of it"),
        ("containerd", "containerd github.com/containerd/containerd/v2 v2.3.7 abc", None),
        ("containerd", "containerd github.com/containerd/containerd 1.6.20~ds1", "is containerd 1"),
        ("kubelet", "Kubernetes v1.36.4", None),
        ("kubelet", "Kubernetes v1.33.0", None),
        ("kubelet", "Kubernetes v1.37.0-alpha.1", "is kubelet 1.37.0"),
        ("kubelet", "Kubernetes v1.32.9", "is kubelet 1.32.9"),
    ],
)
def test_versions_are_what_programs_say(
    tmp_path: Path, name: str, answer: str, problem: str | None
) -> None:
    program(tmp_path, name, answer)

    found = list(programs.supported(scene_of(session_of(tmp_path))))

    if problem is None:
        assert found == []
    else:
        assert [(one.severity, problem in one.problem) for one in found] == [(Severity.ERROR, True)]
        assert f"want {name} {RELEASE.supported[name]}" in found[0].hint


def test_a_program_that_cannot_run_is_told(tmp_path: Path) -> None:
    files.write(tmp_path / str(LAUNCHERS / "etcd").lstrip("/"), "\x7fELF of nothing", mode=0o755)

    (found,) = programs.supported(scene_of(session_of(tmp_path)))

    assert (found.check, found.severity) == ("EtcdVersion", Severity.ERROR)
    assert "exec format error" in found.problem


def test_what_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    found = said(programs.files, scene_of(session_of(tmp_path)))

    for one in PROGRAMS:
        path = LAUNCHERS / one.name
        assert f"error FileExisting-{one.name}: {path}: no such file" in found
    assert "error FileExisting-flannel: /opt/cni/bin/flannel: no such file" in found


def hints(root: Path) -> dict[str, str]:
    return {one.check: one.hint for one in programs.files(scene_of(session_of(root)))}


def test_a_missing_program_comes_from_the_bundle_in_use_or_from_elsewhere(tmp_path: Path) -> None:
    assert hints(tmp_path)["FileExisting-etcd"] == "kubeception bundle import DIR"

    used = tmp_path / "opt/kubeception/current"
    files.write(used / LISTING, "{}")
    assert hints(tmp_path)["FileExisting-etcd"] == f"kubeception bundle import {BUNDLE}"

    # Its link is there: it is the bundle that lacks it.
    etcd = tmp_path / str(LAUNCHERS / "etcd").lstrip("/")
    etcd.parent.mkdir(parents=True)
    etcd.symlink_to(BUNDLE / "bin/etcd")
    assert hints(tmp_path)["FileExisting-etcd"] == "kubeception bundle import DIR"

    # One of somebody else's is in its place, leading nowhere.
    etcd.unlink()
    etcd.symlink_to("/usr/bin/etcd")
    assert hints(tmp_path)["FileExisting-etcd"] == (
        f"mv {LAUNCHERS}/etcd {LAUNCHERS}/etcd.old; kubeception bundle import {BUNDLE}"
    )


def test_versions_read_as_people_write_them() -> None:
    assert str(RELEASE.supported["etcd"]) == "3.5.13 or later"
    assert str(Range((1, 34), (1, 38))) == "1.34 or later, below 1.38"


def test_a_file_where_a_folder_belongs(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    files.write(session.host.at(CONFIG.layout.etcd.state), "")

    assert said(capacity.folders, scene_of(session)) == [
        "error DirAvailable--var-lib-etcd: /var/lib/etcd: is a file"
    ]
    assert said(capacity.disk, scene_of(session)) is not None  # and nothing stumbles over it


@pytest.mark.parametrize(
    "path", ["/var/lib/kubelet", "/var/lib/etcd", "/etc/cni", "/etc/kubernetes", "/var/lib"]
)
def test_a_link_that_leads_to_no_folder_is_told_once_with_what_mends_it(
    path: str, tmp_path: Path
) -> None:
    """As the host follows it, also where it stands above the folders that are meant."""
    session = session_of(tmp_path)
    link = session.host.at(Path(path))
    link.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "data").symlink_to("/srv/data")
    link.symlink_to("/data/own")

    (found,) = capacity.folders(scene_of(session))

    assert found.check == f"DirAvailable-{path.replace('/', '-')}"
    there = tmp_path / "srv/data/own"
    assert found.problem == (
        f"{path}: is a link to {there}, which isn't there; is its disk not mounted?"
    )
    run(found.hint.split())
    assert list(capacity.folders(scene_of(session))) == []


def test_a_link_that_leads_round_in_a_circle_is_told(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    link = session.host.at(CONFIG.layout.containerd.state)
    link.parent.mkdir(parents=True)
    link.symlink_to("containerd")

    (found,) = capacity.folders(scene_of(session))

    assert found.hint == "rm /var/lib/containerd"
    assert found.problem == "/var/lib/containerd: is a link that leads round in a circle"


def test_a_clock_before_the_release(tmp_path: Path) -> None:
    session = session_of(tmp_path, hands=Hands(datetime(1970, 1, 1, tzinfo=UTC)))

    assert said(capacity.clock, scene_of(session)) == [
        "error Clock: the clock says 1970-01-01 00:00, before Kubernetes 1.36.4 was there"
    ]
    assert said(capacity.clock, scene_of(session, release=Release("1.36.4", {}))) == []


def test_a_clock_at_which_certificates_do_not_hold_yet(tmp_path: Path) -> None:
    host_with_pki(tmp_path, hands=Hands(LATER))
    back = LATER - timedelta(days=1)

    assert said(capacity.clock, scene_of(session_of(tmp_path, hands=Hands(back)))) == [
        f"error Clock: the clock says {back:%Y-%m-%d %H:%M}; "
        f"{CONFIG.layout.pki.ca.certificate} is valid from 2026-11-29 23:55 on"
    ]


def test_a_clock_behind_our_own_files(tmp_path: Path) -> None:
    # Issued at the release, as the certificates say, and written right now, as the folder says.
    hands = Hands(RELEASED)
    host_with_pki(tmp_path, hands=hands)
    assert datetime.now(UTC) > RELEASED + capacity.CLOCKS_DIFFER

    (found,) = capacity.clock(scene_of(session_of(tmp_path, hands=hands)))

    assert (found.check, found.severity) == ("Clock", Severity.WARNING)
    now = Hands(datetime.now(UTC))
    assert said(capacity.clock, scene_of(session_of(tmp_path, hands=now))) == []


@pytest.mark.parametrize(
    ("settings", "command", "refuses"),
    [
        ("failCgroupV1: false\n", (), False),
        ('{"kind": "KubeletConfiguration", "failCgroupV1": false}', (), False),
        ("kind: KubeletConfiguration\n", (), True),
        ("failCgroupV1: true\n", (), True),
        ("kind: KubeletConfiguration\n", ("kubelet", "--fail-cgroupv1=false"), False),
    ],
)
def test_whether_a_kubelet_of_the_hosts_own_refuses_version_1(
    tmp_path: Path, settings: str, command: tuple[str, ...], refuses: bool
) -> None:
    path = tmp_path / "kubelet.yaml"
    path.write_text(settings)

    assert host.refuses_version_1(path, command) is refuses


@pytest.mark.parametrize(
    ("command", "own"),
    [
        (("/usr/bin/kubelet", "--config=/etc/kubelet.yaml"), Path("/etc/kubelet.yaml")),
        (("/usr/bin/kubelet", "--config", "/etc/kubelet.yaml"), Path("/etc/kubelet.yaml")),
        (("/usr/bin/kubelet", "--config=/var/lib/kubelet/config.yaml"), None),
        (("/usr/bin/kubelet", "$KUBELET_ARGS"), None),
    ],
)
def test_a_unit_that_names_our_settings_or_none_goes_by_ours(
    tmp_path: Path, command: tuple[str, ...], own: Path | None
) -> None:
    assert host.own_settings(scene_of(session_of(tmp_path)), command) == own


def test_a_worker_is_no_control_plane_host_nor_the_other_way_round(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    seen = scene_of(session)
    worker = replace(seen, is_worker=True)
    assert said(host.role, seen) == said(host.role, worker) == []

    files.write(session.layout.membership, membership.text(MEMBER))
    assert said(host.role, worker) == []
    assert said(host.role, seen) == [f"error Role: this host is a worker of {MEMBER.apiserver}"]
    assert [found.check for found in checks.look(session)] == ["Role"]

    files.write(session.layout.pki.ca.key, "a key", mode=0o600)
    assert said(host.role, worker) == ["error Role: this host is a control-plane host, or was one"]


VERSION_1 = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n" + "".join(
    f"{name}\t7\t9\t{int(name != 'memory')}\n" for name in ("cpuset", "cpu", "memory", "pids")
)


@pytest.mark.parametrize(
    ("path", "text", "lacking"),
    [
        ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n", None),
        ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io hugetlb pids\n", "memory"),
        ("proc/cgroups", VERSION_1, "memory"),
        ("proc/cgroups", VERSION_1.replace("\t0\n", "\t1\n"), None),
    ],
)
def test_a_kernel_that_shares_out_no_memory_is_told(
    tmp_path: Path, path: str, text: str, lacking: str | None
) -> None:
    seen = scene_of(session_of(tmp_path))
    session = replace(seen.session, host=replace(seen.session.host, is_contained=True))
    files.write(tmp_path / path, text)

    found = [(one.check, one.hint) for one in host.controllers(replace(seen, session=session))]

    hint = f"boot with cgroup_enable={lacking}, and without cgroup_disable={lacking}"
    assert found == ([("CgroupControllers", hint)] if lacking else [])
