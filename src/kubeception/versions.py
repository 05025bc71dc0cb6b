"""A release: one version of Kubernetes, what comes with it, and what it goes together with."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from msgspec import Meta, Struct, json

from kubeception.errors import KubeceptionError

LISTING = "bundle.json"
IMAGE_PREFIX = "localhost/kubeception"


@dataclass(frozen=True)
class Range:
    """Versions from one on, and up to another where there is a limit."""

    at_least: tuple[int, ...]
    below: tuple[int, ...] | None = None

    def __contains__(self, version: tuple[int, ...]) -> bool:
        """Whether a version is one of them."""
        return version >= self.at_least and (self.below is None or version < self.below)

    def __str__(self) -> str:
        words = f"{dotted(self.at_least)} or later"
        return f"{words}, below {dotted(self.below)}" if self.below else words


class Release(Struct, frozen=True, omit_defaults=True):
    """What a bundle brings, as its list says; what a cluster goes by is the first two."""

    kubernetes: Annotated[str, Meta(pattern=r"^1\.\d+\.\d+")]
    """The version of Kubernetes, without the v."""
    images: dict[str, str]
    """The names of the images, by component."""
    components: dict[str, str] = {}
    """The version of everything that comes with it."""
    released: Annotated[datetime, Meta(tz=True)] | None = None
    """When that Kubernetes was; bundles of earlier versions don't say."""
    version: str = ""
    """What tells a bundle from all others, and names its folder on a host."""

    @classmethod
    def read(cls, folder: Path, *, hint: str = "kubeception bundle import") -> Self:
        """Read the list of the bundle in a folder.

        Raises:
            KubeceptionError: there is none, or none that can be read.
        """
        path = folder / LISTING
        try:
            return json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError as error:
            raise KubeceptionError(f"{folder}: no bundle here", hint=hint) from error
        except ValueError as error:
            raise KubeceptionError(f"{path}: not a bundle's list: {error}", hint=hint) from error

    def text(self) -> str:
        """Return the list of a bundle that brings it."""
        return json.format(json.encode(self), indent=1).decode() + "\n"

    @property
    def minor(self) -> str:
        """The minor version of Kubernetes, as in 1.37."""
        return ".".join(self.kubernetes.split(".")[:2])

    @property
    def supported(self) -> Mapping[str, Range]:
        """The versions of other programs that go together with it."""
        minor = int(self.kubernetes.split(".")[1])
        return {
            # Its watch cache lags behind in earlier ones (kubernetes/kubernetes#134343).
            "etcd": Range((3, 5, 13)),
            "containerd": Range((2, 0)),
            # https://kubernetes.io/releases/version-skew-policy/
            "kubelet": Range((1, minor - 3), (1, minor + 1)),
            "kube-apiserver": Range((1, minor - 1), (1, minor + 1)),
        }


def in_use(bundle: Path) -> Release | None:
    """Return the release of the bundle that a host uses, None where it has none.

    Raises:
        KubeceptionError: it has one, whose list is not there or can't be read.
    """
    return Release.read(bundle) if os.path.lexists(bundle) else None


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def minor_of(image: str) -> tuple[int, int] | None:
    """Return the Kubernetes minor that an image's tag says, None where it says none."""
    found = re.search(r":v1\.(\d+)\.\d+", image)
    return (1, int(found[1])) if found else None


# Where a host has no bundle: what components/*/go.mod say, written by `make golden`.
BUILT_IN = Release.read(Path(__file__).parent)
