"""Ask the container runtime, and tell it: the one place that calls crictl."""

import json
from pathlib import Path
from typing import Any

from kubeception.host.gateway import Host


def tell(host: Host, socket: Path, *words: str, call_s: int, timeout_s: float | None = None) -> str:
    """Run crictl against the runtime behind a socket, and return what it printed.

    `call_s` limits each call to the runtime, `timeout_s` crictl itself.

    Raises:
        KubeceptionError: there is no crictl, or the runtime said no or nothing.
    """
    options = ("--runtime-endpoint", f"unix://{socket}", "--timeout", f"{call_s}s")
    return host.run(["crictl", *options, *words], timeout=timeout_s).stdout


def ask(
    host: Host, socket: Path, *words: str, call_s: int, timeout_s: float | None = None
) -> dict[str, Any]:
    """Return what crictl answers, as JSON has it."""
    command, *more = words  # crictl takes no option after a name
    asked = (command, "--output", "json", *more)
    said = tell(host, socket, *asked, call_s=call_s, timeout_s=timeout_s)
    answer: dict[str, Any] = json.loads(said)
    return answer
