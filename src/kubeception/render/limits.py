"""How much of the API those programs get that strangers or workers reach.

Requests of pods on workers have a queue of their own, which none of the control plane's stands in
(https://kubernetes.io/docs/concepts/cluster-administration/flow-control/).
"""

from collections.abc import Iterator

from kubeception.config.cluster import ClusterSettings
from kubeception.config.model import Cni
from kubeception.render import coredns, flannel, join_records, join_service, objects, proxy

NAME = "kubeception-workers"
_API = "flowcontrol.apiserver.k8s.io/v1"
# Before Kubernetes' own for accounts of kube-system, which is at 900.
_PRECEDENCE = 800
# The default levels have 5 to 40.
_SHARES = 20
# A join takes one, which the controller sweeps after a day.
_MOST_CLAIMS = 10_000


def accounts_on_workers(settings: ClusterSettings) -> tuple[str, ...]:
    """Return the accounts of ours whose pods run on workers, and whose tokens these can get."""
    of_all = (coredns.NAME, proxy.NAME)
    return (*of_all, flannel.ACCOUNT) if settings.net.cni is Cni.FLANNEL else of_all


def everything(settings: ClusterSettings) -> Iterator[objects.Object]:
    """Yield the queue, who stands in it, and the quota of what the join service makes."""
    yield {
        "apiVersion": _API,
        "kind": "PriorityLevelConfiguration",
        "metadata": objects.metadata(NAME, namespace=None),
        "spec": {
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": _SHARES,
                "limitResponse": {
                    "type": "Queue",
                    "queuing": {"queues": 64, "handSize": 6, "queueLengthLimit": 50},
                },
            },
        },
    }
    accounts = (*accounts_on_workers(settings), join_service.NAME)
    everything_of = {
        "verbs": ["*"],
        "apiGroups": ["*"],
        "resources": ["*"],
        "namespaces": ["*"],
        "clusterScope": True,
    }
    yield {
        "apiVersion": _API,
        "kind": "FlowSchema",
        "metadata": objects.metadata(NAME, namespace=None),
        "spec": {
            "priorityLevelConfiguration": {"name": NAME},
            "matchingPrecedence": _PRECEDENCE,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [
                        {
                            "kind": "ServiceAccount",
                            "serviceAccount": {"name": name, "namespace": objects.NAMESPACE},
                        }
                        for name in accounts
                    ],
                    "resourceRules": [everything_of],
                }
            ],
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": objects.metadata("kubeception", namespace=join_records.CLAIMS),
        "spec": {"hard": {"count/configmaps": str(_MOST_CLAIMS)}},
    }
