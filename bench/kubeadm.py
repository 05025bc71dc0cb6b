"""kubeadm on a lab host, as its own guide has it, with the bundle's programs and images.

What the machine forces on our cluster (the version of cgroups, a missing capability) this one gets
from the same renderers.
"""

import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from tests.lab import cluster

from bench import cpu
from bench.lap import Lap, until_ready
from kubeception import versions
from kubeception.bundle import components, contents, golang
from kubeception.bundle.build import Workshop, cache
from kubeception.bundle.images import PackedImage
from kubeception.bundle.store import Product
from kubeception.config import Config
from kubeception.facts import ClusterFacts, HostFacts, asked
from kubeception.host import kernel as machine
from kubeception.host import lock
from kubeception.lab import Host
from kubeception.render import containerd, flannel, kernel, kubelet, objects, proxy
from kubeception.report import Steps

log = logging.getLogger("kubeception.bench")

CTR = ("ctr", "--namespace", "k8s.io", "images")
_CONFIG = "/root/kubeadm.yaml"
_FLANNEL = "/root/flannel.json"
# kubeadm's own four, kube-proxy, flannel and two CoreDNS.
_PODS = 8
# What kubeadm's package for Debian says, in one piece.
_KUBELET = """\
[Unit]
Description=kubelet
After=network-online.target containerd.service
Wants=network-online.target

[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --kubeconfig=/etc/kubernetes/kubelet.conf \
--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Parts:
    """What kubeadm needs and our bundle has not got: itself, and etcd as an image."""

    program: Path
    etcd: Path


def build(bundle: Path | None = None) -> Parts:
    """Compile a bundle's kubeadm and pack its etcd, or take them out of the store."""
    bundle = bundle or cluster.bundle_folder()
    held = contents.load(bundle)
    table = components.table(bundle.name)
    like = next(component for component in table if component.name == "kubernetes")
    component = replace(like, name="kubeadm", only_in_images=frozenset())
    program = next(file for file in held.files if file.path == "bin/etcd")
    etcd = PackedImage(
        "etcd",
        held.components["etcd"],
        (),
        ("/usr/local/bin/etcd",),
        Product(bundle / program.path, program.size, program.sha256),
    )
    with lock.hold(cache() / "lock", "make bench"), Steps(log) as steps:
        workshop = Workshop(cache() / "made", steps)
        made = workshop.make([golang.recipe(component, cache()), etcd.recipe()])
    return Parts(made[0]["kubeadm"].path, made[1]["etcd.tar"].path)


def prepare(
    host: Host, parts: Parts, config: Config, *, api: str | None, bundle: Path | None = None
) -> None:
    """Make a host ready for `kubeadm init`.

    containerd runs, with every image under the name that kubeadm asks for; the kubelet's unit is
    there. `api` is an address of the API for flannel; without one it uses the Service, as it does
    everywhere.
    """
    at = config.layout
    held = contents.load(bundle or cluster.bundle_folder())
    facts = _facts(host, held)
    host.put(at.sysctl, kernel.sysctl())
    host.put(at.containerd.settings, containerd.settings(config, facts))
    host.put(at.units / containerd.UNIT, containerd.unit(config))
    host.put(at.units / kubelet.UNIT, _KUBELET)
    host.put(_CONFIG, settings(host, config, held))
    host.put(_FLANNEL, objects.document(_flannel(config, facts, api=api)))
    for file in (parts.program, parts.etcd):
        shutil.copy(file, host.root() / "root")
    host.run("systemctl", "restart", kernel.SYSCTL_UNIT)
    host.run("systemctl", "enable", "--now", containerd.UNIT)
    host.run("systemctl", "enable", kubelet.UNIT)
    host.run(*CTR, "import", f"/root/{parts.etcd.name}")
    name_images(host, held, "/root/kubeadm", _CONFIG)


def settings(
    host: Host, config: Config, held: contents.Bundle, *, apiserver: Mapping[str, str] | None = None
) -> str:
    """Return kubeadm's configuration of a host, for a bundle's release; with flags of its API's."""
    documents = _settings(config, _facts(host, held), held, apiserver or {})
    return "---\n".join(map(objects.document, documents))


def name_images(host: Host, held: contents.Bundle, program: str, config: str) -> None:
    """Give a bundle's images, which are on a host, the names by which a kubeadm asks for them."""
    there = host.run(*CTR, "list", "--quiet").stdout.split()
    listed = host.run(program, "config", "images", "list", f"--config={config}").stdout
    for image in listed.split():
        if image not in there:
            component = image.rpartition("/")[2].partition(":")[0]
            host.run(*CTR, "tag", held.images[component], image)


def lap(host: Host) -> Lap:
    """Run `kubeadm init`, apply flannel, and wait until all is ready."""
    started = time.monotonic()
    with cpu.Meter(host) as meter:
        with meter.counting(cpu.COMMAND):
            host.run(
                *("/root/kubeadm", "init", f"--config={_CONFIG}", "--ignore-preflight-errors=all"),
                timeout_s=300,
            )
            init_s = time.monotonic() - started
            cluster.kubectl(host, "apply", "--filename", _FLANNEL)
        with meter.counting(cpu.LOOKING):
            until_ready(host, pods=_PODS)
        whole_s = time.monotonic() - started
        meter.wait(cpu.WINDOW_S)
    parts = {"kubeadm init": init_s, "until all is ready": whole_s - init_s}
    return Lap(whole_s, parts, spent=meter.spent)


def _facts(host: Host, held: contents.Bundle) -> HostFacts:
    return HostFacts(
        node=host.name,
        address=ip_address(host.address),
        release=held,
        cgroup_version=machine.cgroup_version(),
        has_sys_resource=machine.has_capability("SYS_RESOURCE"),
    )


def _settings(
    config: Config, facts: HostFacts, held: contents.Bundle, apiserver: Mapping[str, str]
) -> Iterator[objects.Object]:
    """Yield the documents of kubeadm's configuration; what isn't said is its default."""
    ours = kubelet.configuration(config, facts)
    forced = ("cgroupDriver", "failCgroupV1", "failSwapOn", "oomScoreAdj")
    yield {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": str(facts.address)},
        "nodeRegistration": {
            "name": facts.node,
            "criSocket": f"unix://{config.layout.containerd.socket}",
        },
    }
    yield {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": f"v{held.kubernetes}",
        "imageRepository": versions.IMAGE_PREFIX,
        "etcd": {"local": {"imageTag": held.components["etcd"]}},
        "apiServer": {
            "certSANs": ["127.0.0.1"],  # where clients of a control-plane host ask us
            "extraArgs": [{"name": name, "value": value} for name, value in apiserver.items()],
        },
        "dns": {"imageTag": f"v{held.components['coredns']}"},
        "networking": {
            "podSubnet": config.net.cluster_cidr,
            "serviceSubnet": config.net.service_cluster_ip_range,
        },
    }
    yield {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        **{name: ours[name] for name in forced if name in ours},
    }
    yield proxy.settings(asked(config, facts))


def _flannel(config: Config, facts: HostFacts, *, api: str | None) -> objects.Object:
    """Return our own flannel as one list, but told of the API what everybody tells it."""
    settings = asked(config, facts)
    cluster_facts = ClusterFacts(settings, None, settings, {facts.node: facts.address})
    items = list(flannel.everything(cluster_facts))
    variables = [objects.NODE_NAME]
    if api:
        variables.append({"name": "KUBERNETES_SERVICE_HOST", "value": api})
        variables.append({"name": "KUBERNETES_SERVICE_PORT", "value": "6443"})
    items[-1]["spec"]["template"]["spec"]["containers"][0]["env"] = variables
    return {"apiVersion": "v1", "kind": "List", "items": items}
