"""bootstrap gives a host a control plane that runs inside its own cluster, and keeps its hands off
what is as it should be.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from tests.lab import cluster
from tests.lab.cluster import Requests, Run, bootstrap, get, kubectl
from tests.lab.conftest import Note
from tests.lab.machine import scaled

from kubeception.lab import Host, Lab
from kubeception.render import keeper

NAMESPACE = "kube-system"
KNOCKING = Path(__file__).with_name("knocking.py")
AUDIT_POLICY = "/etc/kubernetes/audit-policy.yaml"
AUDIT_LOG = "/var/log/kubernetes/audit.log"
SCHEDULER_SETTINGS = "/etc/kubernetes/scheduler-settings.yaml"

pytestmark = pytest.mark.hosts(1, bundle=True)


@dataclass(frozen=True)
class Knocks:
    """When the door's port took its first connection, and when it refused one after that."""

    first_s: float
    refused: list[float]


@pytest.fixture(scope="module")
def knocks() -> list[Knocks]:
    """What clients of the door saw while the cluster was made."""
    return []


@pytest.fixture(scope="module")
def first_run(lab: Lab, note: Note, knocks: list[Knocks]) -> Run:
    """The run that makes the cluster, which all tests of this file share."""
    cp1 = lab.host("cp1")
    cluster.configure(cp1)
    cp1.put("/tmp/knocking.py", KNOCKING.read_text())
    argv = cp1.command("python3", "/tmp/knocking.py")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        run = bootstrap(cp1)
        knocks.append(Knocks(*json.loads(client.communicate(timeout=30)[0])))
    cp1.run("kubeception", "keeper", "pause", "--for", "2h")  # it would mend what these tests break
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.seconds.items())
    note(f"bootstrap of a fresh host: {run.wall_s:.1f} s ({steps})")
    return run


@pytest.fixture
def cp1(first_run: Run, hosts: list[Host]) -> Host:
    return hosts[0]


def test_a_fresh_host_becomes_a_cluster_in_time(first_run: Run, cp1: Host) -> None:
    until_api_s = 0.0
    for name, seconds in first_run.seconds.items():
        until_api_s += seconds
        if name == "bootstrap-door":
            break

    assert until_api_s <= scaled(10)
    assert sum(first_run.seconds.values()) <= scaled(34)
    cluster.settle(cp1)


def test_the_log_has_the_original_lines_in_order(first_run: Run) -> None:
    wanted = [
        "kubeception::etcd: bootstrapping",
        "kubeception::k8s: configuring local kubelet",
        "kubeception::k8s: waiting for bootstrap apiserver",
        "kubeception::k8s: pointing the kubelet to the bootstrap apiserver",
        "kubeception::k8s: applying control plane manifests",
        "kubeception::k8s: waiting for kubelet to be registered",
        "kubeception::k8s: labeling node and setting taints",
        "kubeception::k8s: performing stability check for cluster apiserver",
        "kubeception::k8s: pointing the kubelet to the cluster apiserver",
        "kubeception::k8s: removing static manifests",
    ]
    lines = [line.split("Z: ", 1)[-1] for line in first_run.log.splitlines()]

    assert [line for line in lines if line in wanted] == wanted


def test_clients_wait_for_the_first_api_server_and_are_never_refused(
    first_run: Run, knocks: list[Knocks]
) -> None:
    [turned] = re.findall(r"INFO (\S+): kubeception::door: turned from nothing", first_run.log)
    [knocked] = knocks

    assert knocked.refused == [], first_run.log
    # Before there is anything behind the door; the log leaves out parts of a second.
    assert knocked.first_s < datetime.fromisoformat(turned).timestamp()


def test_the_control_plane_runs_inside_the_cluster(cp1: Host) -> None:
    owners = {
        pod["metadata"]["name"]: pod["metadata"].get("ownerReferences", [{"kind": "none"}])[0][
            "kind"
        ]
        for pod in cluster.pods(cp1)
    }
    kinds: dict[str, list[str]] = {}
    for name, owner in owners.items():
        kinds.setdefault(owner, []).append(name)

    assert not [name for name in owners if name.startswith("bootstrap-")]
    assert len([name for name in kinds["DaemonSet"] if name.startswith("kube-apiserver-")]) == 1
    for name, count in (
        ("kube-controller-manager-", 2),
        ("kube-scheduler-", 2),
        ("coredns-", 2),
        ("kubeception-", 2),  # the join service and the controller
    ):
        assert len([pod for pod in kinds["ReplicaSet"] if pod.startswith(name)]) == count
    assert set(kinds) == {"DaemonSet", "ReplicaSet"}


def test_the_handover_restarts_no_unit(cp1: Host) -> None:
    for unit in cluster.UNITS:
        starts = cp1.run(
            *("journalctl", "--boot", "--unit", unit, "--output", "json"),
            *("JOB_TYPE=start", "+", "JOB_TYPE=restart"),
        ).stdout
        begun = [
            line for line in starts.splitlines() if json.loads(line).get("JOB_RESULT") == "done"
        ]

        assert len(begun) == 1, unit
        assert cp1.run("systemctl", "show", "--value", "-p", "NRestarts", unit).stdout == "0\n"


def test_systemd_knows_what_starts_at_boot(cp1: Host) -> None:
    """Whoever has it isolate its usual target would stop what it does not know of."""
    known = cp1.run("systemctl", "show", "-P", "Wants", "multi-user.target").stdout.split()

    assert {f"{name}.service" for name in ("containerd", "etcd", "kubelet")} <= {*known}
    assert keeper.UNIT in known


def test_both_ranges_of_the_configuration_arrive(cp1: Host) -> None:
    node = get(cp1, "node", "cp1")
    api = get(cp1, "service", "kubernetes")
    dns = get(cp1, "service", "-n", NAMESPACE, "kube-dns")
    flannel = get(cp1, "configmap", "-n", NAMESPACE, "kube-flannel")
    proxy = get(cp1, "configmap", "-n", NAMESPACE, "kube-proxy")

    assert node["spec"]["podCIDR"].startswith("10.64.")
    assert api["spec"]["clusterIP"] == "10.65.0.1"
    assert dns["spec"]["clusterIP"] == "10.65.0.10"
    assert json.loads(flannel["data"]["net-conf.json"])["Network"] == "10.64.0.0/16"
    assert json.loads(proxy["data"]["config.conf"])["clusterCIDR"] == "10.64.0.0/16"
    for pod in cluster.pods(cp1):
        if not pod["spec"].get("hostNetwork"):
            assert pod["status"]["podIP"].startswith("10.64.")


def test_the_node_carries_the_control_planes_label_and_taint(cp1: Host) -> None:
    node = get(cp1, "node", "cp1")

    assert node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] == ""
    assert [(t["key"], t["effect"]) for t in node["spec"]["taints"]] == [
        ("node-role.kubernetes.io/control-plane", "NoSchedule")
    ]


@pytest.fixture
def web(cp1: Host) -> Iterator[str]:
    """A Service with two pods behind it, and a third pod that asks."""
    image = get(cp1, "deployment", "-n", NAMESPACE, "kubeception")["spec"]["template"]["spec"][
        "containers"
    ][0]["image"]
    serve = "import http.server as h, os, socket\n" + (
        "class A(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        "        self.wfile.write(socket.gethostname().encode())\n"
        "h.ThreadingHTTPServer(('', 8080), A).serve_forever()\n"
    )

    def pod(command: list[str]) -> dict[str, object]:
        return {
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": image, "command": command}],
        }

    labels = {"app": "web"}
    wanted = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "demo"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": pod(["python3", "-c", serve]),
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "demo"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "asks", "namespace": "demo"},
            "spec": pod(
                ["python3", "-c", "print('here', flush=True); import time; time.sleep(3600)"]
            ),
        },
    ]
    kubectl(
        cp1,
        "apply",
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}),
    )
    kubectl(
        cp1, "-n", "demo", "rollout", "status", "deployment/web", f"--timeout={scaled(90):.0f}s"
    )
    kubectl(
        cp1,
        "-n",
        "demo",
        "wait",
        "--for=condition=Ready",
        "pod/asks",
        f"--timeout={scaled(90):.0f}s",
    )
    yield "http://web.demo.svc.cluster.local"
    kubectl(cp1, "delete", "namespace", "demo", "--timeout=90s")


def test_workloads_run_and_find_each_other_and_the_api(cp1: Host, web: str) -> None:
    ask = (
        "import urllib.request as u, time\n"
        "seen, end = set(), time.time() + 30\n"
        "while len(seen) < 2 and time.time() < end:\n"
        f"    try: seen.add(u.urlopen({web!r}, timeout=5).read().decode())\n"
        "    except OSError: time.sleep(0.2)\n"
        "print(len(seen))\n"
    )
    ask_api = (
        "import os, ssl, urllib.request as u\n"
        "at = '/var/run/secrets/kubernetes.io/serviceaccount'\n"
        "context = ssl.create_default_context(cafile=at + '/ca.crt')\n"
        "host = os.environ['KUBERNETES_SERVICE_HOST']\n"
        "answer = u.urlopen(f'https://{host}/readyz', context=context, timeout=5)\n"
        "print(host, answer.read().decode())\n"
    )

    def in_pod(code: str) -> str:
        return kubectl(cp1, "-n", "demo", "exec", "asks", "--", "python3", "-c", code)

    assert in_pod(ask) == "2\n"
    assert in_pod(ask_api) == "10.65.0.1 ok\n"
    assert kubectl(cp1, "-n", "demo", "logs", "asks") == "here\n"


def test_the_join_service_answers_on_its_node_port(cp1: Host) -> None:
    def ask(path: str) -> str:
        ca = "/etc/kubernetes/pki/join-ca.crt"
        return cp1.run(
            *("curl", "--silent", "--show-error", "--cacert", ca, "--write-out", " %{http_code}"),
            f"https://{cp1.address}:30000{path}",
        ).stdout

    assert ask("/healthz") == "ok 200"
    assert ask("/join").endswith(" 200")
    assert ask("/other").endswith(" 404")


def test_the_hosts_own_tools_just_work(cp1: Host) -> None:
    listed = cp1.run("crictl", "ps")
    assert "kube-apiserver" in listed.stdout
    assert listed.stderr == ""
    assert cp1.run("etcdctl", "get", "--prefix", "--keys-only", "/registry/namespaces/").stdout
    assert "is healthy" in cp1.run("etcdctl", "endpoint", "health").stdout
    # Whoever says it all himself is understood, too.
    pki = "/etc/kubernetes/pki/etcd"
    client = [
        f"--{part}={pki}/healthcheck-client.{end}"
        for part, end in (("cert", "crt"), ("key", "key"))
    ]
    said = ("--endpoints=https://127.0.0.1:2379", f"--cacert={pki}/ca.crt", *client)
    assert cp1.run("etcdctl", *said, "endpoint", "status").stdout
    assert (
        "permission denied"
        in cp1.run("setpriv", "--reuid=nobody", "etcdctl", "get", "x", check=False).stderr
    )


def test_settings_of_others_for_containerd_have_a_place(cp1: Host) -> None:
    theirs = "/etc/containerd/conf.d/99-theirs.toml"
    runtime = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.theirs]'
    cp1.put(theirs, f'version = 3\n{runtime}\n  runtime_type = "io.containerd.runc.v2"\n')
    cp1.run("systemctl", "restart", "containerd")
    known = json.loads(cp1.run("crictl", "info").stdout)["config"]["containerd"]["runtimes"]

    assert {"runc", "theirs"} <= known.keys()
    assert bootstrap(cp1).changes == []
    assert "theirs" in cp1.get(theirs)
    cp1.run("rm", theirs)


def test_a_persons_kubeconfig_works_anywhere_and_is_no_copy(cp1: Host) -> None:
    made = cp1.run("kubeception", "kubeconfig", "--ttl", "10m", "--output", "/root/mine.conf")
    assert (made.stdout, cp1.run("stat", "-c", "%a", "/root/mine.conf").stdout) == ("", "600\n")
    text = cp1.get("/root/mine.conf")

    assert "/etc/" not in text and "127.0.0.1" not in text
    there = cp1.run("kubectl", "--kubeconfig=/root/mine.conf", "get", "nodes", "-o", "name")
    assert there.stdout == "node/cp1\n"
    requests = cp1.run("kubectl", "--kubeconfig=/root/mine.conf", "get", "csr", "-o", "name")
    assert "kubeconfig" not in requests.stdout
    # Again, over the file of the last time; and for somebody who may do nothing yet.
    jane = ("--user", "jane", "--output", "/root/mine.conf")
    assert "--user=jane" in cp1.run("kubeception", "kubeconfig", *jane).stderr
    refused = cp1.run("kubectl", "--kubeconfig=/root/mine.conf", "get", "nodes", check=False)
    assert 'User "jane" cannot list' in refused.stderr


def test_a_second_run_changes_nothing(cp1: Host, note: Note) -> None:
    before = cluster.standing(cp1)

    # The other lab may be at its busiest once, and not three times.
    runs = [bootstrap(cp1) for _ in range(3)]

    wall_s = min(run.wall_s for run in runs)
    note(f"bootstrap again: {wall_s:.1f} s")
    assert [run.changes for run in runs] == [[], [], []]
    assert wall_s <= scaled(4)
    assert cluster.standing(cp1) == before


def test_a_dry_run_finds_nothing_to_change_or_shows_it_without_a_secret(cp1: Host) -> None:
    settings, kubeconfig = "/etc/sysctl.d/60-kubeception.conf", "/etc/kubernetes/scheduler.conf"
    healthy = cp1.run("kubeception", "bootstrap", "--dry-run", check=False)
    cp1.run("sh", "-c", f"echo net.nothing=1 >> {settings}; echo '# hush' >> {kubeconfig}")
    said = get(cp1, "configmap", "-n", NAMESPACE, "kube-flannel")["data"]["net-conf.json"]
    edited = json.dumps({"data": {"net-conf.json": f"{said} "}})  # as good as it was
    kubectl(cp1, "-n", NAMESPACE, "patch", "configmap/kube-flannel", "-p", edited)
    before = cluster.standing(cp1), cp1.get(settings), cp1.get(kubeconfig)
    force = ("--dry-run", "--force-conflicts")

    text = cp1.run("kubeception", "bootstrap", *force, check=False)
    coded = cp1.run("kubeception", "bootstrap", *force, "-o", "json", check=False)
    undone = cp1.run("kubeception", "reset", "--etcd", "--pki", "--dry-run", check=False)

    assert (healthy.code, text.code, coded.code, undone.code) == (0, 10, 10, 10), healthy.stdout
    lines = text.stdout.splitlines()
    assert f"kernel: {settings}: content differs" in lines
    assert "-net.nothing=1" in lines
    assert "control-plane: ConfigMap kube-system/kube-flannel: .data.net-conf.json differs" in lines
    assert [line[0] for line in lines if '"net-conf.json": ' in line] == ["-", "+"]
    assert f"pki: {kubeconfig}: content differs" in lines
    plan = json.loads(coded.stdout)
    assert plan["changes"][-1]["drift"] == ".data.net-conf.json differs"
    assert plan["not_planned"] == []
    assert "etcd-data: /var/lib/etcd/default.etcd: is there" in undone.stdout
    for output in (text.stdout, coded.stdout, undone.stdout):
        assert not [
            word for word in ("PRIVATE KEY", "hush", "client-key", "kc1.") if word in output
        ]
    assert (cluster.standing(cp1), cp1.get(settings), cp1.get(kubeconfig)) == before
    bootstrap(cp1, "--force-conflicts")
    assert cp1.run("kubeception", "bootstrap", "--dry-run", check=False).code == 0


def test_what_was_deleted_comes_back(cp1: Host) -> None:
    kubectl(cp1, "-n", NAMESPACE, "delete", "deployment/coredns", "daemonset/kube-proxy")

    run = bootstrap(cp1)

    assert [change.split(": ")[1] for change in run.changes] == [
        "DaemonSet kube-system/kube-proxy",
        "Deployment kube-system/coredns",
    ]
    cluster.settle(cp1)


def test_what_somebody_else_changed_is_kept_and_said(cp1: Host) -> None:
    kubectl(cp1, "-n", NAMESPACE, "scale", "deployment/coredns", "--replicas=1")

    run = bootstrap(cp1)

    assert run.changes == []
    assert "WARN" in run.log
    assert "Deployment kube-system/coredns: kept" in run.log
    forced = bootstrap(cp1, "--force-conflicts")
    assert [change.split(": ")[1] for change in forced.changes] == [
        "Deployment kube-system/coredns"
    ]


def none_failed(*every: Requests) -> None:
    for requests in every:
        assert requests.failed == []
        assert requests.answered > 20
        assert requests.slowest_s <= scaled(cluster.SLOWEST_S)


def test_a_rebuild_fails_no_request(cp1: Host, note: Note) -> None:
    before = cluster.units(cp1)

    with (
        Requests.on(cp1) as inside,
        Requests.on(cp1, cp1.address) as by_address,
        Requests.from_outside(cp1) as outside,
    ):
        run = bootstrap(cp1, "--rebuild")

    note(f"rebuild: {run.wall_s:.1f} s, requests on 6443: {inside}; {by_address}; {outside}")
    assert run.changes
    none_failed(inside, by_address, outside)
    assert cluster.units(cp1) == before
    cluster.settle(cp1)


def test_a_changed_template_rolls_over_another_port_and_fails_no_request(
    cp1: Host, note: Note
) -> None:
    cluster.configure(cp1, more='\n[apiserver.extra_args]\nevent-ttl = "2h"\n')
    before = cluster.door(cp1)

    with Requests.on(cp1) as inside, Requests.from_outside(cp1) as outside:
        run = bootstrap(cp1)

    note(f"API server rolled: {run.wall_s:.1f} s, requests on 6443: {inside}; {outside}")
    assert any("DaemonSet kube-system/kube-apiserver: " in change for change in run.changes)
    assert cluster.door(cp1) != before
    none_failed(inside, outside)
    cluster.settle(cp1)
    assert bootstrap(cp1).changes == []


def test_two_at_once_is_one_too_many(cp1: Host) -> None:
    running = subprocess.Popen(
        cp1.command("kubeception", "bootstrap", "--rebuild"),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert running.stderr is not None
    running.stderr.readline()  # it logs only once it holds the lock

    second = cp1.fail("kubeception", "bootstrap")
    assert running.communicate(timeout=120)[1] is not None

    assert "is held by pid" in second.stderr
    assert "kubeception bootstrap" in second.stderr
    assert running.returncode == 0


def test_a_bad_configuration_is_told_whole_and_changes_nothing(cp1: Host) -> None:
    before = cluster.standing(cp1)
    cp1.put("/tmp/bad.toml", '[net]\ncluster_cidr = "10.64.0.0"\nnonsense = 1\n')

    done = cp1.run("kubeception", "bootstrap", "--config", "/tmp/bad.toml", check=False)

    assert done.code == 2
    assert "/tmp/bad.toml:2:net.cluster_cidr" in done.stderr
    assert "/tmp/bad.toml:3:net.nonsense" in done.stderr
    assert cluster.standing(cp1) == before


def test_status_names_what_is_broken_and_bootstrap_mends_it(cp1: Host) -> None:
    cp1.run("systemctl", "stop", "etcd.service")

    broken = cp1.fail("kubeception", "status")

    assert "etcd.service is inactive" in broken.stdout
    bootstrap(cp1)
    cluster.settle(cp1)


def test_a_missing_image_is_imported_from_the_bundle(cp1: Host) -> None:
    image = get(cp1, "deployment", "-n", NAMESPACE, "coredns")["spec"]["template"]["spec"][
        "containers"
    ][0]["image"]
    cp1.run("ctr", "--namespace", "k8s.io", "images", "remove", "--sync", image)

    run = bootstrap(cp1)

    assert run.changes == [f"runtime: image {image}: missing"]
    listed = cp1.run("crictl", "images", "-o", "json").stdout
    assert [i["pinned"] for i in json.loads(listed)["images"] if image in i["repoTags"]] == [True]


def _policy(level: str) -> str:
    return f"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: {level}\n"


def _levels(cp1: Host) -> set[str]:
    """Return by which levels the API server has audited, and start its log anew."""
    lines = cp1.run("cat", AUDIT_LOG).stdout.splitlines()
    cp1.run("truncate", "--size=0", AUDIT_LOG)
    return {json.loads(line)["level"] for line in lines if line.endswith("}")}


def test_an_audit_policy_comes_with_its_file_and_an_edited_one_is_rolled_out(cp1: Host) -> None:
    cp1.put(AUDIT_POLICY, _policy("Metadata"))
    flags = f'audit-policy-file = "{AUDIT_POLICY}"\naudit-log-path = "{AUDIT_LOG}"\n'
    cluster.configure(cp1, more=f"\n[apiserver.extra_args]\n{flags}")

    with Requests.on(cp1) as requests:
        bootstrap(cp1)
        assert _levels(cp1) == {"Metadata"}
        assert bootstrap(cp1).changes == []

        cp1.put(AUDIT_POLICY, _policy("Request"))
        status = cluster.status(cp1)
        assert f"{AUDIT_POLICY} has changed; kubeception bootstrap rolls it out" in status
        run = bootstrap(cp1)
        assert "DaemonSet kube-system/kube-apiserver" in "\n".join(run.changes)
        get(cp1, "nodes")
        assert "Request" in _levels(cp1)
        assert bootstrap(cp1).changes == []

    assert requests.failed == []
    cluster.settle(cp1)

    before = cluster.standing(cp1)
    cp1.run("rm", AUDIT_POLICY)
    refused = cp1.run("kubeception", "bootstrap", check=False)
    assert refused.code == 3
    key = "apiserver.extra_args.audit-policy-file"
    assert f"{key}: {AUDIT_POLICY}: no such file or directory" in refused.stderr
    assert cluster.standing(cp1) == before

    cluster.configure(cp1)
    bootstrap(cp1)
    assert bootstrap(cp1).changes == []


def _etcd_runs_with(cp1: Host, variable: str) -> bool:
    pid = cp1.run("systemctl", "show", "--property=MainPID", "--value", "etcd").stdout.strip()
    return variable in cp1.run("cat", f"/proc/{pid}/environ").stdout.split("\0")


def test_flags_of_every_component_are_taken_and_given_up(cp1: Host) -> None:
    cp1.put(
        SCHEDULER_SETTINGS,
        "apiVersion: kubescheduler.config.k8s.io/v1\n"
        "kind: KubeSchedulerConfiguration\n"
        "clientConnection: {kubeconfig: /etc/kubernetes/scheduler.conf}\n",
    )
    wanted = {
        "apiserver": 'anonymous-auth = "false"',
        "controller_manager": 'concurrent-deployment-syncs = "6"',
        "scheduler": f'config = "{SCHEDULER_SETTINGS}"',
        "proxy": 'metrics-bind-address = "127.0.0.1:10333"',
        "kubelet": 'max-pods = "77"',
        "etcd": 'snapshot-count = "7777"',
    }
    tables = (f"\n[{name}.extra_args]\n{line}\n" for name, line in wanted.items())
    cluster.configure(cp1, more="".join(tables))

    bootstrap(cp1)

    cluster.settle(cp1)
    assert get(cp1, "nodes")["items"][0]["status"]["capacity"]["pods"] == "77"
    assert _etcd_runs_with(cp1, "ETCD_SNAPSHOT_COUNT=7777")
    mode = cp1.run("curl", "--silent", "http://127.0.0.1:10333/proxyMode").stdout
    assert mode == "nftables"
    stranger = ("curl", "--silent", "--insecure", "https://127.0.0.1:6443/readyz")
    assert '"code": 401' in cp1.run(*stranger).stdout
    assert bootstrap(cp1).changes == []

    cluster.configure(cp1)
    bootstrap(cp1)
    assert not _etcd_runs_with(cp1, "ETCD_SNAPSHOT_COUNT=7777")
    assert get(cp1, "nodes")["items"][0]["status"]["capacity"]["pods"] == "110"
    assert cp1.run(*stranger).stdout == "ok"
    assert bootstrap(cp1).changes == []
    cluster.settle(cp1)
