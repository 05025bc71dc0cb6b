"""What the API server refuses to whoever runs on a worker, beyond RBAC: admission policies.

RBAC says which kinds somebody may write; a ValidatingAdmissionPolicy says which of them and what in
them (https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/). Held
are accounts and kubelets of ours; networks and autoscalers that people bring keep what RBAC gives
them, but for the labels by which Kubernetes knows its control plane.

The bootstrap API server goes without any, so that none keeps it from repairing the cluster; hence
it listens on its host's loopback alone.
"""

from collections.abc import Iterator, Mapping, Sequence

from kubeception.config.cluster import ClusterSettings
from kubeception.config.model import Cni
from kubeception.config.names import of_kubelet
from kubeception.facts import ClusterFacts
from kubeception.pki.request import CLIENT_SIGNER, NODES
from kubeception.render import (
    cluster_controller,
    cluster_upgrade,
    flannel,
    join_records,
    objects,
    own_pod,
)

# On a namespace, by an administrator: kubelets of workers may show their static pods in it.
MIRROR_PODS = {"kubeception.dev/mirror-pods": "allowed"}
# All that a Node's status has (core/v1, 1.37), but for its conditions.
NODE_STATUS = (
    *("addresses", "allocatable", "capacity", "config", "daemonEndpoints", "declaredFeatures"),
    *("features", "images", "nodeInfo", "phase", "runtimeHandlers"),
    *("volumesAttached", "volumesInUse"),
)
# All of its spec (core/v1, 1.37), but for what says that it takes no new pods.
NODE_SPEC = (
    *("configSource", "externalID", "podCIDR", "podCIDRs", "podPreemptionPolicy", "providerID"),
    "taints",
)
_API = "admissionregistration.k8s.io/v1"
_FLANNEL = "kubeception-flannel"
_NODE_ROLES = "kubeception-node-roles"
_MIRROR_PODS = "kubeception-mirror-pods"
_OWN_NODES = "kubeception-own-nodes"
_ADDRESSES = "kubeception-node-addresses"
_LINKS = "kubeception-link-addresses"
_REMOVED_NODES = "kubeception-removed-nodes"
_JOIN_SERVICE = "kubeception-join-service"
_CONTROLLER = "kubeception-controller"
_CONTROLLER_NODES = "kubeception-controller-nodes"
_NODE_NOTES = "kubeception-node-notes"
_SOURCES = "kubeception-upgrade-sources"
# A claim has some 2 KiB, with a request of 4 KiB at most.
_SMALL_BYTES = 12 * 1024
# As an expression, of names.
_TOKEN_ID = "[a-z0-9]{10}"  # noqa: S105 - no token
_NODE_WRITES = ("nodes", "nodes/status")
# Whoever may do everything; KEP-3488 asks the API server's own authorizer.
_IS_ADMINISTRATOR = "authorizer.group('*').resource('*').check('*').allowed()"
# The API server puts it there for tokens that are bound to a pod (KEP-4193).
_BOUND_TO = "request.userInfo.extra[?'authentication.kubernetes.io/node-name'][0].orValue('')"
# Who is a node; where there is no such list yet, all is as RBAC has it.
_INDEX: objects.Object = {
    "namespace": join_records.RECORDS,
    "name": join_records.INDEX,
    "parameterNotFoundAction": "Allow",
}

_Rules = Sequence[tuple[str, str]]


def everything(cluster: ClusterFacts) -> Iterator[objects.Object]:
    """Yield the policies, each with its binding."""
    if _FLANNEL in names(cluster.settings):
        yield from _flannel()
        yield from _links()
    yield from _roles()
    trusted = ", ".join(f"'{of_kubelet(node)}'" for node in sorted(cluster.control_planes))
    workers = {
        "is-kubelet": f"'{NODES}' in request.userInfo.groups",
        "is-on-worker": f"!(request.userInfo.username in [{trusted}])",
    }
    yield from _mirror_pods(workers)
    yield from _own_nodes(workers)
    yield from _addresses(workers)
    yield from _removed_nodes(workers)
    yield from _join_service()
    yield from _controller()
    yield from _controller_nodes()
    yield from _notes()
    yield from of_sources()


def names(settings: ClusterSettings) -> tuple[str, ...]:
    """Return the names of the policies that a cluster has, which are their bindings' as well."""
    of_workers = (_MIRROR_PODS, _OWN_NODES, _ADDRESSES, _REMOVED_NODES)
    of_controller = (_CONTROLLER, _CONTROLLER_NODES, _NODE_NOTES, _SOURCES)
    of_all = (_NODE_ROLES, *of_workers, _JOIN_SERVICE, *of_controller)
    return (_FLANNEL, _LINKS, *of_all) if settings.net.cni is Cni.FLANNEL else of_all


def _flannel() -> Iterator[objects.Object]:
    """Hold flannel to its annotations and its one condition, of the node that it runs on."""
    is_own = f"key.startsWith('{flannel.ANNOTATIONS}')"
    others = "filter(one, one.type != 'NetworkUnavailable')"
    # Without types, for the controller that checks these knows none of quantities.
    status = " && ".join(
        f"dyn(object).?status.?{name} == dyn(oldObject).?status.?{name}" for name in NODE_STATUS
    )
    conditions = (
        f"object.?status.?conditions.orValue([]).{others}"
        f" == oldObject.?status.?conditions.orValue([]).{others}"
    )
    metadata = " && ".join(
        f"object.metadata.?{name} == oldObject.metadata.?{name}"
        for name in ("labels", "finalizers", "ownerReferences")
    )
    yield from _policy(
        _FLANNEL,
        resources=_NODE_WRITES,
        operations=("CREATE", "UPDATE"),
        only={"is-flannel": _is(flannel.ACCOUNT)},
        variables=_before_and_now("annotations"),
        rules=[
            (f"{_BOUND_TO} == request.name", "flannel changes the node that it runs on alone"),
            (_same(but=is_own), "flannel changes no annotation but its own"),
            (metadata, "flannel changes no label"),
            (status, "flannel changes nothing of a node's status but a condition"),
            (conditions, "flannel changes no condition but NetworkUnavailable"),
        ],
    )


def _links() -> Iterator[objects.Object]:
    """Have no two nodes say the same link address: others send what is for one to the other.

    Who has which the controller lists, and then nobody else takes it, whose account it may be.
    """
    keys = ", ".join(f"'{one}'" for one in flannel.LINK_ADDRESSES)
    new = "variables.new.all(link, "
    others = "params.?data.orValue({}).all(node, node == object.metadata.name"
    yield from _policy(
        _LINKS,
        resources=_NODE_WRITES,
        operations=("CREATE", "UPDATE"),
        only={"is-of-node": f"{_is(flannel.ACCOUNT)} || '{NODES}' in request.userInfo.groups"},
        variables={
            **_before_and_now("annotations"),
            "new": (
                f"[{keys}].filter(key, key in variables.now"
                " && variables.before[?key] != variables.now[?key])"
                ".map(key, variables.now[key])"
            ),
        },
        rules=[
            (
                f"{new}link.matches(r'{flannel.LINK_FORM}'))",
                "a link address in the pod network is one that flannel would write",
            ),
            (
                f"{new}{others} || !(link in params.data[node].split(' '))))",
                "another node has that link address in the pod network",
            ),
        ],
        param={**_INDEX, "name": join_records.LINKS},
    )


def _roles() -> Iterator[objects.Object]:
    """Leave the labels that say what a node is trusted with to administrators.

    Kubelets are kept from them by NodeRestriction already.
    """
    guarded = (
        f"(key == '{objects.CONTROL_PLANE}'"
        " || key.split('/')[0].endsWith('node-restriction.kubernetes.io'))"
    )
    yield from _policy(
        _NODE_ROLES,
        resources=_NODE_WRITES,
        operations=("CREATE", "UPDATE"),
        only={},
        variables=_before_and_now("labels"),
        rules=[
            (
                f"({_same(but=f'!{guarded}')}) || {_IS_ADMINISTRATOR}",
                "only administrators say which node is of the control plane, or label one below "
                "node-restriction.kubernetes.io",
            )
        ],
    )


def _mirror_pods(workers: Mapping[str, str]) -> Iterator[objects.Object]:
    """Let no worker's kubelet make pods, whose labels could put it behind any Service."""
    label, value = next(iter(MIRROR_PODS.items()))
    yield from _policy(
        _MIRROR_PODS,
        resources=("pods",),
        operations=("CREATE",),
        only=workers,
        variables={},
        rules=[
            ("false", f"a worker shows static pods in namespaces alone with {label}={value}"),
        ],
        namespaces={"matchExpressions": [{"key": label, "operator": "NotIn", "values": [value]}]},
    )


def _own_nodes(workers: Mapping[str, str]) -> Iterator[objects.Object]:
    """Hold workers' kubelets, of their own Nodes, to what leads nothing of others' to them.

    Every node sends the traffic for a Node's pods to it, and people have pods run by a host's name.
    """
    before = "oldObject == null ? optional.none() : oldObject"
    host = f"labels[?'{objects.HOSTNAME}']"
    yield from _policy(
        _OWN_NODES,
        resources=_NODE_WRITES,
        operations=("CREATE", "UPDATE"),
        only=workers,
        variables={},
        rules=[
            (
                _unchanged("spec", ("podCIDR", "podCIDRs")),
                "the range of a node's pods is given to it by the controller-manager",
            ),
            (
                f"object.metadata.?{host}.orValue(object.metadata.name) == object.metadata.name"
                f" || object.metadata.?{host} == ({before}.metadata.?{host})",
                "a worker says that its host has the name of its node, and no other",
            ),
            (
                _unchanged("metadata", ("finalizers",)),
                "a worker keeps no node from being removed",
            ),
        ],
    )


def _addresses(workers: Mapping[str, str]) -> Iterator[objects.Object]:
    """Hold workers' kubelets to the addresses with which their hosts have joined.

    The API server asks a node's kubelet for logs there. A cloud's controller may have said others,
    which a kubelet then leaves as they are.
    """
    before = "oldObject == null ? optional.none() : oldObject.?status.?addresses"
    yield from _policy(
        _ADDRESSES,
        resources=_NODE_WRITES,
        operations=("CREATE", "UPDATE"),
        only=workers,
        variables={
            "recorded": (
                "params.?data[?object.metadata.name].orValue('').split(' ')"
                f".filter(word, word.startsWith('{join_records.ADDRESS}'))"
            ),
        },
        rules=[
            (
                # The list may be of a version before this one, which had none.
                "size(variables.recorded) == 0"
                f" || object.?status.?addresses == ({before})"
                " || object.?status.?addresses.orValue([]).all(one, one.type == 'Hostname'"
                " ? one.address == object.metadata.name"
                f" : '{join_records.ADDRESS}' + one.address in variables.recorded)",
                "a worker has the addresses with which its host has joined, and no other",
            ),
        ],
        param=_INDEX,
    )


def _removed_nodes(workers: Mapping[str, str]) -> Iterator[objects.Object]:
    """Let nobody write with the certificate of a node that was removed, or taken over.

    Kubernetes revokes no certificate. As long as there is no list of the nodes that there are,
    which the controller keeps, all are as good as they are by RBAC.
    """
    yield from _policy(
        _REMOVED_NODES,
        groups="*",
        versions="*",
        resources=("*/*",),
        # For the API server's sake: what no kubelet has a right to, and controllers write a lot.
        but=(("apps", "*/*"), ("discovery.k8s.io", "*/*"), ("", "configmaps"), ("", "endpoints")),
        operations=("CREATE", "UPDATE", "DELETE"),
        only=workers,
        variables={
            "node": f"request.userInfo.username.substring({len(of_kubelet(''))})",
            "credential": (
                "request.userInfo.extra[?'authentication.kubernetes.io/credential-id'][0]"
                ".orValue('')"
            ),
        },
        rules=[
            ("variables.node in params.?data.orValue({})", "the node was removed from the cluster"),
            (
                "!(variables.credential in params.?data[?variables.node].orValue('').split(' '))",
                "another host has joined by the node's name",
            ),
        ],
        param=_INDEX,
    )


def _join_service() -> Iterator[objects.Object]:
    """Let the join service make small things alone, for strangers say what is in them.

    By the names by which the controller sweeps them, and nothing that keeps them from being swept.
    """
    small = (
        "dyn(object).?data.orValue({}).map(key, size(dyn(object).data[key])).sum()"
        f" + size(dyn(object).?spec.?request.orValue('')) <= {_SMALL_BYTES}"
    )
    bare = " && ".join(
        f"size(dyn(object).?{where}.orValue([])) == 0"
        for where in (
            "binaryData",
            *(f"metadata.?{name}" for name in ("annotations", "finalizers", "ownerReferences")),
        )
    )
    request = join_records.request_name(_TOKEN_ID)
    claim = join_records.claim_name(_TOKEN_ID)
    named = (
        "request.resource.resource == 'certificatesigningrequests'"
        f" ? object.metadata.name.matches('^{request}$')"
        f" && dyn(object).spec.signerName == '{CLIENT_SIGNER}'"
        " : request.resource.resource != 'configmaps'"
        f" || object.metadata.name.matches('^{claim}$')"
    )
    yield from _policy(
        _JOIN_SERVICE,
        groups="*",
        versions="*",
        resources=("configmaps", "certificatesigningrequests", "events"),
        operations=("CREATE",),
        only={"is-join-service": _is(own_pod.COMPONENT)},
        variables={},
        rules=[
            (small, f"the join service makes nothing of more than {_SMALL_BYTES} bytes"),
            (bare, "the join service makes nothing with more than labels, nor with binary data"),
            ("size(object.metadata.?labels.orValue({})) <= 2", "nor with more labels than ours"),
            (named, "the join service makes claims, and requests for kubelets' certificates"),
        ],
    )


def _controller() -> Iterator[objects.Object]:
    """Let the controller delete those requests alone that the join service made."""
    made = f"oldObject.spec.username == '{objects.user_of(own_pod.COMPONENT)}'"
    yield from _policy(
        _CONTROLLER,
        groups="certificates.k8s.io",
        resources=("certificatesigningrequests",),
        operations=("DELETE",),
        only={"is-controller": _is(cluster_controller.NAME)},
        variables={},
        rules=[(made, "the controller deletes requests of the join service alone")],
    )


def _controller_nodes() -> Iterator[objects.Object]:
    """Hold the controller, of Nodes, to cordoning and to what it notes there."""
    spec = _unchanged("spec", NODE_SPEC)
    metadata = _unchanged("metadata", ("labels", "finalizers", "ownerReferences"))
    yield from _policy(
        _CONTROLLER_NODES,
        resources=("nodes",),
        operations=("UPDATE",),
        only={"is-controller": _is(cluster_controller.NAME)},
        variables=_before_and_now("annotations"),
        rules=[
            (spec, "the controller cordons nodes, and changes nothing else of them"),
            (metadata, "the controller changes no label"),
            (_same(but=f"key in [{_notes_of_ours()}]"), "nor an annotation that is not its own"),
        ],
    )


def _notes() -> Iterator[objects.Object]:
    """Let nobody else have hosts reboot, upgrade or run a program, nor say who cordoned one.

    Of their own Nodes kubelets could; and whatever else may write Nodes, a network's token say.
    """
    yield from _policy(
        _NODE_NOTES,
        resources=_NODE_WRITES,
        operations=("CREATE", "UPDATE"),
        only={"is-another": f"!({_is(cluster_controller.NAME)})"},
        variables=_before_and_now("annotations"),
        rules=[
            (
                f"({_same(but=f'!(key in [{_notes_of_ours()}])')}) || {_IS_ADMINISTRATOR}",
                "only administrators and the controller have hosts do something",
            )
        ],
    )


def of_sources() -> Iterator[objects.Object]:
    """Let no account of the cluster's own say which bundle hosts fetch, for that runs as root.

    The controller makes ClusterUpgrades, and needs none with a source.
    """
    source = "object.spec.?source"
    before = "oldObject == null ? optional.none() : oldObject.spec.?source"
    is_own = " || ".join(
        f"'{group}' in request.userInfo.groups"
        for group in (f"system:serviceaccounts:{objects.NAMESPACE}", NODES)
    )
    yield from _policy(
        _SOURCES,
        groups=cluster_upgrade.GROUP,
        versions="*",
        resources=(cluster_upgrade.PLURAL,),
        operations=("CREATE", "UPDATE"),
        only={"is-own": is_own},
        variables={},
        rules=[
            (
                f"!{source}.hasValue() || {source} == ({before}) || {_IS_ADMINISTRATOR}",
                "only administrators say which bundle hosts fetch, and from where",
            )
        ],
    )


def _notes_of_ours() -> str:
    return ", ".join(f"'{note}'" for note in cluster_upgrade.NOTES)


def _policy(
    name: str,
    *,
    groups: str = "",
    versions: str = "v1",
    resources: Sequence[str],
    operations: Sequence[str],
    only: Mapping[str, str],
    variables: Mapping[str, str],
    rules: _Rules,
    but: Sequence[tuple[str, str]] = (),
    namespaces: objects.Object | None = None,
    param: objects.Object | None = None,
) -> Iterator[objects.Object]:
    """Yield a policy, and the binding that has it deny.

    `but` are resources, each with its group, that it is not about; `param` says which ConfigMap it
    reads.
    """
    about = {"apiVersion": _API, "metadata": objects.metadata(name, namespace=None)}
    rule = {
        "apiGroups": [groups],
        "apiVersions": [versions],
        "operations": list(operations),
        "resources": list(resources),
    }
    spec: objects.Object = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": text, "message": why} for text, why in rules],
    }
    if but:
        spec["matchConstraints"]["excludeResourceRules"] = [
            {**rule, "apiGroups": [group], "resources": [kind]} for group, kind in but
        ]
    if only:
        spec["matchConditions"] = _named(only)
    if variables:
        spec["variables"] = _named(variables)
    if param:
        spec["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
    yield {**about, "kind": "ValidatingAdmissionPolicy", "spec": spec}
    binding: objects.Object = {"policyName": name, "validationActions": ["Deny"]}
    if namespaces:
        binding["matchResources"] = {"namespaceSelector": namespaces}
    if param:
        binding["paramRef"] = param
    yield {**about, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding}


def _named(expressions: Mapping[str, str]) -> list[objects.Object]:
    return [{"name": name, "expression": text} for name, text in expressions.items()]


def _is(account: str) -> str:
    return f"request.userInfo.username == '{objects.user_of(account)}'"


def _unchanged(part: str, names: Sequence[str]) -> str:
    """Return the expression that fields of an object are as before; what is new had none."""
    before = f"oldObject == null ? optional.none() : oldObject.{part}"
    return " && ".join(f"object.{part}.?{name} == ({before}.?{name})" for name in names)


def _before_and_now(of: str) -> dict[str, str]:
    """Return the variables that `_same` compares; what is made new had nothing before."""
    return {
        "now": f"object.metadata.?{of}.orValue({{}})",
        "before": f"oldObject == null ? {{}} : oldObject.metadata.?{of}.orValue({{}})",
    }


def _same(*, but: str) -> str:
    """Return the expression that labels or annotations are the same, but for some keys."""
    return (
        f"variables.now.all(key, {but} || variables.before[?key] == variables.now[?key])"
        f" && variables.before.all(key, {but} || key in variables.now)"
    )
