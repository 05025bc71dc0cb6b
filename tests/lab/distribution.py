"""What a lab host has that is its distribution's own, where kubeception brings no unit."""

import json

from kubeception.lab import Host

BUNDLE = "/opt/kubeception/current"
UNITS = "/lib/systemd/system"


def images(host: Host) -> dict[str, str]:
    """Return the names of the bundle's images, by component."""
    found: dict[str, str] = json.loads(host.get(f"{BUNDLE}/bundle.json"))["images"]
    return found


def give_containerd(host: Host) -> None:
    """Tell a containerd of the host's own what it needs on a lab host, and without a registry."""
    capabilities = host.run("grep", "CapEff:", "/proc/1/status").stdout.split()[1]
    may_lower_scores = bool(int(capabilities, 16) >> 24 & 1)
    controllers = "/sys/fs/cgroup/cgroup.controllers"
    is_unified = host.run("test", "-e", controllers, check=False).code == 0
    runtime = 'plugins."io.containerd.cri.v1.runtime"'
    settings = f"""version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{images(host)["pause"]}"
[{runtime}]
  restrict_oom_score_adj = {json.dumps(not may_lower_scores)}
[{runtime}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{runtime}.containerd.runtimes.runc.options]
  SystemdCgroup = {json.dumps(is_unified)}
"""
    host.put("/etc/containerd/config.toml", settings)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "enable", "--now", "containerd.service")
