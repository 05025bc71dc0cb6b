"""Which versions belong together, and what their images are called."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from kubeception import __version__

KUBERNETES = "1.37.1"
# When that was released: a clock that says an earlier time is wrong.
RELEASED = datetime(2026, 9, 23, tzinfo=UTC)


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


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def minor_of(image: str) -> int | None:
    """Return the Kubernetes minor that an image's tag says, None where it says none."""
    found = re.search(r":v1\.(\d+)\.\d+", image)
    return int(found[1]) if found else None


_MINOR = int(KUBERNETES.split(".")[1])

SUPPORTED = {
    # Its watch cache lags behind in earlier ones (kubernetes/kubernetes#134343).
    "etcd": Range((3, 5, 13)),
    "containerd": Range((2, 0)),
    # https://kubernetes.io/releases/version-skew-policy/#kubelet
    "kubelet": Range((1, _MINOR - 3), (1, _MINOR + 1)),
}

# Where a host has no bundle, images go by these versions; a bundle brings names of its own.
COMPONENTS = {
    "kube-apiserver": f"v{KUBERNETES}",
    "kube-controller-manager": f"v{KUBERNETES}",
    "kube-scheduler": f"v{KUBERNETES}",
    "kube-proxy": f"v{KUBERNETES}",
    "coredns": "v1.15.0",
    "flannel": "v0.28.10",
    "pause": "3.10",
    "kubeception": __version__,
}

IMAGE_PREFIX = "localhost/kubeception"


def image(component: str) -> str:
    """Return the name of a component's image, pinned to its version."""
    return f"{IMAGE_PREFIX}/{component}:{COMPONENTS[component]}"
