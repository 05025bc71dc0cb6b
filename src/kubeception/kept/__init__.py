"""Our own files on a host: who it is, what it is a member of, which API servers were proven."""
