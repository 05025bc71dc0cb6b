"""What each step of a bootstrap wants, for hosts in several states."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from msgspec import structs
from tests.conftest import Golden
from tests.fixed import CLUSTER, CONFIG, FACTS, MEMBER, SETTINGS, on_host

from kubeception.conditions import Condition
from kubeception.config import Config, cluster
from kubeception.config.load import load
from kubeception.config.model import Cni, Etcd, Kubelet, Net
from kubeception.engine import Phase
from kubeception.facts import Facts, Hosted, Proven
from kubeception.phases import bootstrap_plane, etcd, handover, join, kubelet, pki, runtime
from kubeception.phases.addons import all_ready
from kubeception.phases.control_plane import CONTROL_PLANE, NEWER_API
from kubeception.phases.handover import NEWER_HANDOVER, NEWER_STABILITY
from kubeception.phases.pruned import PRUNED
from kubeception.phases.revision import PROVEN_REVISION
from kubeception.phases.settings import COPY
from kubeception.phases.settings import SETTINGS as SETTINGS_PHASE
from kubeception.render import apiserver
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.held_connections import HeldConnections
from kubeception.resources.keypair import KeyPair
from kubeception.resources.no_others import NoOthers
from kubeception.resources.object import Object
from kubeception.resources.settled import Settled
from kubeception.resources.shared_settings import SharedSettings
from kubeception.resources.unit import Unit
from kubeception.workflows import BOOTSTRAP, joining

ROOT = Path(__file__).parents[3]
FILES = Path(__file__).parent / "plans"

_NOTES = apiserver.daemonset(CLUSTER)["spec"]["template"]["metadata"]["annotations"]
_HOSTED = Hosted(
    6445,
    _NOTES[apiserver.TEMPLATE_NOTE],
    image=CLUSTER.settings.release.images[apiserver.NAME],
)
HEALTHY = replace(
    on_host(door=6445),
    cluster=replace(CLUSTER, hosted=_HOSTED),
    needs_api=False,
    needs_controllers=False,
)
STATES: dict[str, tuple[Config, Facts]] = {
    "fresh": (CONFIG, FACTS),
    "healthy": (CONFIG, HEALTHY),
    "rebuild": (CONFIG, replace(HEALTHY, needs_api=True, needs_controllers=True)),
    "booted": (
        CONFIG,
        replace(
            HEALTHY,
            host=replace(HEALTHY.host, door=6444),
            cluster=replace(HEALTHY.cluster, dead_leases=("kube-scheduler",)),
            needs_api=True,
            needs_controllers=True,
        ),
    ),
    "kubic": (
        load(ROOT / "distros/kubic.toml"),
        on_host(
            load(ROOT / "distros/kubic.toml"),
            foreign_units=frozenset({"etcd.service", "containerd.service", "kubelet.service"}),
            archives={},
        ),
    ),
    "container": (CONFIG, on_host(image="0123456789ab")),
}


@pytest.mark.parametrize("state", STATES)
def test_whatever_is_waited_for_in_vain_has_last_words(state: str) -> None:
    config, facts = STATES[state]
    phases = (*BOOTSTRAP, *joining(None))
    awaited = [one for phase in phases for one in phase.until(config, facts)]

    silent = Condition("it", lambda _: None).last_words
    mute = [one.what for one in (*awaited, *all_ready(config, facts)) if one.last_words is silent]
    assert awaited
    assert mute == []


def planned(phases: tuple[Phase, ...], config: Config, facts: Facts) -> list[Resource]:
    return [wanted for phase in phases for wanted in phase.plan(config, facts)]


def lines(config: Config, facts: Facts, phases: tuple[Phase, ...] = BOOTSTRAP) -> Iterator[str]:
    """Write a whole workflow as a list of what it wants and waits for."""
    for phase in phases:
        yield f"{phase.name}: {phase.title}"
        for wanted in phase.plan(config, facts):
            yield f"  {_words(wanted)}"
        for condition in phase.until(config, facts):
            yield f"  ends with {condition.what}{_often(condition.successes)}"


def _often(successes: int) -> str:
    return f", {successes} times in a row" if successes > 1 else ""


def _words(wanted: Resource) -> str:
    match wanted:
        case File(path, None):
            return f"no file {path}"
        case File(path, mode=mode):
            return f"file {path} {mode:04o}"
        case Unit(name, paths):
            return f"unit {name}" + "".join(f"\n    started after {path}" for path in paths)
        case KeyPair():
            return f"certificate {wanted}"
        case HeldConnections(is_open=is_open):
            return f"{wanted}, {'open' if is_open else 'closed'}"
        case Object(force=True):
            return f"{wanted}, by force"
        case _:
            return str(wanted)


TWO = {"cp1": ip_address("192.0.2.10"), "cp2": ip_address("192.0.2.11")}


@pytest.mark.parametrize("state", STATES)
def test_a_bootstrap_wants_what_it_always_did(state: str, golden: Golden) -> None:
    golden(FILES / f"{state}.txt", "\n".join(lines(*STATES[state])) + "\n")


def test_a_join_wants_what_it_always_did(golden: Golden) -> None:
    joined = on_host(node="w1", address="192.0.2.21", membership=MEMBER)

    golden(FILES / "worker.txt", "\n".join(lines(CONFIG, joined, joining(None))) + "\n")


def test_a_worker_has_no_kubelet_before_it_has_joined() -> None:
    assert not planned((join.WORKER_KUBELET,), CONFIG, FACTS)


@pytest.mark.parametrize("state", STATES)
def test_a_plan_is_the_same_each_time(state: str) -> None:
    """Plans are pure, so a second run has nothing new to want."""
    config, facts = STATES[state]

    assert planned(BOOTSTRAP, config, facts) == planned(BOOTSTRAP, config, facts)


def test_phases_have_names_of_their_own() -> None:
    names = [phase.name for phase in BOOTSTRAP]

    assert len(names) == len(set(names))


def test_every_bootstrap_manifest_is_taken_away_again() -> None:
    placing = (kubelet.KUBELET, bootstrap_plane.BOOTSTRAP_CONTROLLERS)
    manifests = CONFIG.layout.kubelet.manifests

    def manifests_in(phases: tuple[Phase, ...], *, wanted: bool) -> set[Path]:
        return {
            file.path
            for file in planned(phases, CONFIG, FACTS)
            if isinstance(file, File)
            and file.path.parent == manifests
            and (file.content is not None) == wanted
        }

    placed = manifests_in(placing, wanted=True)
    assert len(placed) == 3
    assert manifests_in((handover.RETIRE_CONTROLLERS, handover.RETIRE_API), wanted=False) == placed


def test_a_healthy_cluster_gets_no_bootstrap_control_plane() -> None:
    config, facts = STATES["healthy"]
    manifests = [
        file
        for file in planned(BOOTSTRAP, config, facts)
        if isinstance(file, File) and file.path.parent == config.layout.kubelet.manifests
    ]

    assert manifests and all(file.content is None for file in manifests)
    temporary = (bootstrap_plane.BOOTSTRAP_DOOR, bootstrap_plane.BOOTSTRAP_CONTROLLERS)
    assert not planned(temporary, config, facts)
    assert not list(handover.hosted_is_stable(config, facts))


def test_what_a_host_asks_for_is_known_before_it_has_come_to_a_good_end() -> None:
    """Or, where it has come to none, what was asked for before would be no change."""
    new = structs.replace(SETTINGS, emulates="0.9")
    facts = replace(FACTS, cluster=replace(CLUSTER, settings=new, asked=new, copied=SETTINGS))

    written, kept = SETTINGS_PHASE.plan(CONFIG, facts)

    assert isinstance(written, SharedSettings)
    path = CONFIG.layout.cluster
    assert kept == File(path, cluster.text(cluster.Copy(settings=SETTINGS, asked=new)))
    assert [*COPY.plan(CONFIG, facts)] == [File(path, cluster.text(cluster.Copy(new, new)))]
    assert cluster.settled(SETTINGS, new, new) == SETTINGS, "the way back"


def test_the_door_turns_only_after_ten_answers_in_a_row() -> None:
    [*_, stable] = handover.hosted_is_stable(
        CONFIG, replace(HEALTHY, host=replace(HEALTHY.host, door=6444))
    )

    assert stable.successes == 10
    assert "6445" in stable.what


@pytest.mark.parametrize("phase", [etcd.ETCD, kubelet.KUBELET, runtime.RUNTIME])
def test_a_unit_starts_after_the_settings_that_its_phase_writes(phase: Phase) -> None:
    wanted, at = list(phase.plan(CONFIG, FACTS)), CONFIG.layout
    [unit] = [one for one in wanted if isinstance(one, Unit)]
    written = {
        one.path
        for one in wanted
        if isinstance(one, File)
        # systemd itself says when a unit's own file changed; manifests are read as they come.
        and one.path.parent not in {CONFIG.layout.units, CONFIG.layout.kubelet.manifests}
        # Read by us alone, and by people's tools.
        and one.path not in {at.member, at.crictl, at.etcdctl}
    }
    settled = {one.environment for one in wanted if isinstance(one, Settled)}

    assert written <= {*unit.started_after, *settled}
    assert wanted.index(unit) > max(map(wanted.index, (w for w in wanted if isinstance(w, File))))


@pytest.mark.parametrize(
    ("phase", "config"),
    [
        (etcd.ETCD, Config(etcd=Etcd(extra_args={"peer-crl-file": "/crl"}))),
        (kubelet.KUBELET, Config(kubelet=Kubelet(extra_args={"client-ca-file": "/crl"}))),
    ],
)
def test_a_unit_starts_after_the_files_that_its_flags_name(phase: Phase, config: Config) -> None:
    [unit] = [one for one in phase.plan(config, FACTS) if isinstance(one, Unit)]

    assert Path("/crl") in unit.started_after


def test_the_hosts_own_units_are_used_as_they_are() -> None:
    config, facts = STATES["kubic"]

    files = [one.path for one in planned(BOOTSTRAP, config, facts) if isinstance(one, File)]
    assert config.layout.containerd.settings not in files
    units = [path.name for path in files if path.is_relative_to(config.layout.units)]
    assert units == ["kubeception-keeper.service"]


def test_an_etcd_of_the_hosts_own_owns_its_keys_and_no_other() -> None:
    config, facts = STATES["kubic"]

    pairs = planned((pki.PKI,), config, replace(facts, host=replace(facts.host, etcd_uid=496)))
    owned = {one.entry.at for one in pairs if isinstance(one, KeyPair) and one.uid == 496}
    assert owned == {config.layout.pki.etcd_server, config.layout.pki.etcd_peer}
    assert all(
        one.uid is None for one in planned((pki.PKI,), config, facts) if isinstance(one, KeyPair)
    )


def words(config: Config, facts: Facts) -> str:
    """Write all that a whole bootstrap would put anywhere."""
    return "\n".join(
        repr(one.content) if isinstance(one, File) else repr(vars(one))
        for one in planned(BOOTSTRAP, config, facts)
    )


@pytest.mark.parametrize("state", ["fresh", "healthy"])
def test_no_default_range_is_left_where_the_user_chose_others(state: str) -> None:
    net = Net(
        cluster_cidr="172.20.0.0/16",
        service_cluster_ip_range="172.30.0.0/20",
        cluster_domain="example.internal",
    )
    _, facts = STATES[state]
    config = Config(net=net)
    chosen = on_host(config).cluster
    others = replace(facts.cluster, settings=chosen.settings, asked=chosen.asked)

    for default in ("10.244.", "10.96.", "cluster.local"):
        assert default in words(CONFIG, facts)
        assert default not in words(config, replace(facts, cluster=others))


def test_no_default_path_is_left_where_the_user_chose_others() -> None:
    said = words(*STATES["kubic"])

    for default in ("/etc/kubernetes/pki", "/etc/ssl/certs", "/etc/kubernetes/kubelet.env"):
        assert default not in said
    for chosen in ("/etc/kubernetes/bootstrap-secrets/ca.crt", "/etc/ca-certificates"):
        assert chosen in said


def test_what_holds_a_key_or_is_run_by_the_kubelet_is_for_root_alone() -> None:
    """A kubeconfig names keys; a manifest is a way to become root."""
    config = CONFIG
    private = [
        one
        for one in [*pki.plan(config, FACTS), *planned(BOOTSTRAP, config, FACTS)]
        if isinstance(one, File)
        and one.content is not None
        and ('"client-key"' in one.content or '"kind": "Pod"' in one.content)
    ]

    assert len(private) > 6
    assert {one.mode for one in private} == {0o600}


def test_whoever_brings_a_network_waits_for_no_flannel() -> None:
    config = Config(net=Net(cni=Cni.NONE))

    assert "flannel" in "\n".join(lines(CONFIG, FACTS))
    assert "flannel" not in "\n".join(lines(config, on_host(config)))


def test_only_a_person_removes_what_is_wanted_no_more() -> None:
    """A keeper of an earlier version would remove a later one's objects."""
    assert not planned((PRUNED,), CONFIG, HEALTHY)
    [others] = planned((PRUNED,), CONFIG, replace(HEALTHY, is_attended=True))
    assert isinstance(others, NoOthers)
    assert {"DaemonSet kube-system/kube-apiserver", "Service default/kubernetes"} <= others.wanted


def test_an_api_server_whose_settings_were_put_back_is_not_unwanted() -> None:
    host = replace(HEALTHY.host, refused=_NOTES[apiserver.TEMPLATE_NOTE])
    [others] = planned((PRUNED,), CONFIG, replace(HEALTHY, host=host, is_attended=True))

    assert isinstance(others, NoOthers)
    assert "DaemonSet kube-system/kube-apiserver" in others.wanted


def test_what_any_host_put_back_is_not_tried_again_from_another() -> None:
    hosted = Hosted(6445, "", refused=_NOTES[apiserver.TEMPLATE_NOTE])
    cluster = replace(HEALTHY.cluster, hosted=hosted)
    wanted = planned((CONTROL_PLANE,), CONFIG, replace(HEALTHY, cluster=cluster))

    assert "DaemonSet kube-system/kube-apiserver" not in map(str, wanted)
    assert "DaemonSet kube-system/kube-apiserver" in map(
        str, planned((CONTROL_PLANE,), CONFIG, HEALTHY)
    )


def test_a_host_whose_turn_in_a_roll_has_not_come_keeps_its_server() -> None:
    """The template's port is another host's by now; this one's server is behind its door."""
    old, new = frozenset({6445}), frozenset({6445, 6446})
    two = replace(
        HEALTHY.cluster,
        control_planes=TWO,
    )
    waits = replace(HEALTHY, cluster=replace(two, hosted=Hosted(6446, "", own=old)))
    due = replace(HEALTHY, cluster=replace(two, hosted=Hosted(6446, "", own=new)))
    alone = replace(HEALTHY.cluster, hosted=Hosted(6446, "", own=old))

    assert (waits.port, due.port) == (6445, 6446)
    assert replace(HEALTHY, cluster=alone).port == 6446
    assert not list(handover.hosted_is_stable(CONFIG, waits))
    assert list(handover.hosted_is_stable(CONFIG, due))


def test_the_old_server_stays_until_other_nodes_have_had_the_time_to_reach_the_new_one() -> None:
    template = apiserver.daemonset(CLUSTER)["spec"]["template"]
    proven = replace(HEALTHY.host, proven=Proven("before", template, "kubectl"))
    rolling = replace(HEALTHY, host=proven, cluster=replace(CLUSTER, hosted=_HOSTED))
    first = BOOTSTRAP.index(handover.HANDOVER)
    turn, let_go = BOOTSTRAP[first : first + 2]

    assert [one.what for one in turn.until(CONFIG, rolling)] == ["other nodes to reach it"]
    assert [*map(str, let_go.plan(CONFIG, rolling))] == [
        "readiness gate of the API server behind the door"
    ]
    assert not any("gate" in str(one) for one in turn.plan(CONFIG, rolling))
    never = replace(rolling, host=replace(proven, proven=None))
    known = replace(rolling, host=replace(proven, proven=Proven(_HOSTED.revision, template, "")))
    assert [*turn.until(CONFIG, never)]
    assert not [*turn.until(CONFIG, known)]


def test_the_api_server_of_another_release_serves_before_anything_else_of_it_is_applied() -> None:
    """No component may be newer than the API server that it asks."""
    newer = [NEWER_API, NEWER_STABILITY, NEWER_HANDOVER]
    first = BOOTSTRAP.index(NEWER_API)
    assert [*BOOTSTRAP[first : first + 4]] == [*newer, CONTROL_PLANE]

    def wanted(facts: Facts) -> list[list[str]]:
        return [
            [*map(str, phase.plan(CONFIG, facts)), *(c.what for c in phase.until(CONFIG, facts))]
            for phase in newer
        ]

    before = replace(_HOSTED, image="registry.k8s.io/kube-apiserver:v1.36.4")
    old = replace(HEALTHY, cluster=replace(CLUSTER, hosted=before))
    [applied, waits, turns] = wanted(old)
    assert applied == ["DaemonSet kube-system/kube-apiserver"]
    assert (waits, turns) == ([], [])

    rolling = replace(HEALTHY, cluster=replace(CLUSTER, hosted=replace(_HOSTED, port=6446)))
    [applied, waits, turns] = wanted(rolling)
    assert applied == []
    assert "the hosted API server on port 6446" in waits
    assert turns == ["door", "held connections at 192.0.2.10", "other nodes to reach it"]

    # What else was asked for is about to be changed, and an edit waits for its turn.
    edited = replace(_HOSTED, port=6446, template="another's")
    assert wanted(replace(HEALTHY, cluster=replace(CLUSTER, hosted=edited))) == [[], [], []]
    template = apiserver.daemonset(CLUSTER)["spec"]["template"]
    proven = replace(
        rolling, host=replace(rolling.host, proven=Proven("before", template, "kubectl"))
    )
    assert wanted(proven) == [[], [], []]
    assert wanted(HEALTHY) == wanted(FACTS) == [[], [], []]
    # After a boot all of it is of that release: the bootstrap API server, too.
    assert wanted(replace(old, host=replace(old.host, door=6444))) == [[], [], []]


def test_one_that_boots_before_its_turn_has_its_own_server_back() -> None:
    """The door leads to the bootstrap one then, and the template's port is another host's."""
    hosted = Hosted(6446, "", own=frozenset({6445}))
    booted = replace(
        HEALTHY,
        host=replace(HEALTHY.host, door=6444),
        cluster=replace(HEALTHY.cluster, control_planes=TWO, hosted=hosted),
    )

    [stable] = handover.hosted_is_stable(CONFIG, booted)
    assert "6445" in stable.what


def test_no_host_waits_for_the_others_turns_in_a_roll() -> None:
    several = replace(HEALTHY, cluster=replace(HEALTHY.cluster, control_planes=TWO))
    roll = "DaemonSet kube-apiserver to be ready"

    assert roll in [one.what for one in all_ready(CONFIG, HEALTHY)]
    assert roll not in [one.what for one in all_ready(CONFIG, several)]


@pytest.mark.parametrize(
    ("serves", "serves_elsewhere", "puts_back"),
    [(False, False, True), (False, True, False), (True, False, False)],
)
def test_recover_puts_back_only_what_serves_nowhere(
    serves: bool, serves_elsewhere: bool, puts_back: bool
) -> None:
    template = apiserver.daemonset(CLUSTER)["spec"]["template"]
    proven = Proven("good", template, "kubeception")
    bad = Hosted(6446, "", "bad", serves=serves, serves_elsewhere=serves_elsewhere)
    facts = replace(
        HEALTHY,
        host=replace(HEALTHY.host, proven=proven),
        cluster=replace(HEALTHY.cluster, control_planes=TWO, hosted=bad),
    )

    assert bool(planned((PROVEN_REVISION,), CONFIG, facts)) is puts_back


def test_an_api_server_that_is_gone_comes_back_whatever_was_put_back() -> None:
    host = replace(HEALTHY.host, refused=_NOTES[apiserver.TEMPLATE_NOTE])
    gone = replace(HEALTHY, host=host, cluster=replace(HEALTHY.cluster, hosted=None))

    assert "DaemonSet kube-system/kube-apiserver" in map(
        str, planned((CONTROL_PLANE,), CONFIG, gone)
    )


def test_what_another_host_put_back_a_person_may_try_again() -> None:
    hosted = Hosted(6445, "", refused=_NOTES[apiserver.TEMPLATE_NOTE])
    told = replace(HEALTHY, cluster=replace(HEALTHY.cluster, hosted=hosted), is_attended=True)

    assert "DaemonSet kube-system/kube-apiserver" in map(
        str, planned((CONTROL_PLANE,), CONFIG, told)
    )
