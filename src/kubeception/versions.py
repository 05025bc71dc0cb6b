"""Which versions belong together, and what their images are called."""

from kubeception import __version__

KUBERNETES = "1.37.1"

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
