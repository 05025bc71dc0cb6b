"""The only place that talks to etcd."""
