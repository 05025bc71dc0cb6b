"""The keeper's decision, as a table."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from kubeception.etcd.space import Space
from kubeception.keeper.errand import Asked, Errands, Work
from kubeception.keeper.own_node import Moved, Unready
from kubeception.keeper.rollout import Rollout, Server
from kubeception.keeper.trouble import Reason, Trouble
from kubeception.keeper.undone import Undone
from kubeception.keeper.verdict import Action, Observation, judge
from kubeception.pki.token import Role
from kubeception.standstill import Kind, Standstill

STILL = (("kube-controller-manager", 1.0), ("kube-scheduler", 20.0))
OLD = Server("old", "1", 6445, answers=True, is_marked=True)
NEW = Server("new", "2", 6446, answers=True)
BAD = Server("new", "2", 6446, answers=False, restarts=3)
SHUT_OUT: dict[str, Any] = {"in_vain": ("w1",), "shut_out": ("w1",), "blocked": "a chain"}
UNREACHED = "it answers on port 6446 here, and not for w1: a chain"


def rollout(*servers: Server, wanted: Server = NEW, live: int = 6445, **more: Any) -> Rollout:
    return Rollout(
        wanted.revision, wanted.port, live, servers=servers, **{"proven": ("1",), **more}
    )


def unready(for_s: float, *, why: str = "it hangs", **more: Any) -> Unready:
    return Unready("cp1", why, for_s, **more)


def worker(**seen: Any) -> Observation:
    return Observation(role=Role.WORKER, **seen)


TROUBLE = Trouble(Reason.DNS, "the DNS is silent")
NO_NETWORK = "container runtime network not ready: cni plugin not initialized"
BEFORE, AFTER = ip_address("192.0.2.10"), ip_address("192.0.2.11")
MIB = 2**20
PLACE = "EndpointSlice default/kubernetes leads to 10.89.0.99:6443, not to 10.89.0.11:6443"
FULL = Space(size=10 * MIB, in_use=2 * MIB, quota=10 * MIB, is_full=True)
NEAR = Space(size=8 * MIB, in_use=7 * MIB, quota=10 * MIB)
DROPPED = "chain inet fw input (policy drop) drops tcp 6445 of this host itself"
FLUSHED = "kube-proxy's rules are gone"
LOST = "runs on: kube-apiserver (pid 7)"
OFF = Standstill(Kind.UNITS, "kubelet.service is not running", "systemctl")
HELD = "pid 7: kubeception bootstrap"
ASKED = Asked("0a-1b", "1.37.1-b")

TABLE = {
    "a healthy host is left alone": (Observation(), Action.NOTHING, "all is well"),
    "a pause counts before everything": (
        Observation(paused="paused until then", has_door=False, api_silent_s=99),
        Action.STAND_BACK,
        "paused until then",
    ),
    "whoever holds the lock goes first": (
        Observation(locked=HELD, has_door=False, api_silent_s=99),
        Action.STAND_BACK,
        f"the host is being changed by {HELD}",
    ),
    "without etcd nothing can be done": (
        Observation(etcd_problem="refused", api_silent_s=99),
        Action.WAIT,
        "etcd does not serve: refused",
    ),
    "an etcd that takes no writes gets space, not a bootstrap whose writes are refused": (
        Observation(space=FULL, may_free_space=True, stale_leases=STILL, lost="Node cp1"),
        Action.FREE_SPACE,
        "etcd takes no writes: 100% of its 10 MiB are taken, 20% in use",
    ),
    "where that has not helped it is told, and nothing else tried for a while": (
        Observation(space=FULL, stale_leases=STILL),
        Action.WAIT,
        "etcd takes no writes: 100% of its 10 MiB are taken, 20% in use",
    ),
    "space that is easily had is had before it is missed": (
        Observation(space=replace(FULL, size=8 * MIB, is_full=False), may_free_space=True),
        Action.FREE_SPACE,
        "etcd: 80% of its 10 MiB are taken, 20% in use",
    ),
    "what is full of data is told in time, after all that can be mended": (
        Observation(space=NEAR, may_free_space=True),
        Action.WAIT,
        "etcd: 80% of its 10 MiB are taken, 70% in use",
    ),
    "and keeps nothing from being mended": (
        Observation(space=NEAR, may_free_space=True, lost="Node cp1"),
        Action.BOOTSTRAP,
        "Node cp1 is gone",
    ),
    "room enough is no word worth": (
        Observation(space=replace(NEAR, size=7 * MIB), may_free_space=True),
        Action.NOTHING,
        "all is well",
    ),
    "but it may need new settings": (
        Observation(etcd_problem="refused", etcd_silent_s=20),
        Action.BOOTSTRAP,
        "etcd has not served for 20 s",
    ),
    "but no settings help where there is no address to go by": (
        Observation(etcd_problem="refused", etcd_silent_s=99, moved=Moved(BEFORE, None, 99)),
        Action.WAIT,
        "address 192.0.2.10 is gone, and the host has no other to go by",
    ),
    "a door that is gone is raised to who is ready": (
        Observation(has_door=False, api_silent_s=2, ready=(6445,)),
        Action.RAISE_DOOR,
        "the door is gone",
    ),
    "a door that is gone with nobody behind it": (
        Observation(has_door=False, api_silent_s=2),
        Action.BOOTSTRAP,
        "the door is gone and no API server is ready",
    ),
    "who is alive behind a firewall is neither killed nor replaced": (
        Observation(api_silent_s=99, firewall=DROPPED, has_server=False, is_unresponsive=True),
        Action.WAIT,
        DROPPED,
    ),
    "not even where the same hand took the door": (
        Observation(has_door=False, api_silent_s=99, firewall=DROPPED),
        Action.WAIT,
        DROPPED,
    ),
    "a server that can be reached has the door all the same": (
        Observation(has_door=False, api_silent_s=2, firewall=DROPPED, ready=(6446,)),
        Action.RAISE_DOOR,
        "the door is gone",
    ),
    "a new revision behind a firewall is not put back for it": (
        Observation(rollout=rollout(OLD, BAD), firewall=DROPPED),
        Action.WAIT,
        DROPPED,
    ),
    "rules that were flushed are restored before a bootstrap that needs them": (
        Observation(network_lost=FLUSHED, network_due=(FLUSHED,), api_is_back=True),
        Action.RESTORE_NETWORK,
        FLUSHED,
    ),
    "a worker's, too": (
        worker(network_lost=FLUSHED, network_due=(FLUSHED,), has_new_settings=True),
        Action.RESTORE_NETWORK,
        FLUSHED,
    ),
    "they wait for an API, without which nobody knows which": (
        Observation(network_lost=FLUSHED, network_due=(FLUSHED,), api_silent_s=9),
        Action.WAIT,
        "no API answers",
    ),
    "while they are about to come back that is told": (
        Observation(network_lost=FLUSHED),
        Action.WAIT,
        FLUSHED,
    ),
    "and by a worker": (worker(network_lost=FLUSHED), Action.WAIT, FLUSHED),
    "what the runtime has lost is ended, also while no API answers": (
        Observation(orphans=LOST, api_silent_s=9),
        Action.END_ORPHANS,
        LOST,
    ),
    "and on a worker": (worker(orphans=LOST, has_new_settings=True), Action.END_ORPHANS, LOST),
    "no orphan is ended while a person is at it": (
        Observation(orphans=LOST, locked="bootstrap"),
        Action.STAND_BACK,
        "the host is being changed by bootstrap",
    ),
    "what a killed bootstrap left is taken away": (
        Observation(manifests=("bootstrap-kube-apiserver",)),
        Action.BOOTSTRAP,
        "nobody takes these away: bootstrap-kube-apiserver",
    ),
    "a short silence is waited out": (
        Observation(api_silent_s=9.9),
        Action.WAIT,
        "no API answers",
    ),
    "a long one is not": (
        Observation(api_silent_s=10.0),
        Action.BOOTSTRAP,
        "no API has answered for 10 s",
    ),
    "a silent API explains Leases that stand still": (
        Observation(api_silent_s=2.0, stale_leases=STILL),
        Action.WAIT,
        "no API answers",
    ),
    "an API that is back may be another pod's": (
        Observation(api_is_back=True),
        Action.BOOTSTRAP,
        "an API answers again; making sure that all is as wanted",
    ),
    "a Lease that stands still has nobody": (
        Observation(stale_leases=STILL),
        Action.BOOTSTRAP,
        "Lease kube-scheduler has not moved for 20 s",
    ),
    "a server that answers beside a silent one has the door": (
        Observation(api_silent_s=0.5, ready=(6445,)),
        Action.TURN_DOOR,
        "nobody answers behind it, and one does on port 6445",
    ),
    "a silence that nobody is about to end is not waited out": (
        Observation(api_silent_s=2.0, has_server=False),
        Action.BOOTSTRAP,
        "no API answers, and none is about to",
    ),
    "a silence is waited out where the runtime can't be asked": (
        Observation(api_silent_s=2.0, has_server=None),
        Action.WAIT,
        "no API answers",
    ),
    "what hangs is killed, for the kubelet to start it anew": (
        Observation(api_silent_s=10.0, is_unresponsive=True),
        Action.KILL,
        "an API server has said no word for 10 s",
    ),
    "one that is only slow, as all is on its machine, is not killed": (
        Observation(api_silent_s=99.0, is_unresponsive=True, slowness=10.0),
        Action.WAIT,
        "no API answers; this machine is 10 times too slow",
    ),
    "but has its end, too": (
        Observation(api_silent_s=100.0, is_unresponsive=True, slowness=10.0),
        Action.KILL,
        "an API server has said no word for 100 s",
    ),
    "nor is anything begun for etcd's sake there": (
        Observation(etcd_problem="timed out", etcd_silent_s=59.0, slowness=3.0),
        Action.WAIT,
        "etcd does not serve: timed out",
    ),
    "nor for a Lease": (
        Observation(stale_leases=(("kube-scheduler", 59.0),), slowness=3.0),
        Action.WAIT,
        "this machine is 3 times too slow",
    ),
    "nor a kubelet restarted": (
        worker(unready=unready(179), slowness=3.0),
        Action.WAIT,
        str(unready(179)),
    ),
    "but a slow one may be slow for a while": (
        Observation(api_silent_s=9.0, is_unresponsive=True),
        Action.WAIT,
        "no API answers",
    ),
    "a DaemonSet that is gone takes its pod with it, which may answer still": (
        Observation(lost="DaemonSet kube-apiserver"),
        Action.BOOTSTRAP,
        "DaemonSet kube-apiserver is gone",
    ),
    "a place of the API's Service that somebody has edited": (
        Observation(changed_place=PLACE),
        Action.BOOTSTRAP,
        PLACE,
    ),
    "which nothing can put back while no API answers": (
        Observation(changed_place=PLACE, api_silent_s=1.0),
        Action.WAIT,
        "no API answers",
    ),
    "a node without its label": (
        Observation(node_problem="label is missing"),
        Action.BOOTSTRAP,
        "label is missing",
    ),
    "a rollout that is over": (
        Observation(rollout=rollout(OLD, wanted=OLD)),
        Action.NOTHING,
        "all is well",
    ),
    "an edit by hand can't have the port that the old one serves on": (
        Observation(rollout=rollout(OLD, wanted=Server("new", "2", 6445, answers=False))),
        Action.MOVE,
        "revision 2 is asked for on the port that another one serves on",
    ),
    "a new server is on trial at first": (
        Observation(rollout=rollout(OLD, NEW, steady_s=59.9)),
        Action.WAIT,
        "revision 2 is on trial",
    ),
    "and has the door when it has passed": (
        Observation(rollout=rollout(OLD, NEW, steady_s=60)),
        Action.TURN_DOOR,
        "revision 2 is ready on port 6446",
    ),
    "one that was proven before needs no trial": (
        Observation(rollout=rollout(OLD, NEW, proven=("2", "1"))),
        Action.TURN_DOOR,
        "revision 2 is ready on port 6446",
    ),
    "behind the door it has to be proven": (
        Observation(rollout=rollout(OLD, NEW, live=6446, behind_s=59)),
        Action.WAIT,
        "revision 2 is on trial",
    ),
    "who has proved it from outside is named": (
        Observation(rollout=rollout(OLD, NEW, live=6446, behind_s=60, reached=("w1",))),
        Action.PROVE,
        "revision 2 has served well; node w1 has reached it",
    ),
    "one that another node has only just tried waits for the answer": (
        Observation(rollout=rollout(OLD, NEW, live=6446, behind_s=60, in_vain=("w1",))),
        Action.WAIT,
        "revision 2 is on trial",
    ),
    "one that other nodes do not reach gives the door back": (
        Observation(rollout=rollout(OLD, NEW, live=6446, behind_s=4, **SHUT_OUT)),
        Action.TURN_DOOR,
        f"revision 2: {UNREACHED}",
    ),
    "so does the first one that was edited, before anything was proven": (
        Observation(rollout=rollout(OLD, NEW, live=6446, proven=(), **SHUT_OUT)),
        Action.TURN_DOOR,
        f"revision 2: {UNREACHED}",
    ),
    "and does not get it while it is so": (
        Observation(rollout=rollout(OLD, NEW, steady_s=99, shut_out=("w1",), blocked="a chain")),
        Action.WAIT,
        f"revision 2: {UNREACHED}",
    ),
    "where there is none to go back to it stays unproven": (
        Observation(rollout=rollout(NEW, live=6446, behind_s=99, **SHUT_OUT)),
        Action.WAIT,
        f"revision 2: {UNREACHED}",
    ),
    "and is, some time later": (
        Observation(rollout=rollout(OLD, NEW, live=6446, behind_s=60)),
        Action.PROVE,
        "revision 2 has served well; no other node has tried it",
    ),
    "the first one of all has nothing to be put back to": (
        Observation(rollout=rollout(BAD, live=6446, proven=())),
        Action.WAIT,
        "revision 2 is on trial",
    ),
    "what restarts again and again is put back": (
        Observation(rollout=rollout(OLD, BAD)),
        Action.PUT_BACK,
        "revision 2: it has restarted 3 times",
    ),
    "also where nobody would take bootstrap's manifests away": (
        Observation(manifests=("bootstrap-kube-apiserver",), rollout=rollout(BAD, live=6444)),
        Action.PUT_BACK,
        "revision 2: it has restarted 3 times",
    ),
    "but not while there is no API to say it to": (
        Observation(api_silent_s=4, rollout=rollout(OLD, BAD)),
        Action.WAIT,
        "no API answers",
    ),
    "what is not ready in time is put back": (
        Observation(rollout=rollout(OLD, asked_s=120)),
        Action.PUT_BACK,
        "revision 2: it is not ready after 120 s",
    ),
    "what was put back before is not tried again": (
        Observation(rollout=rollout(OLD, NEW, broken="2")),
        Action.PUT_BACK,
        "revision 2: it was put back before",
    ),
    "what fails behind the door is put back": (
        Observation(rollout=rollout(OLD, NEW, has_failed=True)),
        Action.PUT_BACK,
        "revision 2: it failed behind the door",
    ),
    "a proven revision is never put back": (
        Observation(rollout=rollout(BAD, live=6446, proven=("2", "1"), has_failed=True)),
        Action.WAIT,
        "revision 2 is on trial",
    ),
    "a Lease that was let go is taken at once, if there is anybody": (
        Observation(released_leases=("kube-scheduler",)),
        Action.BOOTSTRAP,
        "nobody takes Lease kube-scheduler",
    ),
    "a certificate that runs out is renewed by a bootstrap": (
        Observation(expiring="certificate apiserver has 12 days left"),
        Action.BOOTSTRAP,
        "certificate apiserver has 12 days left",
    ),
    "one that has expired, too": (
        Observation(expiring="certificate kubelet-client-current has expired"),
        Action.BOOTSTRAP,
        "certificate kubelet-client-current has expired",
    ),
    "a trial does not wait for it": (
        Observation(
            expiring="certificate apiserver has 12 days left",
            rollout=rollout(OLD, NEW, steady_s=59.9),
        ),
        Action.BOOTSTRAP,
        "certificate apiserver has 12 days left",
    ),
    "but what a rollout needs now goes first": (
        Observation(
            expiring="certificate apiserver has 12 days left",
            rollout=rollout(OLD, NEW, steady_s=60),
        ),
        Action.TURN_DOOR,
        "revision 2 is ready on port 6446",
    ),
    "and so does a silence that ends by itself": (
        Observation(expiring="certificate apiserver has 12 days left", api_silent_s=4),
        Action.WAIT,
        "no API answers",
    ),
    "a network that does not work is not called well": (
        Observation(trouble=TROUBLE),
        Action.WAIT,
        "the DNS is silent",
    ),
    "what is lost goes first": (
        Observation(trouble=TROUBLE, lost="Node cp1"),
        Action.BOOTSTRAP,
        "Node cp1 is gone",
    ),
    "a node that is NotReady is told, and has a minute": (
        Observation(unready=unready(59.9)),
        Action.WAIT,
        "node cp1 is NotReady: it hangs",
    ),
    "then it gets a new kubelet": (
        Observation(unready=unready(60)),
        Action.RESTART_KUBELET,
        "node cp1 has been NotReady for 60 s: restarting the kubelet",
    ),
    "and after that a longer time": (
        Observation(unready=unready(239.9, patience_s=240)),
        Action.WAIT,
        "node cp1 is NotReady: it hangs",
    ),
    "also where it waits for our network": (
        Observation(unready=unready(60, why=NO_NETWORK)),
        Action.RESTART_KUBELET,
        "node cp1 has been NotReady for 60 s: restarting the kubelet",
    ),
    "no kubelet brings a network that is the user's to bring": (
        Observation(unready=unready(9999, why=NO_NETWORK, brings_network=False)),
        Action.WAIT,
        "node cp1 waits for a pod network, which net.cni leaves to you",
    ),
    "what else it hangs in has nothing to do with that": (
        Observation(unready=unready(60, brings_network=False)),
        Action.RESTART_KUBELET,
        "node cp1 has been NotReady for 60 s: restarting the kubelet",
    ),
    "a pause keeps it from the kubelet": (
        Observation(paused="paused until then", unready=unready(99)),
        Action.STAND_BACK,
        "paused until then",
    ),
    "and so does a bootstrap": (
        Observation(locked=HELD, unready=unready(99)),
        Action.STAND_BACK,
        f"the host is being changed by {HELD}",
    ),
    "and an API that is silent": (
        Observation(api_silent_s=4, unready=unready(99)),
        Action.WAIT,
        "no API answers",
    ),
    "a trial does not keep it": (
        Observation(unready=unready(60), rollout=rollout(OLD, NEW, steady_s=59.9)),
        Action.RESTART_KUBELET,
        "node cp1 has been NotReady for 60 s: restarting the kubelet",
    ),
    "and what a rollout needs is not kept from it": (
        Observation(unready=unready(30), rollout=rollout(OLD, NEW, steady_s=60)),
        Action.TURN_DOOR,
        "revision 2 is ready on port 6446",
    ),
    "an address that is gone may come back": (
        Observation(moved=Moved(BEFORE, AFTER, 59.9)),
        Action.WAIT,
        "address 192.0.2.10 is gone, and the host has 192.0.2.11",
    ),
    "one that stays away is left for the other": (
        Observation(moved=Moved(BEFORE, AFTER, 60)),
        Action.BOOTSTRAP,
        "address 192.0.2.10 is gone, and the host has 192.0.2.11",
    ),
    "without another one there is nothing to follow": (
        Observation(moved=Moved(BEFORE, None, 9999)),
        Action.WAIT,
        "address 192.0.2.10 is gone, and the host has no other to go by",
    ),
    "it goes before the kubelet, which gets a new address then": (
        Observation(moved=Moved(BEFORE, AFTER, 60), unready=unready(99)),
        Action.BOOTSTRAP,
        "address 192.0.2.10 is gone, and the host has 192.0.2.11",
    ),
    "one that moves has somebody": (
        Observation(stale_leases=(("kube-scheduler", 19.9),)),
        Action.NOTHING,
        "all is well",
    ),
    "a keeper that may not ask is given its rights": (
        Observation(refused="nodes is forbidden", is_refusal_due=True),
        Action.BOOTSTRAP,
        "the keeper may not ask what it has to: nodes is forbidden",
    ),
    "one that a bootstrap has not helped says so": (
        Observation(refused="nodes is forbidden"),
        Action.WAIT,
        "the keeper may not ask what it has to: nodes is forbidden",
    ),
    "what it may not do comes after the roles that say why": (
        Observation(refused="no", is_refusal_due=True, changed_roles="ClusterRole it is gone"),
        Action.BOOTSTRAP,
        "ClusterRole it is gone",
    ),
    "a role that Kubernetes itself needs is put back": (
        Observation(changed_roles="ClusterRole system:node is gone"),
        Action.BOOTSTRAP,
        "ClusterRole system:node is gone",
    ),
    "other settings of the cluster are taken up": (
        Observation(has_new_settings=True),
        Action.BOOTSTRAP,
        "the cluster goes by other settings than this host",
    ),
    "an upgrade that is over, and proven, ends what was passed for": (
        Observation(
            emulates="1.36", rollout=rollout(replace(NEW, is_marked=True), live=6446, proven=("2",))
        ),
        Action.BOOTSTRAP,
        "the upgrade is over, and its API servers still emulate 1.36",
    ),
    "not before its API server has proven itself": (
        Observation(emulates="1.36", rollout=rollout(NEW, live=6446)),
        Action.WAIT,
        "revision 2 is on trial",
    ),
    "a worker's Node tells of a network that does not work": (
        worker(trouble=TROUBLE),
        Action.TELL,
        "the DNS is silent",
    ),
    "once": (
        worker(trouble=TROUBLE, told_trouble="ClusterDnsUnreachable"),
        Action.WAIT,
        "the DNS is silent",
    ),
    "and another reason, too": (
        worker(trouble=TROUBLE, told_trouble="PodNetworkUnreachable"),
        Action.TELL,
        "the DNS is silent",
    ),
    "that it works again is told as well": (
        worker(told_trouble="ClusterDnsUnreachable"),
        Action.TELL,
        "the cluster's network works again",
    ),
    "nobody is told while no API answers": (
        worker(trouble=TROUBLE, api_problem="refused"),
        Action.WAIT,
        "no API answers: refused",
    ),
    "a worker reboots that is asked to, before anything that a boot may mend": (
        worker(is_to_reboot=True, has_new_settings=True, unready=unready(60)),
        Action.REBOOT,
        "this host's Node asks for it",
    ),
    "not while somebody changes it": (
        worker(is_to_reboot=True, locked=HELD),
        Action.STAND_BACK,
        f"the host is being changed by {HELD}",
    ),
    "nor while nobody can say whether that still holds": (
        worker(is_to_reboot=True, api_problem="refused"),
        Action.WAIT,
        "no API answers: refused",
    ),
    "a control plane reboots that is asked to": (
        Observation(is_to_reboot=True, unready=unready(60)),
        Action.REBOOT,
        "this host's Node asks for it",
    ),
    "not one whose API is about to be brought back": (
        Observation(is_to_reboot=True, api_silent_s=1.0),
        Action.WAIT,
        "no API answers",
    ),
    "nor one that has lost what it would need": (
        Observation(is_to_reboot=True, refusal="the CA's key is gone"),
        Action.REFUSE,
        "the CA's key is gone",
    ),
    "a host goes to the release that it is asked for": (
        worker(errands=Errands(ASKED, Work.DUE), has_new_settings=True),
        Action.ERRAND,
        "this host's Node asks for it: release 1.37.1-b",
    ),
    "a control plane's, too": (
        Observation(errands=Errands(ASKED, Work.DUE), unready=unready(60)),
        Action.ERRAND,
        "this host's Node asks for it: release 1.37.1-b",
    ),
    "not one that has lost what it would have to find again": (
        Observation(errands=Errands(ASKED, Work.DUE), refusal="the CA's key is gone"),
        Action.REFUSE,
        "the CA's key is gone",
    ),
    "nor while no API answers": (
        Observation(errands=Errands(ASKED, Work.DUE), api_silent_s=1.0),
        Action.WAIT,
        "no API answers",
    ),
    "what is on its way there is left alone, and told": (
        Observation(errands=Errands(ASKED, Work.RUNNING)),
        Action.WAIT,
        "kubeception-release-0a-1b.service is at it: release 1.37.1-b",
    ),
    "its answer is told": (
        worker(errands=Errands(ASKED, notes=(("a", "0a-1b/1.37.1-b"),))),
        Action.NOTE,
        "this host's Node does not say yet: 0a-1b/1.37.1-b",
    ),
    "also while a revision is on trial": (
        Observation(rollout=rollout(OLD, NEW, steady_s=59.9), errands=Errands(notes=(("a", "b"),))),
        Action.NOTE,
        "this host's Node does not say yet: b",
    ),
    "a release that lies there gets its images to the runtime": (
        worker(errands=Errands(unprepared="1.37.1-b")),
        Action.PREPARE,
        "bundle 1.37.1-b is there, and the runtime lacks its images",
    ),
    "not in place of what is lost": (
        Observation(errands=Errands(notes=(("a", "b"),)), refusal="the CA's key is gone"),
        Action.REFUSE,
        "the CA's key is gone",
    ),
    "before what has failed is tried again": (
        Observation(
            errands=Errands(notes=(("a", "b"),)),
            has_new_settings=True,
            released_leases=("kube-scheduler",),
        ),
        Action.NOTE,
        "this host's Node does not say yet: b",
    ),
    "a release that is asked for, too: it may be the way back": (
        Observation(errands=Errands(ASKED, Work.DUE), manifests=("bootstrap-kube-scheduler",)),
        Action.ERRAND,
        "this host's Node asks for it: release 1.37.1-b",
    ),
    "not while nobody would hear it": (
        Observation(errands=Errands(notes=(("a", "b"),)), api_silent_s=1.0),
        Action.WAIT,
        "no API answers",
    ),
    "what a Node is to say no more": (
        worker(errands=Errands(notes=(("a", ""),))),
        Action.NOTE,
        "this host's Node does not say yet: no a",
    ),
    "a control plane's, as well": (
        Observation(errands=Errands(notes=(("a", "b"),))),
        Action.NOTE,
        "this host's Node does not say yet: b",
    ),
    "a worker that is well is left alone": (worker(), Action.NOTHING, "all is well"),
    "a worker's keeper stands back for a person": (
        worker(locked=HELD, has_new_settings=True),
        Action.STAND_BACK,
        f"the host is being changed by {HELD}",
    ),
    "a worker takes up other settings by joining again": (
        worker(has_new_settings=True),
        Action.JOIN,
        "the cluster goes by other settings than this host",
    ),
    "a worker gets another serving certificate by joining again": (
        worker(expiring="the kubelet's serving certificate: is not by the CA that is published"),
        Action.JOIN,
        "the kubelet's serving certificate: is not by the CA that is published",
    ),
    "a worker's certificate waits for an API": (
        worker(expiring="the kubelet's serving certificate: …", api_problem="refused"),
        Action.WAIT,
        "no API answers: refused",
    ),
    "a worker without an API waits for one": (
        worker(api_problem="refused", api_silent_s=99.0),
        Action.WAIT,
        "no API answers: refused",
    ),
    "a worker whose Node was deleted makes it again": (
        worker(node_problem="Node w1 is gone"),
        Action.RESTART_KUBELET,
        "Node w1 is gone, and a kubelet brings it when it starts",
    ),
    "a worker that was removed does not come back by itself": (
        worker(node_problem="Node w1 is gone", is_gone=True, is_unregistered=True),
        Action.WAIT,
        "Node w1 is gone: removed, or to join again",
    ),
    "a worker's label that no kubelet brings back is not waited for": (
        worker(node_problem="Node w1 has lost its label a", is_unregistered=True),
        Action.NOTHING,
        "all is well",
    ),
    "a worker can't renew a credential that has expired": (
        worker(credential_problem="client.pem: has expired"),
        Action.WAIT,
        "client.pem: has expired: this host has to join again",
    ),
    "a worker's kubelet that may hang is restarted": (
        worker(unready=unready(60)),
        Action.RESTART_KUBELET,
        "node cp1 has been NotReady for 60 s: restarting the kubelet",
    ),
    "what a worker's join has made and is gone is told before rules that nobody can write": (
        worker(undone=Undone(OFF, 29), network_lost=FLUSHED, unready=unready(59)),
        Action.WAIT,
        "kubelet.service is not running (systemctl)",
    ),
    "and the join carried out again, rather than a kubelet restarted": (
        worker(undone=Undone(OFF, 30), network_lost=FLUSHED, unready=unready(60)),
        Action.JOIN,
        "kubelet.service is not running",
    ),
    "not while a person is at it": (
        worker(undone=Undone(OFF, 30), locked=HELD),
        Action.STAND_BACK,
        f"the host is being changed by {HELD}",
    ),
    "nor while no API says what a join needs": (
        worker(undone=Undone(OFF, 30), api_problem="refused"),
        Action.WAIT,
        "no API answers: refused",
    ),
    "a join that has just mended nothing leaves the kubelet its turn": (
        worker(undone=Undone(OFF, 60, 120), unready=unready(60)),
        Action.RESTART_KUBELET,
        "node cp1 has been NotReady for 60 s: restarting the kubelet",
    ),
    "a worker's own new address is told": (
        worker(moved=Moved(BEFORE, AFTER, 59)),
        Action.WAIT,
        "address 192.0.2.10 is gone, and the host has 192.0.2.11",
    ),
    "a worker can't follow its host by itself": (
        worker(moved=Moved(BEFORE, AFTER, 60), has_new_settings=True),
        Action.WAIT,
        "address 192.0.2.10 is gone, and the host has 192.0.2.11:"
        " this host has to join again, by a token of token create --rejoin",
    ),
    "no door and no etcd is missed on a worker": (
        worker(has_door=False, etcd_problem="refused", etcd_silent_s=99, manifests=("a",)),
        Action.NOTHING,
        "all is well",
    ),
}


@pytest.mark.parametrize(("seen", "action", "why"), TABLE.values(), ids=TABLE.keys())
def test_the_verdict(seen: Observation, action: Action, why: str) -> None:
    verdict = judge(seen)

    assert (verdict.action, verdict.why) == (action, why)
