"""`make bench`: how long things take, also beside kubeadm; its figures go to docs/bench.md."""
