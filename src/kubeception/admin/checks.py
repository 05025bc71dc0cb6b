"""What `status` asks, of each kind of host, the lower layers first: a table of conditions."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kubeception import certificates, conditions, host_network, losses, resolver
from kubeception.admin.lately import Lately
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.diagnosis import (
    container_programs,
    disks,
    drop_ins,
    firewall,
    hinted,
    network_cause,
    other_networks,
    own_mounts,
    runtime_settings,
)
from kubeception.errors import KubeceptionError
from kubeception.etcd import data
from kubeception.facts import Facts
from kubeception.host import crictl, network, watches
from kubeception.keeper import record
from kubeception.kept import default_roles
from kubeception.kube import kubelet as its
from kubeception.phases.addons import all_ready
from kubeception.preflight import ports
from kubeception.render import (
    apiserver,
    containerd,
    controllers,
    flannel,
    keeper,
    kubelet,
    proxy,
)
from kubeception.resources import credential, given_out
from kubeception.resources.no_orphans import NoOrphans
from kubeception.session import Session

_MENDS_THE_RUNTIME = {
    crictl.HANGS: f"systemctl restart {containerd.UNIT}",
    crictl.CRI_IS_OFF: "ctr plugins ls | grep cri",
}


def of_control_plane(
    config: Config, facts: Facts, lately: Lately
) -> Iterator[tuple[str, Condition]]:
    """Yield what has to hold of a control-plane host and its cluster, each with its group."""
    yield from _of_any_host(facts, is_worker=False)
    yield "host", _nothing_lost()
    yield "certificates", all_valid()
    yield "etcd", conditions.etcd_serves()
    yield "etcd", conditions.etcd_has_room()
    port = facts.port
    yield "API server", conditions.apiserver_ready(port)
    yield "door", conditions.door_leads_to(port)
    manifests = config.layout.kubelet.manifests
    for name in (apiserver.BOOTSTRAP_NAME, *(c.bootstrap_name for c in controllers.BOTH)):
        yield "bootstrap", _absent(manifests / f"{name}.yaml", name)
    for lease in conditions.LEASES:
        yield "Leases", conditions.lease_held(lease)
    yield "cluster", _roles_whole()
    for condition in all_ready(config, facts):
        yield "cluster", _with_last_words(condition)
    ready = conditions.ready_nodes()
    yield "nodes", conditions.on_every_node(proxy.NAME, proxy.LABELS, ready)
    yield "nodes", conditions.kubelets_answer(ready, lately.suspects)
    yield "nodes", conditions.networks_work(ready)
    yield "nodes", conditions.nodes_have_room(ready)
    if config.net.cni is Cni.FLANNEL:
        yield "nodes", conditions.on_every_node(flannel.NAME, flannel.LABELS, ready)
        reached = conditions.nodes_reached(facts.host.node, ready)
        yield "nodes", _explained(reached, is_between_nodes=True)
        yield "network", _explained(conditions.dns_answers(), is_dns=True)
        yield "network", _explained(conditions.large_packets_pass(), is_large=True)
        yield "network", _pods_reach_it()
    yield "network", conditions.proxy_works()
    yield "network", _explained(conditions.api_at_its_service())


def of_worker(facts: Facts) -> Iterator[tuple[str, Condition]]:
    """Yield what has to hold of a worker, as far as it can tell."""
    yield from _of_any_host(facts, is_worker=True)
    yield "host", _has_its_address(facts)
    yield "certificates", all_valid()
    yield "cluster", conditions.node_ready(facts.host.node)
    yield "network", conditions.proxy_works()
    yield "network", _explained(conditions.api_at_its_service())
    if facts.cluster.settings.net.cni is Cni.FLANNEL:
        yield "network", _explained(conditions.dns_answers(), is_dns=True)
        yield "network", _explained(conditions.somebody_reached(), is_between_nodes=True)
        yield "network", _explained(conditions.large_packets_pass(), is_large=True)
        yield "network", _pods_reach_it()


def _of_any_host(facts: Facts, *, is_worker: bool) -> Iterator[tuple[str, Condition]]:
    units = drop_ins.units(is_worker=is_worker)
    for unit in units:
        yield "host", conditions.unit_active(unit)
    yield "host", _disks_take_files()
    yield "host", _kubelet_answers(facts)
    yield "host", _resolver_is_there()
    yield "host", _resolver_is_useful()
    yield "host", conditions.start_at_boot(units)
    yield "host", _unchanged(facts, is_worker=is_worker)
    yield "host", _mounts_are_the_hosts()
    yield "host", _runtime_serves(facts)
    yield "host", _containers_start()
    yield "host", _network_is_flannels()
    yield "host", _none_lost()
    yield "host", _nothing_dropped(is_worker=is_worker)
    yield "host", _whole_network()
    yield "host", conditions.connections_have_room()
    yield "host", _files_may_be_watched()
    yield "host", _addresses_are_left(facts)


def _kubelet_answers(facts: Facts) -> Condition:
    """Ask whether this host's kubelet answers, and who has its port where it does not."""

    def problem(session: Session) -> str | None:
        if not network.has_address(facts.host.address):
            return f"{facts.host.address} is not on this host"
        if (why := its.silence(facts.host.address)) is None:
            return None
        for _, stranger in ports.strangers((ports.KUBELET,), proc=session.host.proc):
            return f"{why}; {stranger} ({ports.ended_by(stranger)})"
        return f"{why} (systemctl restart {kubelet.UNIT})"

    return Condition("this host's kubelet to answer, for logs and commands", problem)


def _has_its_address(facts: Facts) -> Condition:
    """Ask whether a worker has the address with which it has joined."""

    def problem(session: Session) -> str | None:
        why = credential.moved(session, facts.host.address)
        return why and f"{why}: it has to join again, by a token of token create --rejoin"

    return Condition("this host to have the address with which it has joined", problem)


def _with_last_words(condition: Condition) -> Condition:
    """Return a condition that says, too, how the pod is that is late, and what it said last."""

    def problem(session: Session) -> str | None:
        why = condition.problem(session)
        if not why or not (words := condition.last_words(session)):
            return why
        how, *said = words
        if not how.startswith("pod "):  # units are told by themselves
            return why
        return f"{why}; {how}" + (f"; last words: {said[-1]}" if said else "")

    return replace(condition, problem=problem)


def _explained(
    condition: Condition,
    *,
    is_dns: bool = False,
    is_large: bool = False,
    is_between_nodes: bool = False,
) -> Condition:
    """Return a condition that says why, too, where that can be told on this host."""

    def problem(session: Session) -> str | None:
        why, cause = condition.problem(session), None
        if why:
            with contextlib.suppress(KubeceptionError, OSError):  # it is so, whatever the cause
                cause = network_cause.look(
                    session, is_dns=is_dns, is_large=is_large, is_between_nodes=is_between_nodes
                )
        return f"{why}; {cause}" if cause else why

    return replace(condition, problem=problem)


def _pods_reach_it() -> Condition:
    """Return that pods of this host reach what it reaches, by its keeper's last word."""
    what = "this host's pods to reach what users need"
    hint = f"journalctl -u {keeper.UNIT} -n 50"
    return Condition(what, lambda session: record.trouble(session.layout.keeper), hint=hint)


def _absent(manifest: Path, name: str) -> Condition:
    def problem(session: Session) -> str | None:
        return f"{manifest} is there" if session.host.at(manifest).exists() else None

    return Condition(f"{name} to be gone", problem, hint="kubeception bootstrap")


def _unchanged(facts: Facts, *, is_worker: bool) -> Condition:
    foreign = facts.host.foreign_units

    def problem(session: Session) -> str | None:
        return hinted.told(drop_ins.look(session, foreign=foreign, is_worker=is_worker))

    what = "no drop-in to keep this host's units from their work"
    return Condition(what, problem, hint="kubeception preflight")


def _mounts_are_the_hosts() -> Condition:
    what = "containerd and the kubelet to have the host's mounts"
    return Condition(what, own_mounts.problem, hint="kubeception preflight")


def _runtime_serves(facts: Facts) -> Condition:
    """Ask whether containerd has what a kubelet speaks to, now and when it next starts."""

    def problem(session: Session) -> str | None:
        is_foreign = containerd.UNIT in facts.host.foreign_units
        looks = (runtime_settings.look, runtime_settings.doubtful)
        if found := hinted.told(
            one for look in looks for one in look(session, is_foreign=is_foreign)
        ):
            return found
        why = crictl.problem(session.host, session.config.layout.containerd.socket)
        mend = _MENDS_THE_RUNTIME.get(why or "", f"journalctl -u {containerd.UNIT} -n 50")
        return why and f"{why} ({mend})"

    return Condition("containerd to serve the kubelet", problem, hint="kubeception preflight")


def _containers_start() -> Condition:
    what = "the programs to be there by which containers start"
    return Condition(what, container_programs.problem, hint="kubeception preflight")


def _network_is_flannels() -> Condition:
    what = "no other network's settings to go before flannel's"
    return Condition(what, other_networks.problem, hint="kubeception preflight")


def _none_lost() -> Condition:
    what = "no container to run on that the runtime has lost"
    return Condition(what, NoOrphans().drift, hint=f"journalctl -u {keeper.UNIT} -n 50")


def _nothing_dropped(*, is_worker: bool) -> Condition:
    def problem(session: Session) -> str | None:
        return hinted.told(firewall.look(session, is_worker=is_worker))

    what = "the host's packet filter to let through what is needed"
    return Condition(what, problem, hint="kubeception preflight")


def _files_may_be_watched() -> Condition:
    what = "the kernel to let programs watch files"
    return Condition(what, lambda session: hinted.told(watches.look(session.host)))


def _disks_take_files() -> Condition:
    what = "the disks to take what is written to them"
    return Condition(what, disks.problem, hint="kubeception preflight")


def _resolver_is_there() -> Condition:
    what = "the resolver file that pods inherit to be there"
    return Condition(what, resolver.problem, hint="kubeception preflight")


def _resolver_is_useful() -> Condition:
    what = "pods to be able to ask the name servers that it names"
    return Condition(what, resolver.problem_of_servers)


def _addresses_are_left(facts: Facts) -> Condition:
    whose = f"kubectl get pods -A --field-selector spec.nodeName={facts.host.node}"

    def problem(session: Session) -> str | None:
        brings_network = session.config.net.cni is Cni.FLANNEL
        why = given_out.problem(session) if brings_network else None
        return why and f"{why} ({whose}, on a control-plane host, shows whose they are)"

    return Condition("addresses to be left for new pods of this host", problem)


def _whole_network() -> Condition:
    what = (
        "the kernel's settings, kube-proxy's and flannel's rules, and the pods' links to be there"
    )
    return Condition(what, host_network.lost, hint=f"journalctl -u {keeper.UNIT} -n 50")


def _nothing_lost() -> Condition:
    def problem(session: Session) -> str | None:
        if lost := losses.look(session):
            return "; ".join(map(str, lost))
        return None if data.stored(session.etcd_data) else "there are none"

    what = "etcd's data and the CAs to be this host's own"
    return Condition(what, problem, hint="kubeception preflight")


def _roles_whole() -> Condition:
    def problem(session: Session) -> str | None:
        return default_roles.problem(session.layout.default_roles, session.etcd)

    what = "Kubernetes' own roles and bindings to be whole, and ours"
    return Condition(what, problem, hint="kubeception bootstrap")


def all_valid() -> Condition:
    """Every certificate, kubeconfig and key that `certs check` looks at will do."""

    def problem(session: Session) -> str | None:
        rows = certificates.look(session)
        bad = [f"{row.file}: {row.problem}" for row in rows if row.problem]
        return "; ".join(bad) or (None if rows else "there is none")

    return Condition("every certificate to be valid", problem, hint="kubeception certs check")
