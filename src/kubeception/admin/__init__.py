"""What people ask for from the command line: how a cluster is, its tokens and its nodes."""
