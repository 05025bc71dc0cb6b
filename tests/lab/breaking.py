"""Break one thing on a real host; each function returns what to ask until that is mended.

Whether all is well besides is not asked here.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.lab import cluster
from tests.lab.cluster import get, kubectl, until

from kubeception.endpoints import HOSTED_PORTS
from kubeception.errors import Hopeless, KubeceptionError
from kubeception.lab import Host
from kubeception.render import apiserver
from kubeception.render.controllers import BOTH
from kubeception.render.objects import CONTROL_PLANE, HOSTNAME, NAMESPACE

Mended = Callable[[], bool]
Break = Callable[[Host], Mended]
Object = dict[str, Any]
Change = Callable[[Object], None]

_OURS = ("-n", NAMESPACE)
_APISERVERS = ("pods", *_OURS, "-l", f"component={apiserver.NAME}")
_DAEMONSET = ("daemonset", *_OURS, apiserver.NAME)
_SECURE_PORT = "--secure-port="
# What the API server is started with has room for its memory to grow by so much; then it is over.
_ROOM = 4 << 20
_SHRINK = f"""
pid=$(pgrep --exact {apiserver.NAME})
v1=/sys/fs/cgroup/memory$(sed -n 's/^.*:memory://p' /proc/$pid/cgroup)
v2=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$pid/cgroup)
if [ -e "$v1/memory.limit_in_bytes" ]; then
  echo $(($(sed -n 's/^rss //p' "$v1/memory.stat") + {_ROOM})) >"$v1/memory.limit_in_bytes"
else
  echo $(($(sed -n 's/^anon //p' "$v2/memory.stat") + {_ROOM})) >"$v2/memory.max"
fi
"""
_WEBHOOK: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "refuses-everything"},
    "webhooks": [
        {
            "name": "refuses-everything.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"namespace": "default", "name": "nobody"}},
            "failurePolicy": "Fail",
            "rules": [
                {
                    "apiGroups": ["*"],
                    "apiVersions": ["*"],
                    "operations": ["*"],
                    "resources": ["*/*"],
                }
            ],
            "sideEffects": "None",
        }
    ],
}


# What people do to pods and nodes


def delete_controllers(host: Host) -> Mended:
    """Delete every controller-manager and scheduler at once: nobody is left to replace them."""
    names = ", ".join(controller.name for controller in BOTH)
    pods = ("pods", *_OURS, "-l", f"component in ({names})")
    before = _uids(host, *pods)
    kubectl(host, "delete", *pods, "--grace-period=1", "--wait=false")
    return lambda: not before & _uids(host, *pods)


def delete_apiserver(host: Host) -> Mended:
    """Delete the API server's pod."""
    before = _uids(host, *_APISERVERS)
    kubectl(host, "delete", *_APISERVERS, "--wait=false")
    return lambda: not before & _uids(host, *_APISERVERS)


def delete_daemonset(host: Host) -> Mended:
    """Delete the API server's DaemonSet, and with it its pod."""
    before = get(host, *_DAEMONSET)
    kubectl(host, "delete", *_DAEMONSET, "--wait=false")

    def is_mended() -> bool:
        found = get(host, *_DAEMONSET)
        is_another = found["metadata"]["uid"] != before["metadata"]["uid"]
        return is_another and wanted(found) == wanted(before) and _is_rolled_out(found)

    return is_mended


def delete_node(host: Host) -> Mended:
    """Delete the Node, as if its host were gone for good."""
    before = get(host, "node", host.name)["metadata"]["uid"]
    kubectl(host, "delete", "node", host.name, "--wait=false")
    return lambda: (
        get(host, "node", host.name)["metadata"]["uid"] != before
        and _has_role(host)
        and _has_taint(host)
        and cluster.have_its_range(host, host.name)
    )


def remove_role(host: Host) -> Mended:
    """Remove the label by which the API server's DaemonSet finds the node."""
    kubectl(host, "label", "node", host.name, f"{CONTROL_PLANE}-")
    return lambda: _has_role(host)


def remove_host_label(host: Host) -> Mended:
    """Remove the label by which pods are spread over hosts; a kubelet gives it when it starts."""
    kubectl(host, "label", "node", host.name, f"{HOSTNAME}-")
    return lambda: HOSTNAME in get(host, "node", host.name)["metadata"]["labels"]


def leave_no_room(host: Host) -> Mended:
    """Have the Node say that it has room for no pod, by the time that its API server's goes."""
    full = '{"status": {"allocatable": {"pods": "0"}}}'
    patch = f"kubectl patch node {host.name} --subresource=status --type=merge -p '{full}'"
    unlabel = f"kubectl label node {host.name} {CONTROL_PLANE}-"
    # Until there is no API any more: its kubelet says otherwise now and then.
    script = f"{patch} && {unlabel} && for _ in $(seq 200); do {patch} || break; done"
    host.run("sh", "-c", f"export KUBECONFIG=/etc/kubernetes/admin.conf; {script}", timeout_s=120)
    return lambda: (
        _has_role(host) and get(host, "node", host.name)["status"]["allocatable"]["pods"] != "0"
    )


def delete_policies(host: Host) -> Mended:
    """Delete what keeps whoever runs on a worker from the rest of the cluster."""
    kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    ours = (kinds, "-l", "app.kubernetes.io/managed-by=kubeception")
    before = len(get(host, *ours)["items"])
    kubectl(host, "delete", *ours)
    return lambda: len(get(host, *ours)["items"]) == before


def delete_places_of_the_api(host: Host) -> Mended:
    """Delete what says where the API's Service leads: nobody on a worker reaches it by that."""
    places = ("endpoints,endpointslices", "--namespace=default")
    kubectl(host, "delete", *places, "kubernetes")
    return lambda: len(get(host, *places)["items"]) == 2


def edit_a_place_of_the_api(host: Host) -> Mended:
    """Have the API's Service lead to where nobody is."""
    place = ("endpointslices", "--namespace=default", "kubernetes")
    own = get(host, *place)["endpoints"]
    elsewhere = '{"op": "replace", "path": "/endpoints/0/addresses/0", "value": "10.89.0.99"}'
    kubectl(host, "patch", *place, "--type=json", "-p", f"[{elsewhere}]")
    return lambda: bool(get(host, *place)["endpoints"] == own)


def remove_taint(host: Host) -> Mended:
    """Remove the taint that keeps other pods away."""
    kubectl(host, "taint", "node", host.name, f"{CONTROL_PLANE}:NoSchedule-")
    return lambda: _has_taint(host)


def drain(host: Host) -> Mended:
    """Drain the only control-plane node, see that it still leads itself, and uncordon it."""
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--disable-eviction", "--force")
    kubectl(host, "drain", host.name, *flags, "--timeout=100s")
    renewed = _renewals(host)
    until(lambda: all(map(_differ, renewed, _renewals(host))), timeout_s=60)
    kubectl(host, "uncordon", host.name)
    return lambda: "unschedulable" not in get(host, "node", host.name)["spec"]


def refuse_writes(host: Host) -> Mended:
    """Have a webhook asked about every write, and let nobody be there to answer."""
    renewed = _renewals(host)
    kubectl(host, "apply", "-f", "-", stdin=json.dumps(_WEBHOOK))

    def is_mended() -> bool:
        kubectl(host, "create", "configmap", "may-be-written", "--dry-run=server")
        return all(map(_differ, renewed, _renewals(host)))

    return is_mended


# What people do to the API server's template


def to_a_bad_image(template: Object) -> None:
    """Name an image that is nowhere."""
    container = template["spec"]["containers"][0]
    container["image"] = container["image"].rpartition(":")[0] + ":gone"


def to_a_bad_flag(template: Object) -> None:
    """Add a flag that no API server knows: it ends at once."""
    template["spec"]["containers"][0]["command"].append("--no-such-flag=1")


def to_one_that_ends_on_trial(template: Object) -> None:
    """Have it be ready and serve, and be killed by the kubelet some 40 s later, again and again."""
    _to_one_that_ends(template, after_s=40)


def to_one_that_ends_behind_the_door(template: Object) -> None:
    """Have it pass its trial of a minute, and be killed half a minute after it got the door."""
    _to_one_that_ends(template, after_s=90)


def _to_one_that_ends(template: Object, *, after_s: int) -> None:
    # It listens on the port that is free, or it would never come so far.
    container = template["spec"]["containers"][0]
    container["livenessProbe"] |= {"periodSeconds": 10, "failureThreshold": after_s // 10}
    container["livenessProbe"]["httpGet"]["path"] = "/no-such-path"
    notes = template["metadata"]["annotations"]
    port = next(p for p in HOSTED_PORTS if str(p) != notes[apiserver.PORT_NOTE])
    notes[apiserver.PORT_NOTE] = str(port)
    container["command"] = [
        f"{_SECURE_PORT}{port}" if flag.startswith(_SECURE_PORT) else flag
        for flag in container["command"]
    ]
    for probe in _probes(container):
        probe["httpGet"]["port"] = port


def bootstrap_with_a_bad_flag(host: Host) -> Mended:
    """Have bootstrap roll a setting out that no API server takes, and see it give up on that.

    It is run again without the setting, or the cluster would go on asking for it.
    """
    before = wanted(get(host, *_DAEMONSET))
    cluster.configure(host, more='\n[apiserver.extra_args]\nno-such-flag = "1"\n')
    try:
        done = cluster.after_the_keeper(host, "kubeception", "bootstrap")
    finally:
        cluster.configure(host)
    assert done.code == Hopeless.exit_code, done.stderr
    assert re.search(r"error: kube-apiserver-\w+ has restarted \d+ times", done.stderr)
    cluster.bootstrap(host)

    def is_mended() -> bool:
        found = get(host, *_DAEMONSET)
        return wanted(found) == before and _is_rolled_out(found)

    return is_mended


def wanted(daemonset: Object) -> Object:
    """Return the API server's template without its port, which differs from roll to roll."""
    template: Object = json.loads(json.dumps(daemonset["spec"]["template"]))
    template["metadata"]["annotations"].pop(apiserver.PORT_NOTE, None)
    container = template["spec"]["containers"][0]
    container["command"] = [f for f in container["command"] if not f.startswith(_SECURE_PORT)]
    for probe in _probes(container):
        del probe["httpGet"]["port"]
    return template


def edit(change: Change) -> Break:
    """Return a break that edits the API server's template as people do, by a patch."""

    def inject(host: Host) -> Mended:
        before = wanted(get(host, *_DAEMONSET))
        template = get(host, *_DAEMONSET)["spec"]["template"]
        change(template)
        patch = json.dumps({"spec": {"template": template}})
        kubectl(host, "patch", *_DAEMONSET, "--type=merge", "--patch", patch)

        def is_mended() -> bool:
            found = get(host, *_DAEMONSET)
            return wanted(found) == before and _is_rolled_out(found)

        return is_mended

    return inject


# What happens to processes


def kill_apiserver(*, times: int) -> Break:
    """Return a break that kills the API server, and again as soon as it answers."""

    def inject(host: Host) -> Mended:
        before = _pids(host)
        for number in range(times):
            if number:
                until(lambda: cluster.answers(host), timeout_s=60)
            host.run("pkill", "--signal", "KILL", "--exact", apiserver.NAME)
        return lambda: not before & _pids(host)

    return inject


def stop_apiserver(host: Host) -> Mended:
    """Stop the API server by a signal: its port still takes connections, and nobody answers."""
    before = _pids(host)
    host.run("pkill", "--signal", "STOP", "--exact", apiserver.NAME)
    return lambda: not before & _pids(host)


def kill_shims(host: Host) -> Mended:
    """Kill what stands between the runtime and its containers, each of which goes on alone."""
    before = _started(host)
    host.run("pkill", "--signal", "KILL", "--full", "containerd-shim-runc-v2")
    return lambda: not before & _started(host)


def _started(host: Host) -> set[tuple[str, ...]]:
    """Return every process of a container's, by its number and when it was started."""
    words = ("ps", "-e", "-o", "pid=,lstart=,cgroup=")
    lines = host.run(*words).stdout.splitlines()
    return {tuple(line.split()[:6]) for line in lines if "kubepods" in line}


def exhaust_memory(host: Host) -> Mended:
    """Leave the API server's container next to no room, and ask for something large."""
    before = _pids(host)
    host.run("sh", "-ec", _SHRINK)
    while before & _pids(host):
        kubectl(host, "get", "--raw", "/openapi/v2", check=False)
    return lambda: not before & _pids(host)


def exhaust_files(host: Host) -> Mended:
    """Let the API server open no more files: it takes no new connection."""
    before = _pids(host)
    for pid in before:
        host.run("prlimit", "--pid", pid, "--nofile=16:16")
    return lambda: not before & _pids(host)


def kill_unit(unit: str, *, whom: str = "main", signal: str = "KILL") -> Break:
    """Return a break that kills a unit's main process, or with `all` whatever runs in it."""

    def inject(host: Host) -> Mended:
        before = _start(host, unit)
        host.run("systemctl", "kill", f"--kill-whom={whom}", f"--signal={signal}", unit)
        return lambda: _start(host, unit) not in {before, ""}

    return inject


def stop_and_start(stopped: Sequence[str], started: Sequence[str]) -> Break:
    """Return a break that stops units in one order and starts them in another."""

    def inject(host: Host) -> Mended:
        before = {unit: _start(host, unit) for unit in stopped}
        for unit in stopped:
            host.run("systemctl", "stop", unit, timeout_s=120)
        for unit in started:
            host.run("systemctl", "start", unit, timeout_s=120)
        return lambda: all(_start(host, unit) not in {before[unit], ""} for unit in stopped)

    return inject


def flush_nftables(host: Host) -> Mended:
    """Remove every rule of every table, the door among them."""
    host.run("nft", "flush", "ruleset")
    return lambda: cluster.answers(host)


def together(*breaks: Break) -> Break:
    """Return a break of several things, one right after the other, each as soon as it can be."""

    def inject(host: Host) -> Mended:
        asked: list[Mended] = []

        def has_broken_another() -> bool:
            try:
                asked.append(breaks[len(asked)](host))
            except KubeceptionError:  # the one before has taken the API away
                return False
            return True

        for _ in breaks:
            until(has_broken_another, timeout_s=60)
        return lambda: all(mended() for mended in asked)

    return inject


def _uids(host: Host, *what: str) -> set[str]:
    return {item["metadata"]["uid"] for item in get(host, *what)["items"]}


def _pids(host: Host) -> set[str]:
    return set(host.run("pgrep", "--exact", apiserver.NAME, check=False).stdout.split())


def _start(host: Host, unit: str) -> str:
    """Return which start of a unit runs, nothing if none does."""
    shown = host.run("systemctl", "show", "-p", "ActiveState,InvocationID", unit).stdout
    values = dict(line.split("=", 1) for line in shown.splitlines())
    return values["InvocationID"] if values["ActiveState"] == "active" else ""


def _renewals(host: Host) -> list[str]:
    """Return when each Lease of a controller was last renewed."""
    names = [controller.name for controller in BOTH]
    found = get(host, "leases", *_OURS, *names)["items"]
    return [lease["spec"]["renewTime"] for lease in found]


def _differ(one: str, other: str) -> bool:
    return one != other


def _has_role(host: Host) -> bool:
    return CONTROL_PLANE in get(host, "node", host.name)["metadata"]["labels"]


def _has_taint(host: Host) -> bool:
    taints = get(host, "node", host.name)["spec"].get("taints", [])
    return any(taint["key"] == CONTROL_PLANE for taint in taints)


def _probes(container: Object) -> list[Object]:
    return [value for key, value in container.items() if key.endswith("Probe")]


def _is_rolled_out(daemonset: Object) -> bool:
    status = daemonset["status"]
    seen = status.get("observedGeneration") == daemonset["metadata"]["generation"]
    wanted = status.get("desiredNumberScheduled", 0)
    counts = [status.get(key, 0) for key in ("updatedNumberScheduled", "numberAvailable")]
    return seen and wanted > 0 and counts == [wanted, wanted]
