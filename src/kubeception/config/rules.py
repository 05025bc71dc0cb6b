"""What must hold between keys of the configuration; each by itself is the model's business."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from kubeception.config import flags
from kubeception.config.model import PATH, Config
from kubeception.config.positions import Key
from kubeception.endpoints import NODE_PORTS

PODS, SERVICES = "net.cluster_cidr", "net.service_cluster_ip_range"
API, DNS = "net.apiserver_cluster_ip", "net.dns_cluster_ip"
NODE_PREFIX = 24  # each node's share of the pod range
SERVICE_PREFIX = 28  # the smallest range with a tenth address, the DNS's


@dataclass(frozen=True)
class Problem:
    """Something wrong about some keys; shown at the first of them that the file has."""

    text: str
    keys: tuple[Key, ...]


def check(config: Config) -> Iterator[Problem]:
    """Say what is wrong between keys that are all well formed."""
    pods = IPv4Interface(config.net.cluster_cidr).network
    services = IPv4Interface(config.net.service_cluster_ip_range).network
    yield from _ranges(config, pods, services)
    yield from _addresses(config, pods, services)
    yield from _paths(config)
    for program in flags.PROGRAMS:
        section = getattr(config, program)
        for flag, value in section.extra_args.items():
            if problem := _flag_problem(program, flag, value):
                yield Problem(problem, ((program, "extra_args", flag),))
        for mount in () if program in flags.ON_THE_HOST else section.extra_mounts:
            if ".." in Path(mount.path).parts:
                yield _problem(f"{mount.path} has a .. in it", f"{program}.extra_mounts")
    if (port := config.kubeception.join_port) > NODE_PORTS[1]:
        yield _problem(f"{port} is beyond {NODE_PORTS[1]}", "kubeception.nodeport")


def _problem(text: str, *keys: str) -> Problem:
    return Problem(text, tuple(tuple(key.split(".")) for key in keys))


def _flag_problem(program: str, flag: str, value: str) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", flag):
        return "flags stand here without their dashes, such as event-ttl"
    if why := flags.PROGRAMS[program].ours.get(flag):
        return why
    if program in flags.ON_THE_HOST and re.search(r"""[\s"'\\]""", value):
        return "has a space, a quote or a backslash, which its environment file can't"
    args = {flag: value}
    for _, path in (*flags.named(program, args), *flags.written(program, args)):
        if not re.fullmatch(PATH, str(path)) or ".." in path.parts:
            return f"names {path}; want an absolute path of plain characters, in a folder"
    return None


def _ranges(config: Config, pods: IPv4Network, services: IPv4Network) -> Iterator[Problem]:
    for key, text, network in (
        (PODS, config.net.cluster_cidr, pods),
        (SERVICES, config.net.service_cluster_ip_range, services),
    ):
        if str(network) != text:
            yield _problem(f"{text} is an address inside {network}", key)
    if pods.prefixlen > NODE_PREFIX:
        yield _problem(f"{pods} is smaller than one node's share, a /{NODE_PREFIX}", PODS)
    if services.prefixlen > SERVICE_PREFIX:
        yield _problem(f"{services} is too small; a /{SERVICE_PREFIX} is enough", SERVICES)
    if pods.overlaps(services):
        yield _problem(f"{PODS} {pods} and {SERVICES} {services} overlap", PODS, SERVICES)


def _addresses(config: Config, pods: IPv4Network, services: IPv4Network) -> Iterator[Problem]:
    net = config.net
    for key, text in ((API, net.apiserver_cluster_ip), (DNS, net.dns_cluster_ip)):
        if not text:
            continue
        if IPv4Address(text) not in services:
            yield _problem(f"{text} is outside {SERVICES} {services}", key, SERVICES)
        elif IPv4Address(text) in (services.network_address, services.broadcast_address):
            yield _problem(f"{text} is the first or the last of {services}", key, SERVICES)
    if services.prefixlen <= SERVICE_PREFIX and net.apiserver_ip == net.dns_ip:
        yield _problem(f"{net.dns_ip} would be both the API's address and the DNS's", DNS, API)
    if config.node.address:
        node = IPv4Address(config.node.address)
        for key, network in ((PODS, pods), (SERVICES, services)):
            if node in network:
                yield _problem(f"{node} lies in {key} {network}", "node.address", key)
        if node.is_loopback or node.is_unspecified or node.is_multicast:
            yield _problem(f"{node} is no address that other hosts reach", "node.address")


def _paths(config: Config) -> Iterator[Problem]:
    manifests = Path(config.bootstrap.manifests_path)
    taken = {manifests: "bootstrap.manifests_path"}
    for key, path in (
        ("secrets.path", Path(config.secrets.path)),
        ("kubelet.config_file", Path(config.kubelet.config_file)),
        ("etcd.config_file", Path(config.etcd.config_file)),
        ("etcd.config_path", Path(config.etcd.config_path)),
    ):
        if path in taken:
            yield _problem(f"{taken[path]} and {key} are both {path}", key, taken[path])
        elif manifests in path.parents:
            why = "the kubelet takes every file there for a pod"
            yield _problem(f"{path} lies in {manifests}: {why}", key, taken[manifests])
        taken.setdefault(path, key)
