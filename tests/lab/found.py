"""What preflight finds on a lab host."""

import json
from typing import Any

from kubeception.lab import Host

# What is true of the machine that the lab runs on.
OF_THE_MACHINE = {"CgroupVersion", "Mem"}


def every(host: Host) -> list[dict[str, Any]]:
    """Return all that preflight finds."""
    said = host.run("kubeception", "preflight", "-o", "json", check=False).stdout
    found: list[dict[str, Any]] = json.loads(said)["findings"]
    return found


def findings(host: Host) -> dict[str, dict[str, str]]:
    """Return what preflight finds, by the name of the check; of one's findings the worst."""
    by_weight = sorted(every(host), key=lambda finding: finding["severity"] == "error")
    return {finding["check"]: finding for finding in by_weight}


def errors(host: Host) -> set[str]:
    return {name for name, found in findings(host).items() if found["severity"] == "error"}
