"""The settings that all hosts of a cluster go by: what one host's file and kernel said at first.

They live in the cluster (ConfigMap kube-system/kubeception-cluster); each host keeps a copy for the
time when no API answers. A host's own file is what it asks for; only what a person has changed in
it since the last bootstrap there changes the cluster's.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from kubeception.config import rules
from kubeception.config.model import (
    ApiServer,
    Certificates,
    Config,
    ControllerManager,
    Etcd,
    Kubeception,
    Net,
    Proxy,
    Scheduler,
    Secrets,
)
from kubeception.layout import Layout
from kubeception.readable import readable
from kubeception.versions import Release

_Leaves = dict[tuple[str, ...], Any]

# Tables of the configuration that are the cluster's as they stand.
_SHARED = ("apiserver", "controller_manager", "scheduler", "proxy", "kubeception")
# What can't be another one later: addresses and names that were given out, and certificates say.
FIXED = (
    "net.cluster_cidr",
    "net.service_cluster_ip_range",
    "net.apiserver_cluster_ip",
    "net.dns_cluster_ip",
    "net.cluster_domain",
)


@readable
class ClusterSettings(Struct, frozen=True, omit_defaults=False):
    """What all hosts of a cluster go by."""

    release: Release
    """What it runs: a version of Kubernetes, and the images by component."""
    net: Net = Net()
    apiserver: ApiServer = field(default_factory=ApiServer)
    controller_manager: ControllerManager = field(default_factory=ControllerManager)
    scheduler: Scheduler = field(default_factory=Scheduler)
    proxy: Proxy = field(default_factory=Proxy)
    kubeception: Kubeception = Kubeception()
    pki: str = Secrets().path
    """The folder of certificates and keys, on each control-plane host."""
    etcd_pki: str = Etcd().config_path
    public_cas: str = Certificates().ca_path
    forwards_names: bool = True
    """Whether CoreDNS asks its host's resolver for names outside the cluster."""
    sizes_conntrack: bool = True
    """Whether kube-proxy sets the size of the kernel's connection table."""
    files: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of each file that flags of pods name, as on the host that rolled it out last."""
    emulates: str = ""
    """The minor of Kubernetes, as in 1.36, that its control plane passes for: it can be gone back
    to (KEP-4330). Nobody asks for it; an upgrade has it so until the release has proven itself."""

    @property
    def layout(self) -> Layout:
        """The paths that the cluster's pods see, the same on every host."""
        return self.over(Config()).layout

    def asked_by(self, config: Config) -> "ClusterSettings":
        """Return them as a configuration says; what that leaves open is as it is here."""
        net = config.net
        return structs.replace(
            self,
            net=structs.replace(
                net,
                proxy_mode=net.proxy_mode or self.net.proxy_mode,
                apiserver_cluster_ip=str(net.apiserver_ip),
                dns_cluster_ip=str(net.dns_ip),
            ),
            **{name: getattr(config, name) for name in _SHARED},
        ).with_paths_of(config)

    def with_paths_of(self, config: Config) -> "ClusterSettings":
        """Return them with the folders of a host's configuration; a worker has its own."""
        return structs.replace(
            self,
            pki=config.secrets.path,
            etcd_pki=config.etcd.config_path,
            public_cas=config.certificates.ca_path,
        )

    @property
    def oldest(self) -> str:
        """The minor that its control plane may be gone back to."""
        return self.emulates or self.release.minor

    def over(self, config: Config) -> Config:
        """Return a host's configuration with the cluster's part of it as the cluster has it."""
        return structs.replace(
            config,
            net=self.net,
            **{name: getattr(self, name) for name in _SHARED},
            secrets=structs.replace(config.secrets, path=self.pki),
            etcd=structs.replace(config.etcd, config_path=self.etcd_pki),
            certificates=structs.replace(config.certificates, ca_path=self.public_cas),
        )


@readable
class Copy(Struct, frozen=True):
    """A host's copy: the cluster's settings, and what the host itself has asked for by then."""

    settings: ClusterSettings
    asked: ClusterSettings

    def with_changes(self, config: Config) -> ClusterSettings:
        """Return the cluster's settings with what has changed in the host's configuration since."""
        return settled(self.asked.asked_by(config), self.asked, self.settings)


def text(settings: ClusterSettings | Copy) -> str:
    """Return settings as the text of a file or of a ConfigMap's entry."""
    return msgspec.json.format(msgspec.json.encode(settings, order="sorted")).decode() + "\n"


def parse(document: str) -> ClusterSettings:
    """Read settings.

    Raises:
        ValueError: they are none that this version knows.
    """
    found = msgspec.json.decode(document, type=ClusterSettings)
    for problem in rules.check(found.over(Config())):
        raise ValueError(f"{'.'.join(problem.keys[0])}: {problem.text}")
    return found


def read(path: Path) -> Copy | None:
    """Read a host's copy, None where there is none that can be read: the cluster has it too."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Copy)
    except (OSError, ValueError):
        return None


def settled(
    asked: ClusterSettings, before: ClusterSettings | None, there: ClusterSettings
) -> ClusterSettings:
    """Return the cluster's settings with what a host asks for by now and didn't ask for before."""
    if before is None:
        return there
    wanted, known = _leaves(there), _leaves(before)
    for key, value in _leaves(asked).items():
        if known.pop(key, None) != value:
            wanted[key] = value
    for key in known:
        wanted.pop(key, None)  # no longer asked for
    return msgspec.convert(_nested(wanted), ClusterSettings)


def settled_files(
    own: Mapping[str, str], before: Mapping[str, str], there: Mapping[str, str]
) -> dict[str, str]:
    """Return the cluster's digests of files with those that a person has changed on a host.

    Like any setting: a file that is as it was there `before`, or that was not known there before,
    changes nothing, however it differs from the cluster's.
    """
    return {
        path: there[path] if path in there and before.get(path, digest) == digest else digest
        for path, digest in own.items()
    }


def followed(told: ClusterSettings, copy: Copy | None) -> ClusterSettings:
    """Return what a host goes by of what its cluster says: what was given out stays as it was."""
    if copy is None:
        return told
    wanted, known = _leaves(told), _leaves(copy.settings)
    for name in FIXED:
        key = tuple(name.split("."))
        wanted[key] = known[key]
    return msgspec.convert(_nested(wanted), ClusterSettings)


def differing(one: ClusterSettings, other: ClusterSettings) -> Iterator[tuple[str, str, str]]:
    """Yield the settings that differ: the name of each, and what it is in both."""
    left, right = _leaves(one), _leaves(other)
    for key in sorted({*left, *right}):
        if left.get(key) != right.get(key):
            yield ".".join(key), _said(left.get(key)), _said(right.get(key))


def differences(there: ClusterSettings, wanted: ClusterSettings) -> Iterator[str]:
    """Yield how settings are to become others, a line for each."""
    for name, before, after in differing(there, wanted):
        yield f"{name}: {before} becomes {after}"


def changed_for_good(there: ClusterSettings, wanted: ClusterSettings) -> Iterator[tuple[str, str]]:
    """Yield the settings that differ and can't be changed any more, each with what it is."""
    for name, before, _ in differing(there, wanted):
        if name in FIXED:
            yield name, before


def _said(value: Any) -> str:
    match value:
        case None:
            return "the default"
        case {"kubernetes": version}:
            return f"{version}"
        case _:
            return str(value)


def _leaves(settings: ClusterSettings) -> _Leaves:
    """Return every setting by its path; a release is one, for its images belong together."""
    found: _Leaves = {}

    def walk(value: Any, at: tuple[str, ...]) -> None:
        if isinstance(value, Mapping) and at != ("release",):
            for key, part in value.items():
                walk(part, (*at, key))
        else:
            found[at] = value

    walk(msgspec.to_builtins(settings), ())
    return found


def _nested(leaves: _Leaves) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for (*folders, name), value in leaves.items():
        inner = tree
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[name] = value
    return tree
