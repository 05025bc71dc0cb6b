"""What the flags of upstream's programs mean to us: which name files, and which nobody else sets.

The names are those of Kubernetes 1.37 and etcd 3.6; the API tests compare them with what the
programs themselves list. All other flags are passed on as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeception.config.model import Config


@dataclass(frozen=True)
class Flags:
    """Those flags of one program that we know something of."""

    reads: frozenset[str]
    """Each names a file."""
    folders: frozenset[str] = frozenset()
    """Each names a folder; one that is among `reads`, too, may name either."""
    writes: frozenset[str] = frozenset()
    """Each names a file that the program makes; `-` is its standard output."""
    ours: Mapping[str, str] = field(default_factory=dict)
    """Those that kubeception alone sets, each with why."""


def _flags(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _ours(names: str, why: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), why)


_SERVING = "tls-cert-file tls-private-key-file tls-sni-cert-key allow-metric-labels-manifest"
_DELEGATING = (
    "authentication-kubeconfig authorization-kubeconfig client-ca-file requestheader-client-ca-file"
)
_SERVICES = {"service-cluster-ip-range": "net.service_cluster_ip_range says it"}
_PODS = {"cluster-cidr": "net.cluster_cidr says it"}
_CONTROLLER = {
    **_ours("secure-port permit-port-sharing", "kubeception decides its ports"),
    **_ours(
        "leader-elect leader-elect-resource-lock leader-elect-resource-name "
        "leader-elect-resource-namespace",
        "kubeception looks for who leads by a Lease of its own choice",
    ),
    "kubeconfig": "kubeception makes its kubeconfig",
}

PROGRAMS: Mapping[str, Flags] = {
    "apiserver": Flags(
        reads=_flags(
            f"{_SERVING} client-ca-file requestheader-client-ca-file "
            "admission-control-config-file audit-policy-file audit-webhook-config-file "
            "authentication-config authentication-token-webhook-config-file authorization-config "
            "authorization-policy-file authorization-webhook-config-file "
            "egress-selector-config-file encryption-provider-config etcd-cafile etcd-certfile "
            "etcd-keyfile kubelet-certificate-authority kubelet-client-certificate "
            "kubelet-client-key oidc-ca-file peer-ca-file proxy-client-cert-file "
            "proxy-client-key-file service-account-key-file service-account-signing-key-file "
            "token-auth-file tracing-config-file"
        ),
        writes=_flags("audit-log-path debug-socket-path"),
        ours={"secure-port": "kubeception decides the port of each API server", **_SERVICES},
    ),
    "controller_manager": Flags(
        reads=_flags(
            f"{_SERVING} {_DELEGATING} cloud-config cluster-signing-cert-file "
            "cluster-signing-key-file cluster-signing-kube-apiserver-client-cert-file "
            "cluster-signing-kube-apiserver-client-key-file "
            "cluster-signing-kubelet-client-cert-file cluster-signing-kubelet-client-key-file "
            "cluster-signing-kubelet-serving-cert-file cluster-signing-kubelet-serving-key-file "
            "cluster-signing-legacy-unknown-cert-file cluster-signing-legacy-unknown-key-file "
            "leader-migration-config pv-recycler-pod-template-filepath-hostpath "
            "pv-recycler-pod-template-filepath-nfs root-ca-file service-account-private-key-file"
        ),
        folders=_flags("flex-volume-plugin-dir"),
        ours={**_CONTROLLER, **_SERVICES, **_PODS},
    ),
    "scheduler": Flags(reads=_flags(f"{_SERVING} {_DELEGATING} config"), ours=_CONTROLLER),
    "kubelet": Flags(
        reads=_flags(
            "client-ca-file image-credential-provider-config tls-cert-file tls-private-key-file"
        ),
        folders=_flags(
            "config-dir image-credential-provider-bin-dir image-credential-provider-config"
        ),
        ours={
            **_ours("bootstrap-kubeconfig kubeconfig", "kubeception makes its kubeconfig"),
            **_ours("cert-dir root-dir", "kubeception looks for its files there"),
            **_ours("cluster-dns cluster-domain", "[net] says it"),
            "config": "kubeception writes its settings; config-dir adds to them",
            "container-runtime-endpoint": "kubeception asks containerd there, too",
            "hostname-override": "node.name says it",
            "node-ip": "node.address says it",
            "pod-manifest-path": "bootstrap.manifests_path says it",
        },
    ),
    "proxy": Flags(
        reads=frozenset(),
        ours={
            "config": "kubeception writes its settings; what they say has a flag, too",
            "hostname-override": "node.name says it",
            "kubeconfig": "it asks the API by its ServiceAccount",
            "proxy-mode": "net.proxy_mode says it",
            **_PODS,
        },
    ),
    "etcd": Flags(
        reads=_flags("client-crl-file peer-crl-file"),
        ours={
            **_ours(
                "advertise-client-urls initial-advertise-peer-urls initial-cluster "
                "initial-cluster-state initial-cluster-token listen-client-urls listen-metrics-urls"
                " listen-peer-urls name",
                "kubeception decides who a member is and where it serves",
            ),
            **_ours(
                "auto-tls cert-file client-cert-auth client-cert-file client-key-file key-file "
                "peer-auto-tls peer-cert-file peer-client-cert-auth peer-client-cert-file "
                "peer-client-key-file peer-key-file peer-trusted-ca-file trusted-ca-file",
                "kubeception makes its certificates, and lets in who has one",
            ),
            **_ours("data-dir force-new-cluster wal-dir", "kubeception watches over its data"),
            "config-file": "etcd would ignore all other settings",
        },
    ),
}
ON_THE_HOST = ("kubelet", "etcd")
IN_PODS = tuple(program for program in PROGRAMS if program not in ON_THE_HOST)


def named(program: str, args: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield what a program's flags name that it reads, each with its flag."""
    known = PROGRAMS[program]
    for flag, value in sorted(args.items()):
        if flag in known.reads | known.folders:
            # A certificate and its key stand together, before the names that they are for.
            for path in value.partition(":")[0].split(","):
                if path:
                    yield flag, Path(path)


def written(program: str, args: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield the folders in which a program makes what its flags name, each with its flag."""
    for flag in sorted(PROGRAMS[program].writes & {*args}):
        if args[flag] not in {"", "-"}:
            yield flag, Path(args[flag]).parent


def brought(program: str, config: Config) -> Iterator[tuple[str, Path]]:
    """Yield what the user's flags name and kubeception does not make itself, each with its flag."""
    made = config.layout.made
    for flag, path in named(program, getattr(config, program).extra_args):
        if path not in made:
            yield flag, path
