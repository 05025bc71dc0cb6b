"""kubeception: a Kubernetes control plane that runs inside the cluster it controls."""

__version__ = "0.1.0"
