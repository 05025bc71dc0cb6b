"""Taking hosts into the cluster; so far the service that will, which only says that it is there."""
