"""Taking hosts into the cluster: the service that decides, and what the two sides say."""
