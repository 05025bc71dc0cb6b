"""What forbids an upgrade, or deserves a look before it: the table of checks.

https://kubernetes.io/releases/version-skew-policy/
"""

from collections.abc import Callable, Iterator

from kubeception.preflight.finding import Finding, Severity, warning
from kubeception.upgrade.cluster_state import ClusterState
from kubeception.versions import dotted, numbers

Check = Callable[[ClusterState], Iterator[Finding]]
MIB = 2**20
# An archive is stored as it is, and unpacked beside that.
_TWICE = 2


def skew(seen: ClusterState) -> Iterator[Finding]:
    """Want a release of no minor before the one that can be gone back to, and one later at most."""
    there, wanted = numbers(seen.serving), numbers(seen.target.kubernetes)
    what = f"the API server is of {seen.serving}, and {seen.target.kubernetes} is"
    # What serves may have been put back to.
    if wanted[:2] < min(numbers(seen.oldest) or there, there)[:2]:
        hint = "kubeception bundle list shows what else there is"
        yield Finding("VersionSkew", f"{what} a minor older, which nothing goes back to", hint)
    elif wanted < there:
        hint = "kubeception bundle list shows what else there is"
        yield warning("VersionSkew", f"{what} older", hint)
    elif wanted[:2] > (1, there[1] + 1):
        between = dotted((1, there[1] + 1))
        yield Finding("VersionSkew", f"{what} more than one minor later", f"go to {between} first")


def upgrades(seen: ClusterState) -> Iterator[Finding]:
    """Want nothing that empties nodes meanwhile."""
    for name in seen.upgrades:
        hint = "kubeception upgrade status --watch; or: kubeception upgrade abort"
        yield Finding("UpgradeRunning", f"ClusterUpgrade {name} has not ended", hint)


def kubelets(seen: ClusterState) -> Iterator[Finding]:
    """Want no kubelet that the API server to come is too new for, or too old.

    Those that are to go back themselves do so before it.
    """
    supported, there = seen.target.supported["kubelet"], numbers(seen.serving)
    goes_back = numbers(seen.target.kubernetes) < there
    for node in seen.nodes:
        kubelet = numbers(node.kubelet)
        if kubelet not in supported and not (goes_back and supported.at_least <= kubelet <= there):
            what = f"{node.name}: its kubelet is of {node.kubelet or 'no known version'}"
            yield Finding(
                "KubeletSkew", f"{what}, wanted is {supported}", "upgrade that host first"
            )


def nodes(seen: ClusterState) -> Iterator[Finding]:
    """Want every node Ready: whatever is wrong already would be put down to the upgrade."""
    for node in seen.nodes:
        if not node.is_ready:
            ways = ("kubectl describe node", "kubeception node remove")
            hint = "; or ".join(f"{way} {node.name}" for way in ways)
            hint += "; or pass workers over that are off: upgrade apply --offline skip"
            yield Finding("NodeReady", f"{node.name}: is not Ready", hint)


def etcd(seen: ClusterState) -> Iterator[Finding]:
    """Want an etcd that serves, and of a version that goes together with the release."""
    if seen.etcd_problem:
        yield Finding("EtcdHealth", seen.etcd_problem, "kubeception status")
    elif seen.etcd_version and numbers(seen.etcd_version) not in seen.target.supported["etcd"]:
        wanted = seen.target.supported["etcd"]
        yield Finding(
            "EtcdVersion", f"etcd is {seen.etcd_version}, wanted is {wanted}", "upgrade etcd first"
        )


def disk(seen: ClusterState) -> Iterator[Finding]:
    """Want room for the images."""
    needs = _TWICE * seen.images_size
    if seen.images_free < needs:
        free = seen.images_free // MIB
        what = f"{seen.images_folder}: {free} MiB are free, its images need {needs // MIB}"
        yield Finding("Disk", what, f"df -h {seen.images_folder}")


def budgets(seen: ClusterState) -> Iterator[Finding]:
    """Want no budget that lets no pod go even while all of them are well."""
    for one in seen.budgets:
        if one.pods and not one.allowed and one.healthy >= one.pods:
            namespace, _, name = one.name.partition("/")
            what = f"{one.name}: never lets one of its {one.pods} pods go"
            hint = f"give it more replicas, or: kubectl -n {namespace} edit pdb {name}; "
            hint += "or have its pods deleted all the same: upgrade apply --force"
            yield Finding("PodDisruptionBudget", what, hint)


def webhooks(seen: ClusterState) -> Iterator[Finding]:
    """Want somebody to answer for every webhook that must be asked."""
    for one in seen.webhooks:
        what = f"{one.kind} {one.configuration}: {one.webhook['name']}: {one.problem}"
        hint = f"mend it, or: kubectl delete {one.kind.lower()} {one.configuration}"
        yield Finding("Webhook", what, hint)
    for name, problem in seen.conversions:
        what = f"CustomResourceDefinition {name}: nobody converts its versions: {problem}"
        yield Finding("Conversion", what, f"mend it; see kubectl get crd {name} -o yaml")


def removed_apis(seen: ClusterState) -> Iterator[Finding]:
    """Want nobody to ask for API versions that the release no longer has."""
    minor = numbers(seen.target.kubernetes)[:2]
    for one in seen.deprecated:
        what = f"{one.name}: was asked for since the API server started"
        hint = "find who does: https://kubernetes.io/docs/reference/using-api/deprecation-guide/"
        if numbers(one.removed)[:2] <= minor:
            yield Finding("RemovedApi", f"{what}, and is gone in {one.removed}", hint)
        else:
            yield warning("DeprecatedApi", f"{what}, and will be gone in {one.removed}", hint)


def flags(seen: ClusterState) -> Iterator[Finding]:
    """Want every flag and feature gate that people have set to be known to the release."""
    version = seen.target.kubernetes
    for program, known in seen.listed.items():
        args = seen.args[program]
        for flag, value in sorted(args.items()):
            key = f"{program}.extra_args.{flag}"
            if flag not in known.flags:
                hint = f"take it out of [{program}], then: kubeception bootstrap --config FILE"
                yield Finding("Flag", f"{key}: no flag of {version}", hint)
            elif flag == "feature-gates":
                for gate in (one.partition("=")[0].split(":")[-1] for one in value.split(",")):
                    if gate not in known.gates:
                        what = f"{key}: {gate} is no feature gate of {version}"
                        yield Finding("FeatureGate", what, "take it out")


def host(seen: ClusterState) -> Iterator[Finding]:
    """Want nothing that preflight finds, but of webhooks: above, all of them are looked at."""
    yield from (one for one in seen.host if not one.check.startswith("Webhook"))


CHECKS: tuple[Check, ...] = (
    skew,
    upgrades,
    kubelets,
    nodes,
    etcd,
    disk,
    budgets,
    webhooks,
    removed_apis,
    flags,
    host,
)


def findings(seen: ClusterState) -> list[Finding]:
    """Return everything that forbids the upgrade, and then what deserves a look."""
    found = [one for check in CHECKS for one in check(seen)]
    return sorted(found, key=lambda one: one.severity is Severity.WARNING)
