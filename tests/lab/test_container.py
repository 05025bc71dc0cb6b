"""From a container of its image, as the original was run, kubeception makes the same of a host
that has no Python and whose etcd, container runtime and kubelet are its distribution's own.
"""

import time

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import Run, bootstrap, quietly, until
from tests.lab.conftest import Note
from tests.lab.distribution import BUNDLE, UNITS, give_containerd, images
from tests.lab.losing import AT

from kubeception.lab import Host, Lab
from kubeception.layout import IMAGE_COMMAND

RESET = ("kubeception", "reset", "--yes", "--etcd", "--pki")
KEEPER = "kubeception-keeper.service"
PROGRAMS = (
    *("containerd", "containerd-shim-runc-v2", "runc", "ctr", "crictl"),
    *("etcd", "kubelet", "kubectl"),
)
OWN = {
    "containerd": """[Service]
Type=notify
ExecStart=/usr/bin/containerd
Delegate=yes
KillMode=process
""",
    "etcd": """[Service]
Type=notify
EnvironmentFile=-/etc/kubernetes/etcd.env
ExecStart=/usr/bin/etcd
""",
    "kubelet": """[Service]
EnvironmentFile=-/etc/kubernetes/kubelet.env
ExecStart=/usr/bin/kubelet $KUBELET_ARGS
KillMode=process
""",
}
COMMON = """Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
# What README says for docker, in the words of ctr, which has to be told an image's entry point.
COMMAND = """#!/bin/sh
exec ctr --namespace k8s.io run --rm --net-host --privileged \\
  --mount type=bind,src=/,dst=/host,options=rbind:rslave:rw {image} kubeception-$$ {entrypoint} "$@"
"""

pytestmark = pytest.mark.hosts(1, bundle=True)


def make_a_distribution_of(host: Host) -> None:
    """Give a host units and programs of its own, and nothing that runs Python for us."""
    for program in PROGRAMS:
        host.run("cp", f"{BUNDLE}/bin/{program}", f"/usr/bin/{program}")
    host.run("sh", "-c", f"rm -r /usr/local/bin/* {BUNDLE}/lib {BUNDLE}/bin/[!c]*")
    for unit, words in OWN.items():
        host.put(f"{UNITS}/{unit}.service", words + COMMON)
    image = images(host)["kubeception"]
    command = COMMAND.format(image=image, entrypoint=" ".join(IMAGE_COMMAND))
    host.put("/usr/local/bin/kubeception", command, mode=0o755)
    give_containerd(host)
    host.run(
        *("ctr", "--namespace", "k8s.io", "images", "import", f"{BUNDLE}/images/kubeception.tar"),
        timeout_s=120,
    )


@pytest.fixture(scope="module")
def first_run(lab: Lab, note: Note) -> Run:
    """The run that makes the cluster, from the image."""
    cp1 = lab.host("cp1")
    make_a_distribution_of(cp1)
    cluster.configure(cp1)
    run = bootstrap(cp1, "--config", cluster.CONFIG)
    note(f"bootstrap from a container, on units of the host's own: {run.wall_s:.1f} s")
    return run


@pytest.fixture
def cp1(first_run: Run, hosts: list[Host]) -> Host:
    return hosts[0]


def keeper(host: Host) -> dict[str, str]:
    """Return how the keeper runs, by systemd."""
    asked = "ActiveState,RootDirectory,StatusText,NRestarts"
    shown = host.run("systemctl", "show", "-p", asked, KEEPER).stdout
    return dict(line.split("=", 1) for line in shown.splitlines())


def problem(host: Host) -> str | None:
    """Return what a status from another container has to say against the control plane."""
    done = host.run("kubeception", "status", check=False, timeout_s=120)
    return (done.stdout or done.stderr) if done.code else None


def is_paused(host: Host) -> bool:
    """Whether the keeper said last that it is paused."""
    return "paused until" in host.get("/run/kubeception/keeper/verdict.json")


def test_a_host_with_units_of_its_own_becomes_a_cluster(first_run: Run, cp1: Host) -> None:
    cluster.settle(cp1)

    for unit in cluster.UNITS:
        shown = cp1.run("systemctl", "show", "--value", "-p", "FragmentPath", unit).stdout.strip()
        assert shown == f"{UNITS}/{unit}"
    assert [node["metadata"]["name"] for node in cluster.get(cp1, "nodes")["items"]] == ["cp1"]


def test_a_second_run_changes_nothing(cp1: Host) -> None:
    before = cluster.units(cp1), cluster.door(cp1), keeper(cp1)

    assert bootstrap(cp1).changes == []
    assert (cluster.units(cp1), cluster.door(cp1), keeper(cp1)) == before


def test_the_keeper_runs_in_a_copy_of_the_image(cp1: Host) -> None:
    found = keeper(cp1)

    assert (found["ActiveState"], found["NRestarts"]) == ("active", "0")
    assert found["RootDirectory"].startswith("/opt/kubeception/image-")


def test_the_keeper_hears_what_another_container_says(cp1: Host) -> None:
    cp1.run("kubeception", "keeper", "pause", "--for", "30m")
    until(lambda: is_paused(cp1), timeout_s=30)
    cp1.run("kubeception", "keeper", "resume")
    until(lambda: not is_paused(cp1), timeout_s=30)


def test_it_comes_back_alone_after_a_power_cut(cp1: Host, note: Note) -> None:
    cp1.power_cut()
    started = time.monotonic()
    cp1.boot()
    cp1.wait_for_unit(KEEPER)

    until(quietly(lambda: problem(cp1) is None), timeout_s=healing.BACK_S)
    cluster.settle(cp1)
    note(f"back after a power cut, by a keeper from the image: {time.monotonic() - started:.1f} s")


def test_reset_takes_it_back(cp1: Host) -> None:
    assert "reset: 0 changes" not in cp1.run(*RESET, timeout_s=120).stdout
    assert "reset: 0 changes" in cp1.run(*RESET, timeout_s=120).stdout

    pods = "/var/lib/kubelet/pods"
    assert cp1.run("find", "/etc/kubernetes", pods, "-mindepth", "1").stdout == ""
    assert pods not in cp1.get("/proc/1/mounts")
    assert cp1.run("crictl", "pods", "--quiet").stdout == ""
    cp1.fail("test", "-e", f"/etc/systemd/system/{KEEPER}")


def test_a_unit_of_ours_asks_the_image_whether_etcd_may_start(cp1: Host) -> None:
    """On a host that has no etcd unit of its own, so that ours has to run its guard there."""
    data = AT.etcd.data
    cp1.run("rm", f"{UNITS}/etcd.service")
    cp1.run("cp", "/usr/bin/etcd", "/usr/local/bin/etcd")
    cp1.run("systemctl", "daemon-reload")
    cluster.configure(cp1)
    bootstrap(cp1, "--config", cluster.CONFIG)
    cp1.run("kubeception", "keeper", "pause")
    cp1.run("systemctl", "stop", "etcd")
    cp1.run("mv", str(data), "/root/away")

    cp1.run("systemctl", "start", "--no-block", "etcd")

    def is_refused() -> bool:
        return f"{data}: there are no data of etcd's" in cp1.run("journalctl", "-u", "etcd").stdout

    cluster.until(is_refused, timeout_s=60)
    cp1.fail("test", "-e", str(data))
    cp1.run("mv", "/root/away", str(data))
    cluster.until(lambda: cluster.answers(cp1), timeout_s=120)
    cp1.run("kubeception", "keeper", "resume")
    cluster.settle(cp1)
    assert bootstrap(cp1).changes == []
