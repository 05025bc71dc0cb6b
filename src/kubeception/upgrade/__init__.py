"""An upgrade of the cluster to another release of Kubernetes: what it would change, and may it."""
