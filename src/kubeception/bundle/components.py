"""The table of what is compiled from Go modules.

Which version and which programs stands in each component's go.mod, and there alone.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kubeception.errors import KubeceptionError

SOURCES = Path(__file__).parents[3]
MODULES = SOURCES / "components"

STATIC = "-linkmode external -extldflags -static"
_CNI = "github.com/containernetworking/plugins"
_CNI_STAMP = f"{_CNI}/pkg/utils/buildversion.BuildVersion"


@dataclass(frozen=True)
class Component:
    """One Go module, and how its programs are linked."""

    name: str
    module: str
    # Link-time variables and what they take; without theirs a kubelet says v0.0.0.
    stamps: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    # Linked statically all the same, so that a host needs no library.
    cgo: bool = False
    # Where a program's folder in its module isn't named like the program.
    renamed: Mapping[str, str] = field(default_factory=dict)
    # Containers alone run these.
    only_in_images: frozenset[str] = frozenset()
    # Where the others go in a bundle.
    place: str = "bin"
    minor: str = ""
    modules: Path = MODULES

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum are."""
        return self.modules / self.name / self.minor

    @property
    def version(self) -> str:
        """The version that go.mod asks for, without the v."""
        text = (self.folder / "go.mod").read_text()
        found = re.search(rf"^(?:require|\t)\s*{re.escape(self.module)} v(\S+)", text, re.MULTILINE)
        if not found:
            raise KubeceptionError(f"{self.folder / 'go.mod'}: does not require {self.module}")
        return found[1]

    @property
    def released(self) -> datetime:
        """When that version was released, as release.toml says where go.mod alone can't."""
        path = self.folder / "release.toml"
        said = tomllib.loads(path.read_text())
        if said["version"] != self.version:
            raise KubeceptionError(
                f"{path}: is about {said['version']}, and go.mod asks for {self.version}"
            )
        released: datetime = said["released"]
        return released

    def flags(self) -> list[str]:
        """Return what decides about the outcome, as arguments of `go build`."""
        values = {"version": self.version}
        if self.minor:
            values["major"], values["minor"] = self.minor.split(".")
        link = ["-s", "-w", "-buildid="]
        link += [f"-X {variable}={text.format(**values)}" for variable, text in self.stamps.items()]
        if self.cgo:
            link.append(STATIC)
        return ["-trimpath", "-tags", ",".join(self.tags), "-ldflags", " ".join(link)]


def table(minor: str) -> tuple[Component, ...]:
    """Return every component for a Kubernetes minor, in the order of compiling.

    Raises:
        KubeceptionError: there are no sources, or none for this minor.
    """
    if not MODULES.is_dir():
        raise KubeceptionError(
            f"{MODULES}: no such folder; bundles are built from kubeception's source tree",
            hint="git clone it and run `make bundle` there",
        )
    known = sorted(path.name for path in (MODULES / "kubernetes").iterdir())
    if minor not in known:
        raise KubeceptionError(f"Kubernetes {minor}: only {', '.join(known)} can be built")
    stamps = {
        f"{package}.{variable}": text
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for variable, text in (
            ("gitVersion", "v{version}"),
            ("gitMajor", "{major}"),
            ("gitMinor", "{minor}"),
        )
    }
    kubernetes = Component(
        "kubernetes",
        "k8s.io/kubernetes",
        stamps,
        # The API server and the controller-manager stay programs too, for an API without a cluster.
        only_in_images=frozenset({"kube-proxy", "kube-scheduler"}),
        minor=minor,
    )
    coredns = Component(
        "coredns",
        "github.com/coredns/coredns",
        only_in_images=frozenset({"coredns"}),
        # Each minor of Kubernetes has its own, as kubeadm's constants say.
        minor=minor,
    )
    # Kubernetes takes longest, so it starts first, and the others go by beside it.
    return (kubernetes, coredns, *_OTHERS)


_OTHERS = (
    Component(
        "flannel",
        "github.com/flannel-io/flannel",
        {"github.com/flannel-io/flannel/pkg/version.Version": "v{version}"},
        tags=("netgo", "osusergo"),
        cgo=True,
        renamed={"flannel": "flanneld"},
        only_in_images=frozenset({"flanneld"}),
    ),
    Component(
        "containerd",
        "github.com/containerd/containerd/v2",
        {"github.com/containerd/containerd/v2/version.Version": "v{version}"},
        tags=("no_btrfs", "no_devmapper", "no_zfs"),
    ),
    Component("etcd", "go.etcd.io/etcd/server/v3", renamed={"server": "etcd"}),
    Component(
        "crictl",
        "sigs.k8s.io/cri-tools",
        {"sigs.k8s.io/cri-tools/pkg/version.Version": "v{version}"},
    ),
    Component(
        "runc",
        "github.com/opencontainers/runc",
        tags=("seccomp", "netgo", "osusergo"),
        cgo=True,
    ),
    Component("cni-plugins", _CNI, {_CNI_STAMP: "v{version}"}, place="bin/cni"),
    Component("flannel-cni", _CNI, {_CNI_STAMP: "v{version}"}, place="bin/cni"),
)
