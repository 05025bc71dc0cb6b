"""The loops that run in the cluster: so far the one that approves kubelets' certificates."""
