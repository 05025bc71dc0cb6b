"""The only place that touches the machine: files, processes, systemd, the kernel, the clock."""
