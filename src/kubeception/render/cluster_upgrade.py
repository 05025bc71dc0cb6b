"""The custom resource by which nodes are worked off in batches, and what it leaves on a Node.

Who asks for something makes a ClusterUpgrade; the controller works off one at a time, and tells in
its status what each node is at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kubeception.pki.request import NODES
from kubeception.render import objects
from kubeception.render.window import CLOCK, DAYS, UTC_ZONE, ZONES, Window
from kubeception.source import DIGESTS, LONGEST_URL, URLS, Source

KIND = "ClusterUpgrade"
READERS = "kubeception:clusterupgrades"
GROUP, VERSION, PLURAL = "kubeception.dev", "v1alpha1", "clusterupgrades"
# On a Node, by the controller alone: the boot that is to end, by its id. A host that has another
# one by now has done what was asked for, so nobody reboots twice.
REBOOT_NOTE = "kubeception.dev/reboot"
# On a Node that the controller has cordoned, and may uncordon: for which ClusterUpgrade.
CORDONED_NOTE = "kubeception.dev/cordoned-for"
# On a Node, by its host's keeper: which bundles lie on the host, the one in use first.
BUNDLES_NOTE = "kubeception.dev/bundles"
# By the same: the boot that the host itself wants to end, by its id, so after it that says nothing.
NEEDED_NOTE = "kubeception.dev/reboot-needed"
MOST_NODES = 5000
DRAIN_S, STEP_S, CANARY_S = 300, 900, 600
# What a length of time can be; in none at all no step is done, and the node is emptied in vain.
LONGEST_S, SHORTEST_STEP_S = 86400, 1
PERCENT = "([1-9][0-9]?|100)%"
_NAME_LENGTH = 253


class Errand(StrEnum):
    """What a host can be sent to do by its Node, which then has its answer."""

    RELEASE = "release"
    COMMAND = "command"
    FETCH = "fetch"

    @property
    def note(self) -> str:
        """The annotation that asks, by the controller alone: `<uid of a ClusterUpgrade>/<name>`."""
        return f"{GROUP}/{self}"

    @property
    def answer(self) -> str:
        """The annotation by the host's keeper: what was asked, and `: ` and why if in vain."""
        return f"{self.note}-answer"

    @property
    def names(self) -> str:
        """Which names there are of what is asked for, as a regular expression."""
        return _NAMES[self]


_NAMES = {
    Errand.RELEASE: "[0-9A-Za-z][0-9A-Za-z.+~-]*",
    Errand.COMMAND: "[a-z0-9][a-z0-9-]{0,62}",
}
_NAMES[Errand.FETCH] = _NAMES[Errand.RELEASE]
# On a Node whose host is to fetch a bundle, by the controller alone: the name of the ClusterUpgrade
# that says from where, which the host reads itself.
ORDER_NOTE = f"{Errand.FETCH.note}-order"
# As the API has names; it becomes a part of a path there.
ORDER_NAMES = "[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
NOTES = (REBOOT_NOTE, CORDONED_NOTE, ORDER_NOTE, *(errand.note for errand in Errand))
_BUNDLE = {"type": "string", "maxLength": 64, "pattern": f"^{Errand.RELEASE.names}$"}


class Step(StrEnum):
    """What can be done with a node that is empty."""

    REBOOT = "reboot"
    BINARIES = "binaries"
    COMMAND = "command"


# Which of them go together, in this order.
_STEPS = (
    (Step.REBOOT,),
    (Step.BINARIES,),
    (Step.COMMAND,),
    (Step.COMMAND, Step.REBOOT),
)


class Phase(StrEnum):
    """What one is at."""

    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABORTED = "Aborted"

    @property
    def is_end(self) -> bool:
        """Whether nothing comes after it."""
        return self in {Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED}


@dataclass(frozen=True)
class Order:
    """What somebody asks for: of these nodes, or of all where none is named.

    They go to a `release`, by the name of its bundle, and back to the `previous` one where that is
    aborted; or they run a `command`, by its name, of those that are on each host; or they reboot.
    `batch` is a number of nodes or a percentage of them.
    """

    nodes: tuple[str, ...] = ()
    release: str | None = None
    previous: str | None = None
    source: Source | None = None
    """Where hosts that lack the release get its bundle."""
    command: str | None = None
    reboots: bool = False
    """After the command."""
    batch: int | str = 1
    drain_s: int = DRAIN_S
    keeps_pods: bool = False
    """Nodes are neither cordoned nor emptied."""
    is_forced: bool = False
    """Pods that their budgets keep after that time are ended all the same."""
    step_s: int = STEP_S
    skips_offline: bool = False
    """A node that is not Ready is passed over."""
    window: Window | None = None
    """When batches may begin, where not always."""
    canary: str | None = None
    """The worker that goes before the other ones, by itself."""
    canary_s: int = CANARY_S
    """For how long it is to be well before they do."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is done with a node, one after the other."""
        if self.release:
            return (Step.BINARIES,)
        if self.command:
            return (Step.COMMAND, Step.REBOOT) if self.reboots else (Step.COMMAND,)
        return (Step.REBOOT,)


def of_order(order: Order) -> objects.Object:
    """Return the object that asks for it; the API gives it its name."""
    of: objects.Object = {"nodes": list(order.nodes)} if order.nodes else {"all": True}
    if order.release:
        of["version"] = order.release
    if order.previous:
        of["previous"] = order.previous
    if order.source:
        of["source"] = {"url": order.source.url, "sha256": order.source.sha256}
    if order.command:
        of["command"] = order.command
    if order.window:
        of["window"] = order.window.spec
    if order.canary:
        of["canary"] = {"node": order.canary, "forSeconds": order.canary_s}
    named = {Step.BINARIES: "upgrade-", Step.COMMAND: "run-", Step.REBOOT: "reboot-"}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"generateName": named[order.steps[0]]},
        "spec": {
            **of,
            "batch": order.batch,
            "steps": [step.value for step in order.steps],
            "stepTimeoutSeconds": order.step_s,
            "drain": {
                "pods": "keep" if order.keeps_pods else "evict",
                "timeoutSeconds": order.drain_s,
                "onBlocked": "force" if order.is_forced else "stop",
            },
            "offline": "skip" if order.skips_offline else "stop",
        },
    }


def source_of(found: objects.Object) -> Source | None:
    """Return from where hosts that lack the release get it, by an object that asks for that."""
    said = found["spec"].get("source") or {}
    return Source.of_texts(said.get("url", ""), said.get("sha256", ""))


def readers() -> Iterator[objects.Object]:
    """Yield the nodes' right to read those that they are told of, by name, and nothing else."""
    nodes = {"apiGroup": objects.RBAC, "kind": "Group", "name": NODES}
    yield objects.cluster_role(READERS, [objects.rule(GROUP, PLURAL, "get")])
    yield objects.cluster_role_binding(READERS, role=READERS, subject=nodes)


def everything() -> Iterator[objects.Object]:
    """Yield its definition."""
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": KIND.lower(),
    }
    columns = {
        "Phase": ".status.phase",
        "Done": ".status.done",
        "Message": ".status.message",
    }
    schema = {"type": "object", "properties": {"spec": _spec(), "status": _status()}}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {**schema, "required": ["spec"]}},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            *({"name": name, "type": "string", "jsonPath": at} for name, at in columns.items()),
            {"name": "Canary", "type": "string", "jsonPath": ".spec.canary.node", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    yield {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": objects.metadata(f"{PLURAL}.{GROUP}", namespace=None),
        "spec": {"group": GROUP, "names": names, "scope": "Cluster", "versions": [version]},
    }


def _spec() -> objects.Object:
    seconds = {"type": "integer", "minimum": 0, "maximum": LONGEST_S}
    drain = _object(
        "How nodes are emptied.",
        pods=_one_of(
            "evict",
            "keep",
            said="Whether a node is cordoned and its pods leave it before its turn, or neither.",
        ),
        timeoutSeconds={
            **seconds,
            "default": DRAIN_S,
            "description": "So long budgets are waited for.",
        },
        onBlocked=_one_of(
            "stop",
            "force",
            said="What becomes of pods that are left then: the node is let go and nothing more"
            " begins, or they are deleted.",
        ),
    )
    # A host answers by its unit, of which there is one for each of these objects.
    why = "what is done with nodes stays as it was asked for"
    stays = {"x-kubernetes-validations": [{"rule": "self == oldSelf", "message": why}]}
    spec = _object(
        "What is asked for; which nodes that is counts when it begins.",
        version={
            **_BUNDLE,
            **stays,
            "description": "The release to go to, by the name of a bundle that each host has, or"
            " gets from the source.",
        },
        source=_source(stays),
        previous={
            **_BUNDLE,
            "description": "The release to go back to where it is aborted, by the name of a bundle"
            " that each host has.",
        },
        command={
            **stays,
            "type": "string",
            "maxLength": 63,
            "pattern": f"^{Errand.COMMAND.names}$",
            "description": "The program that each host runs, by its name in the folder for such"
            " programs there.",
        },
        nodes=_names("Which nodes."),
        all={
            "type": "boolean",
            "description": "All nodes: to reboot workers go first, to another release last.",
        },
        batch={
            "x-kubernetes-int-or-string": True,
            "maxLength": len("100%"),
            "default": 1,
            "description": "How many nodes at a time, or which percentage of them.",
        },
        steps={
            **stays,
            "type": "array",
            "items": {"type": "string", "enum": [step.value for step in Step]},
            "minItems": 1,
            "maxItems": max(map(len, _STEPS)),
            "default": [Step.REBOOT.value],
            "description": "What is done with a node that is empty, in this order: its host"
            " reboots, or goes to the version's programs, or runs the command and may reboot then.",
        },
        stepTimeoutSeconds={
            **seconds,
            "minimum": SHORTEST_STEP_S,
            "default": STEP_S,
            "description": "So long a node may take until it is Ready again.",
        },
        drain={**drain, "default": {}},
        offline=_one_of(
            "stop", "skip", said="What becomes of a node that is not Ready before its turn."
        ),
        window=_window(),
        canary=_canary(seconds, stays),
        paused={"type": "boolean", "description": "No further batch begins."},
        aborted={
            "type": "boolean",
            "description": "What was not told to go on yet is let go, and nothing more begins; who"
            " has gone to the version goes back to the previous one.",
        },
    )
    is_all, has_names = "has(self.all) && self.all", "has(self.nodes) && size(self.nodes) > 0"
    of_batch = f"self.batch.matches('^{PERCENT}$')"
    rules = {
        f"({is_all}) != ({has_names})": "either nodes are named, or all is true",
        f"type(self.batch) == int ? self.batch >= 1 : {of_batch}": (
            "batch is a number from 1 on, or a percentage such as 10%"
        ),
        f"self.steps in {[[step.value for step in steps] for steps in _STEPS]}": (
            "steps are reboot, or binaries, or command, or command and then reboot"
        ),
        "has(self.version) == (self.steps == ['binaries'])": (
            "a version goes with the step binaries, and with none else"
        ),
        "has(self.command) == ('command' in self.steps)": (
            "a command goes with the step command, and with none else"
        ),
        "!has(self.previous) || has(self.version)": "a previous one goes with a version",
        "!has(self.source) || has(self.version)": "a source goes with a version",
        "has(self.source) == has(oldSelf.source)": why,
        f"!has(self.canary) || ({is_all}) || self.canary.node in self.nodes": (
            "a canary is one of the nodes"
        ),
    }
    validations = [{"rule": rule, "message": why} for rule, why in rules.items()]
    return {**spec, "x-kubernetes-validations": validations}


def _source(stays: objects.Object) -> objects.Object:
    found = _object(
        "Where hosts that lack the version's bundle get it before the first batch begins.",
        url={
            "type": "string",
            "maxLength": LONGEST_URL,
            "pattern": f"^{URLS}$",
            "description": "The bundle's folder on a web server.",
        },
        sha256={
            "type": "string",
            "pattern": f"^{DIGESTS}$",
            "description": "The SHA-256 of its bundle.json, in hex.",
        },
    )
    return {**found, **stays, "required": ["url", "sha256"]}


def _canary(seconds: objects.Object, stays: objects.Object) -> objects.Object:
    found = _object(
        "The worker that goes before the other ones, by itself.",
        node={**stays, "type": "string", "maxLength": _NAME_LENGTH, "description": "Which node."},
        forSeconds={
            **seconds,
            "default": CANARY_S,
            "description": "So long it has to be well then before the others' batches begin.",
        },
    )
    return {**found, "required": ["node"]}


def _window() -> objects.Object:
    clock = {"type": "string", "pattern": f"^{CLOCK}$"}
    found = _object(
        "When batches may begin; one that is at hand is finished.",
        start={**clock, "description": "From this time on, as 22:00."},
        end={
            **clock,
            "description": "To this time, as 04:00; on the next day where it is not later.",
        },
        timeZone={
            "type": "string",
            "maxLength": 64,
            "pattern": f"^{ZONES}$",
            "default": UTC_ZONE,
            "description": "By whose clock: the IANA name of a time zone.",
        },
        days={
            "type": "array",
            "items": {"type": "string", "enum": list(DAYS)},
            "minItems": 1,
            "maxItems": len(DAYS),
            "x-kubernetes-list-type": "set",
            "description": "On which days it begins; on all where none is named.",
        },
    )
    return {**found, "required": ["start", "end"]}


def _status() -> objects.Object:
    text, moment = {"type": "string"}, {"type": "string", "format": "date-time"}
    condition = _object(
        "As Kubernetes' own conditions.",
        **dict.fromkeys(("type", "status", "reason", "message"), text),
        lastTransitionTime=moment,
    )
    node = _object(
        "What one node is at.",
        **dict.fromkeys(("name", "state", "message", "bootID"), text),
        since=moment,
    )
    return _object(
        "What has become of it, by the controller.",
        **dict.fromkeys(("phase", "message", "done"), text),
        conditions=_listed(condition, by="type"),
        nodes=_listed(node, by="name"),
    )


def _object(said: str, **properties: objects.Object) -> objects.Object:
    return {"type": "object", "description": said, "properties": properties}


def _one_of(default: str, *others: str, said: str) -> objects.Object:
    values = [default, *others]
    return {"type": "string", "enum": values, "default": default, "description": said}


def _names(said: str) -> objects.Object:
    return {
        "type": "array",
        "items": {"type": "string", "maxLength": _NAME_LENGTH},
        "maxItems": MOST_NODES,
        "x-kubernetes-list-type": "set",
        "description": said,
    }


def _listed(item: objects.Object, *, by: str) -> objects.Object:
    return {
        "type": "array",
        "items": {**item, "required": [by]},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [by],
    }
