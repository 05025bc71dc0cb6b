"""What the container runtime runs, by crictl: the truth where no API answers."""

import json
from collections.abc import Mapping

from kubeception import crash
from kubeception.errors import KubeceptionError
from kubeception.host.process import run

_TIMEOUT_S = 10.0


def stands(labels: Mapping[str, str]) -> bool | None:
    """Tell whether a pod with these labels stands, None where the runtime can't be asked."""
    wanted = [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
    try:
        found = run(
            ["crictl", "pods", "--state", "ready", "--quiet", *wanted],
            check=False,
            timeout=_TIMEOUT_S,
        )
    except KubeceptionError:
        return None
    return bool(found.stdout.split()) if found.code == 0 else None


def kill(labels: Mapping[str, str], container: str) -> None:
    """Kill the running containers of that name in pods with these labels; others start anew."""
    wanted = [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
    pods = run(["crictl", "pods", "--state", "ready", "--output", "json", *wanted])
    for pod in json.loads(pods.stdout)["items"]:
        running = run(["crictl", "ps", "--quiet", "--pod", pod["id"], "--name", f"^{container}$"])
        for identity in running.stdout.split():
            crash.before("kill", f"container {container}")
            run(["crictl", "stop", "--timeout", "0", identity], timeout=_TIMEOUT_S)
