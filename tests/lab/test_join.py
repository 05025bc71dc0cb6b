"""Workers join by the command that the control plane prints, and are nodes like any other."""

import base64
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.lab import cluster
from tests.lab.cluster import get, is_well, kubectl
from tests.lab.conftest import Note
from tests.lab.machine import scaled

from kubeception import crash
from kubeception.errors import JoinRefused
from kubeception.lab import Host, Lab
from kubeception.pki import token
from kubeception.render import containerd
from kubeception.render.objects import HOSTNAME

pytestmark = [pytest.mark.hosts(3, bundle=True), pytest.mark.timeout(400)]

SEARCH = Path(__file__).with_name("searching.py")
DEMO = "demo"
REGISTERED_S, READY_S = 5.0, 15.0

# As networks have one whose hosts reach the world through it alone; it knows no way to a cluster.
PROXY = """[Manager]
DefaultEnvironment=HTTP_PROXY=http://192.0.2.1:3128 HTTPS_PROXY=http://192.0.2.1:3128
"""


@dataclass
class Cluster:
    """The cluster that all tests of this file share, and every token that it ever gave."""

    cp1: Host
    workers: list[Host]
    begun: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> list[Host]:
        return [self.cp1, *self.workers]

    def printed(self, *flags: str) -> str:
        """Return what `token create` prints: the command that a person pastes."""
        text = self.cp1.run("kubeception", "token", "create", *flags).stdout
        [found] = re.findall(r"^kc1\S+$", text, re.MULTILINE)
        self.tokens.append(found)
        return text


@pytest.fixture(scope="module")
def made(lab: Lab, note: Note) -> Cluster:
    cp1, *workers = lab.hosts()
    for host in (cp1, *workers):
        host.put("/etc/systemd/system.conf.d/proxy.conf", PROXY)
        host.run("systemctl", "daemon-reexec")
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    found = Cluster(cp1, workers)

    def join(host: Host) -> None:
        command = found.printed("--node", host.name)
        found.begun[host.name], started = time.time(), time.monotonic()
        host.run("sh", stdin=command, timeout_s=240)
        found.seconds[host.name] = time.monotonic() - started

    with ThreadPoolExecutor() as pool:
        list(pool.map(join, workers))
    note(f"two hosts join at once: {', '.join(f'{s:.1f} s' for s in found.seconds.values())}")
    return found


# Its keeper asks the API every 20 s, and then joins again, which takes a second or two.
FOLLOWS_S = 40.0


@pytest.fixture
def joined(made: Cluster, hosts: list[Host]) -> Cluster:
    """The cluster, for a test that wants its hosts' words kept where it fails."""
    assert len(hosts) == 3
    return made


def nodes(host: Host) -> dict[str, dict[str, Any]]:
    return {node["metadata"]["name"]: node for node in get(host, "nodes")["items"]}


def is_ready(node: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])


def join(host: Host, *argv: str, stdin: str | None = None) -> dict[str, Any]:
    """Run join to its end and return what it came to."""
    done = host.run("kubeception", "join", "-o", "json", *argv, stdin=stdin, timeout_s=240)
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_the_printed_command_makes_a_host_a_node_in_time(joined: Cluster) -> None:
    found = nodes(joined.cp1)

    assert set(found) == {"cp1", "w1", "w2"}
    assert all(map(is_ready, found.values()))
    assert max(joined.seconds.values()) <= scaled(READY_S)
    for name, begun in joined.begun.items():
        made = datetime.fromisoformat(found[name]["metadata"]["creationTimestamp"]).timestamp()
        assert made - begun <= scaled(REGISTERED_S)


def test_a_proxy_that_a_host_has_for_its_units_is_not_asked_for_the_api(joined: Cluster) -> None:
    environment = "tr '\\0' '\\n' < /proc/$(systemctl show -p MainPID --value {})/environ"

    etcd = joined.cp1.run("sh", "-c", environment.format("etcd")).stdout
    assert "HTTPS_PROXY" not in etcd  # which is its own client
    for host in joined.hosts:
        runtime, kubelet = (
            host.run("sh", "-c", environment.format(unit)).stdout
            for unit in ("containerd", "kubelet")
        )
        assert "HTTPS_PROXY" in runtime  # which pulls
        assert "HTTPS_PROXY" not in kubelet


def test_status_says_whose_worker_it_is(joined: Cluster) -> None:
    for worker in joined.workers:
        # Its node is Ready before its kube-proxy has written its rules.
        cluster.until(partial(is_well, worker), timeout_s=60)

        said = json.loads(worker.run("kubeception", "status", "-o", "json").stdout)

        assert said["worker_of"] == f"https://{joined.cp1.address}:6443"


@pytest.fixture
def web(joined: Cluster) -> Iterator[dict[str, str]]:
    """A server on every node behind one Service, and a Secret that only w1's pod mounts.

    Gives the address of the pod on each node.
    """
    cp1 = joined.cp1
    service = get(cp1, "deployment", "-n", "kube-system", "kubeception")
    image = service["spec"]["template"]["spec"]["containers"][0]["image"]
    serve = "import http.server as h, os, signal\n" + (
        "class A(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        "        self.wfile.write(os.environ['NODE'].encode())\n"
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n"  # nobody does it for process 1
        "print('serving', flush=True)\n"
        "h.ThreadingHTTPServer(('', 8080), A).serve_forever()\n"
    )
    labels = {"app": "web"}
    container = {
        "name": "web",
        "image": image,
        "command": ["python3", "-c", serve],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
    }
    pod = {
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    mounting = {
        **pod,
        "nodeName": "w1",
        "containers": [{**container, "volumeMounts": [{"name": "s", "mountPath": "/s"}]}],
        "volumes": [{"name": "s", "secret": {"secretName": "mounted"}}],
    }

    def named(kind: str, name: str, version: str = "v1", **more: Any) -> dict[str, Any]:
        about = {"name": name} if kind == "Namespace" else {"name": name, "namespace": DEMO}
        return {"apiVersion": version, "kind": kind, "metadata": about, **more}

    daemons = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    ports = {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}
    wanted = [
        named("Namespace", DEMO),
        named("Secret", "mounted", stringData={"word": "open"}),
        named("Secret", "not-mounted", stringData={"word": "hush"}),
        named("DaemonSet", "web", "apps/v1", spec=daemons),
        named("Service", "web", spec=ports),
        named("Pod", "mounting", spec=mounting),
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": wanted}
    kubectl(cp1, "apply", "-f", "-", stdin=json.dumps(listed))
    kubectl(cp1, "-n", DEMO, "rollout", "status", "daemonset/web", "--timeout=90s")
    kubectl(cp1, "-n", DEMO, "wait", "--for=condition=Ready", "pod/mounting", "--timeout=90s")
    pods = get(cp1, "pods", "-n", DEMO, "-l", "app=web")["items"]
    yield {one["spec"]["nodeName"]: one["metadata"]["name"] for one in pods}
    kubectl(cp1, "delete", "namespace", DEMO)


def test_pods_services_and_names_are_reached_across_nodes(
    joined: Cluster, web: dict[str, str]
) -> None:
    pods = get(joined.cp1, "pods", "-n", DEMO, "-l", "app=web")["items"]
    addresses = [one["status"]["podIP"] for one in pods]
    service = get(joined.cp1, "service", "-n", DEMO, "web")["spec"]["clusterIP"]
    # kube-proxy hears of a new Service a moment after it was made.
    ask = (
        "import urllib.request as u, time\n"
        "def ask(host, port):\n"
        "    return u.urlopen(f'http://{host}:{port}', timeout=5).read().decode()\n"
        f"print(*sorted(ask(host, 8080) for host in {addresses}))\n"
        f"for host in {service!r}, 'web.{DEMO}.svc.cluster.local':\n"
        "    seen, end = set(), time.time() + 30\n"
        "    while len(seen) < 3 and time.time() < end:\n"
        "        try: seen.add(ask(host, 80))\n"
        "        except OSError: time.sleep(0.2)\n"
        "    print(*sorted(seen))\n"
    )

    assert set(web) == {"cp1", "w1", "w2"}
    for name in web.values():
        said = kubectl(joined.cp1, "-n", DEMO, "exec", name, "--", "python3", "-c", ask)
        assert said == "cp1 w1 w2\n" * 3


def test_logs_exec_and_metrics_work_on_every_node(joined: Cluster, web: dict[str, str]) -> None:
    for node, name in web.items():
        in_pod = ("-n", DEMO, "exec", name, "--", "printenv", "NODE")
        metrics = f"/api/v1/nodes/{node}/proxy/metrics/resource"

        assert kubectl(joined.cp1, "-n", DEMO, "logs", name).startswith("serving")
        assert kubectl(joined.cp1, *in_pod) == f"{node}\n"
        assert "node_cpu_usage_seconds_total" in kubectl(joined.cp1, "get", "--raw", metrics)


def test_the_join_service_answers_on_the_control_plane_alone(joined: Cluster) -> None:
    for asker in joined.hosts:
        for asked in joined.hosts:
            url = f"https://{asked.address}:30000/healthz"
            patience_s = "10" if asked is joined.cp1 else "3"
            said = asker.run("curl", "-sk", "--max-time", patience_s, url, check=False).stdout
            # A host reaches Services by its own address in any case: it is inside the cluster.
            if asked is joined.cp1:
                assert said == "ok", asker
            elif asker is not asked:
                assert said == "", (asker, asked)


def test_a_second_run_changes_nothing_and_needs_no_token(joined: Cluster) -> None:
    spent = joined.tokens[0]
    url = ("--url", f"https://{joined.cp1.address}:30000/join", "--token-file", "-")
    for worker in joined.workers:
        before = cluster.units(worker)

        assert join(worker)["changes"] == []
        assert join(worker, *url, stdin=spent)["changes"] == []
        assert cluster.units(worker) == before


def test_a_worker_follows_the_clusters_settings(joined: Cluster, note: Note) -> None:
    """Its keeper, with the kubelet's own rights, has the host go by what its cluster goes by."""
    [worker, *_] = joined.workers
    copy = worker.root() / "var/lib/kubeception/cluster.json"
    before = cluster.units(worker)
    assert worker.run("systemctl", "is-active", "kubeception-keeper.service").stdout == "active\n"

    cluster.configure(joined.cp1, more="\n[kubeception]\nnodeport = 30001\n")
    cluster.bootstrap(joined.cp1)
    followed_s = cluster.until(
        lambda: json.loads(copy.read_text())["settings"]["kubeception"]["nodeport"] == 30001,
        timeout_s=FOLLOWS_S,
    )
    cluster.configure(joined.cp1)
    cluster.bootstrap(joined.cp1)

    note(f"a worker follows its cluster's settings after {followed_s:.1f} s")
    assert cluster.units(worker) == before
    cluster.until(
        lambda: json.loads(copy.read_text())["settings"]["kubeception"]["nodeport"] == 30000,
        timeout_s=FOLLOWS_S,
    )
    assert join(worker)["changes"] == []


def test_a_workers_dry_run_needs_no_token_and_changes_nothing(joined: Cluster) -> None:
    w1, settings = joined.workers[0], "/var/lib/kubelet/config.yaml"
    dry = ("kubeception", "join", "--dry-run")
    assert w1.run(*dry, check=False).code == 0
    before, edited = w1.get(settings), w1.get(settings) + "# edited\n"
    w1.run("cp", "--preserve=all", settings, "/root/settings")
    w1.put(settings, edited)
    w1.run("touch", "--reference=/root/settings", settings)  # nothing says yet that it is newer

    done = w1.run(*dry, check=False)
    undone = w1.run("kubeception", "reset", "--dry-run", check=False)

    assert done.code == undone.code == 10
    assert f"kubelet: {settings}: content differs" in done.stdout
    assert "-# edited" in done.stdout.splitlines()
    assert f"kubelet: kubelet.service: {settings} would be newer" in done.stdout
    assert "/etc/kubeception/join.json: is there" in undone.stdout
    assert w1.get(settings) == edited
    w1.run("cp", "--preserve=all", "/root/settings", settings)
    assert w1.get(settings) == before
    assert w1.run(*dry, check=False).code == 0


def test_a_workers_credential_is_good_for_little(joined: Cluster, web: dict[str, str]) -> None:
    w1 = joined.workers[0]

    def as_kubelet(*argv: str, stdin: str | None = None) -> tuple[int, str]:
        done = w1.run(
            *("kubectl", "--kubeconfig=/etc/kubernetes/kubelet.conf", *argv),
            check=False,
            stdin=stdin,
        )
        return done.code, done.stderr + done.stdout

    assert as_kubelet("get", "secret", "-n", DEMO, "mounted")[0] == 0
    [request, *_] = get(joined.cp1, "csr")["items"]
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "token-aaaaaaaaaa"}}
    for forbidden in (
        ("get", "secret", "-n", DEMO, "not-mounted"),
        ("get", "secrets", "-A"),
        ("get", "secrets", "-n", "kube-system"),
        ("get", "configmaps", "-n", "kubeception-join"),
        ("get", "configmaps", "-n", "kubeception-claims"),
        ("get", "configmaps", "-n", "kube-system"),
        ("delete", "configmap", "-n", "kube-system", "kubeception-cluster"),
        ("certificate", "approve", "--force", request["metadata"]["name"]),
        ("label", "node", "w2", "mine=yes"),
        ("delete", "node", "w2"),
    ):
        code, said = as_kubelet(*forbidden)
        assert code != 0, forbidden
        assert "orbidden" in said, (forbidden, said)
    code, said = as_kubelet("create", "-n", "kubeception-join", "-f", "-", stdin=json.dumps(own))
    assert (code, "orbidden" in said) == (1, True), said


def test_a_worker_knows_its_certificates_and_what_it_cannot_do(joined: Cluster) -> None:
    w1 = joined.workers[0]

    said = json.loads(w1.run("kubeception", "certs", "check", "-o", "json").stdout)
    assert said["ok"]
    assert {one["name"] for one in said["certificates"]} == {
        "ca",
        "kubelet-client-current",
        "kubelet-server-current",
    }
    for command in (
        ("certs", "renew"),
        ("certs", "renew", "--all"),
        ("token", "list"),
        ("node", "list"),
        ("upgrade", "plan"),
        ("etcd", "snapshot"),
        ("etcd", "list"),
    ):
        failed = w1.fail("kubeception", *command)
        assert failed.code == 3
        problem, hint = failed.stderr.splitlines()
        assert problem.startswith("error: this host is a worker") and "control-plane host" in hint


def test_a_workers_label_that_somebody_took_comes_back_by_itself(
    joined: Cluster, note: Note
) -> None:
    """Without it, no pod that is to be spread over hosts gets there."""
    label, taken_s = HOSTNAME, time.time()
    kubectl(joined.cp1, "label", "node", "w1", f"{label}-")

    def is_whole() -> bool:
        found = get(joined.cp1, "node", "w1")["metadata"]["labels"].get(label)
        return found == "w1" and not cluster.unhealthy(joined.cp1)

    took_s = cluster.until(is_whole, timeout_s=90, since_s=taken_s)
    note(f"whole again after {took_s:.0f} s")


def test_a_workers_runtime_that_hangs_is_named_with_what_helps(joined: Cluster) -> None:
    w1 = joined.workers[0]
    w1.run("systemctl", "kill", "--kill-whom", "main", "--signal", "STOP", "containerd")

    [said] = [line for line in cluster.complaints(w1) if "takes questions and answers" in line]

    mends = said.rpartition("(")[2].removesuffix(")")
    assert mends == f"systemctl restart {containerd.UNIT}"
    w1.run(*mends.split(), timeout_s=120)
    cluster.until(partial(is_well, w1), timeout_s=60)


def test_a_worker_that_reboots_is_ready_again_by_itself(joined: Cluster, note: Note) -> None:
    w1 = joined.workers[0]
    started = w1.run("systemctl", "show", "--value", "-p", "InvocationID", "kubelet").stdout
    rebooted = time.time()

    w1.reboot()

    def is_back() -> bool:
        anew = w1.run("systemctl", "show", "--value", "-p", "InvocationID", "kubelet").stdout
        node = nodes(joined.cp1)["w1"]
        heard = [c for c in node["status"]["conditions"] if c["type"] == "Ready"]
        lately = datetime.fromisoformat(heard[0]["lastHeartbeatTime"]).timestamp() > rebooted
        return anew != started and is_ready(node) and lately

    took_s = cluster.until(is_back, timeout_s=90, since_s=rebooted)
    note(f"a worker that reboots is Ready after {took_s:.1f} s")
    cluster.settle(joined.cp1)


RESOLVER = "/run/systemd/resolve/resolv.conf"
# What brings a worker to a standstill with its next boot, and what its keeper says of it.
STANDSTILLS = {
    "images": (
        "ctr -n k8s.io images ls -q | xargs ctr -n k8s.io images rm",
        "join: no container can start: the runtime lacks image localhost/kubeception/",
    ),
    "units": (
        "systemctl disable containerd kubelet",
        "join: containerd.service and kubelet.service are not running",
    ),
    "resolver": (
        f"mkdir -p {Path(RESOLVER).parent} && cp /etc/resolv.conf {RESOLVER} && kubeception join",
        f"join: no pod can start: the kubelet's resolver file {RESOLVER} is gone",
    ),
}
MENDED_S = 120.0


@pytest.mark.parametrize("gone", STANDSTILLS)
def test_a_workers_keeper_joins_again_where_no_container_can_start(
    joined: Cluster, note: Note, gone: str
) -> None:
    w1, (broken, said) = joined.workers[0], STANDSTILLS[gone]
    w1.run("sh", "-c", broken, timeout_s=120)
    began_s = time.time()

    w1.reboot()

    def is_whole() -> bool:
        node = nodes(joined.cp1)["w1"]
        heard = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        is_heard = datetime.fromisoformat(heard["lastHeartbeatTime"]).timestamp() > began_s
        return is_ready(node) and is_heard and is_well(w1)

    took_s = cluster.until(cluster.quietly(is_whole), timeout_s=MENDED_S, since_s=began_s)
    note(f"{gone}: whole {took_s:.0f} s after the reboot began")

    def journal() -> str:
        return w1.run("journalctl", "-b", "-u", "kubeception-keeper", "-o", "cat").stdout

    cluster.until(lambda: "keeper: join: ended with exit code" in journal(), timeout_s=30)
    assert journal().count("keeper: join: ended with exit code 0") == 1
    assert said in journal()
    assert join(w1)["changes"] == []
    cluster.settle(joined.cp1)


def test_a_join_that_is_killed_at_every_step_goes_on(joined: Cluster, note: Note) -> None:
    """Dies at each durable change once; all runs have one token, and the key stays the same."""
    w2 = joined.workers[1]
    w2.run("kubeception", "reset", "--yes")
    command = joined.printed("--rejoin", "w2")
    log = "/root/steps"
    steps = f"export {crash.AT}={crash.NEXT} {crash.LOG}={log}\n"
    requests: set[str] = set()
    kills = 0
    while True:
        done = w2.run("sh", stdin=steps + command, check=False, timeout_s=240)
        key = w2.run("sh", "-c", "cat /var/lib/kubelet/pki/*.csr 2>/dev/null", check=False).stdout
        requests |= {key} - {""}
        if done.code == 0:
            break
        assert done.code == 137, done.stderr
        kills += 1

    note(f"join: killed at {kills} steps")
    assert kills > 20
    assert len(requests) == 1
    assert join(w2)["changes"] == []
    assert is_ready(nodes(joined.cp1)["w2"])


def test_a_removed_worker_is_gone_and_its_host_comes_back_by_a_new_token(joined: Cluster) -> None:
    cp1, w1 = joined.cp1, joined.workers[0]

    said = cp1.run("kubeception", "node", "remove", "w1", "--yes").stdout

    assert said.splitlines()[-1] == "node w1: its name is free"
    assert "w1" not in nodes(cp1)
    assert "there is none" in cp1.run("kubeception", "node", "remove", "w1", "--yes").stdout
    w1.run("kubeception", "reset", "--yes")
    w1.run("sh", stdin=joined.printed("--any-node"), timeout_s=240)
    assert is_ready(nodes(cp1)["w1"])


def test_a_host_that_was_reset_and_renamed_is_told_which_node_it_was_and_both_ways_on_work(
    joined: Cluster,
) -> None:
    cp1, w1 = joined.cp1, joined.workers[0]

    def made_anew(name: str) -> None:
        w1.run("kubeception", "reset", "--yes")
        w1.run("hostnamectl", "set-hostname", name)

    made_anew("W1.example.com")
    done = w1.run("sh", stdin=joined.printed("--any-node"), check=False, timeout_s=240)

    assert done.code == JoinRefused.exit_code
    assert f"address {w1.address} is node w1's)" in done.stderr
    [hint] = re.findall(r"^hint: (.*)$", done.stderr, re.MULTILINE)
    assert "kubeception node remove w1," in hint
    assert "kubeception token create --node w1.example.com " in hint
    assert "kubeception token create --rejoin w1 " in hint

    w1.run("hostnamectl", "set-hostname", "w1")
    w1.run("sh", stdin=joined.printed("--rejoin", "w1"), timeout_s=240)
    assert is_ready(nodes(cp1)["w1"])

    for before, name in (("w1", "w1.example.com"), ("w1.example.com", "w1")):
        made_anew(name)
        cp1.run("kubeception", "node", "remove", before, "--yes", timeout_s=240)
        w1.run("sh", stdin=joined.printed("--node", name), timeout_s=240)
        found = nodes(cp1)
        assert is_ready(found[name]) and before not in found


def spellings(secret: bytes) -> list[bytes]:
    return [
        secret,
        base64.b64encode(secret).rstrip(b"="),
        base64.urlsafe_b64encode(secret).rstrip(b"="),
        secret.hex().encode(),
        secret.hex().upper().encode(),
    ]


def test_no_token_is_left_anywhere(joined: Cluster) -> None:
    canary = b"a bird that sings in many places"
    plant = (
        "read word; hex=$(printf %s \"$word\" | od -An -tx1 | tr -d ' \\n')\n"
        'printf %s "$word" > /var/lib/kubelet/canary\n'
        'printf %s "$word" | base64 -w0 > /etc/canary; logger "$hex"\n'
        'WORD="$word" setsid -f sleep infinity >/dev/null 2>&1 <&-\n'
        "setsid -f sh -c 'sleep infinity; :' \"$word\" >/dev/null 2>&1 <&-\n"
    )
    text = canary.decode()
    kubectl(joined.cp1, "create", "configmap", "canary", f"--from-literal=word={text}")
    secret = [form for text in joined.tokens for form in spellings(token.parse(text).seed)]
    everything = "\n".join(form.hex() for form in [*spellings(canary), *secret])
    for host in joined.hosts:
        host.run("sh", "-c", plant, stdin=text + "\n")
        host.put("/root/searching.py", SEARCH.read_text())
        found = json.loads(
            host.run(
                "python3", "/root/searching.py", stdin=everything, timeout_s=scaled(200)
            ).stdout
        )

        birds = {place for form in spellings(canary) for place in found[form.hex()]}
        assert {"/var/lib/kubelet/canary", "/etc/canary", "journal"} <= birds
        assert any(re.fullmatch(r"/proc/\d+/environ", place) for place in birds)
        assert any(re.fullmatch(r"/proc/\d+/cmdline", place) for place in birds)
        in_etcd = any(place.startswith("/var/lib/etcd/") for place in birds)
        assert {in_etcd, "etcd" in birds} == {host is joined.cp1}
        assert {form.hex(): found[form.hex()] for form in secret if found[form.hex()]} == {}
