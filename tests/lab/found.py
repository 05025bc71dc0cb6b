"""What preflight finds on a lab host."""

import json

from kubeception.lab import Host


def findings(host: Host) -> dict[str, dict[str, str]]:
    """Return what preflight finds, by the name of the check; of one's findings the worst."""
    said = json.loads(host.run("kubeception", "preflight", "-o", "json", check=False).stdout)
    by_weight = sorted(said["findings"], key=lambda finding: finding["severity"] == "error")
    return {finding["check"]: finding for finding in by_weight}


def errors(host: Host) -> set[str]:
    return {name for name, found in findings(host).items() if found["severity"] == "error"}
