"""Ask the container runtime, and tell it: the one place that calls crictl."""

import json
from pathlib import Path
from typing import Any

from kubeception.errors import CommandFailed, KubeceptionError
from kubeception.host.gateway import Host
from kubeception.host.process import TOO_LATE

HANGS = "it takes questions and answers none"
CRI_IS_OFF = "it serves no kubelet, for its plugin cri is off"

_ANSWERS_WITHIN_S, _LONG_S = 5.0, 60
# crictl gives a connection up by itself where nobody speaks on it; what it says then, and what it
# says where there is nobody to connect to.
_SILENCE = ("use of closed network connection", "DeadlineExceeded")
_NOBODY = "Error while dialing"


def tell(host: Host, socket: Path, *words: str, call_s: int, timeout_s: float | None = None) -> str:
    """Run crictl against the runtime behind a socket, and return what it printed.

    `call_s` limits each call to the runtime, `timeout_s` crictl itself.

    Raises:
        KubeceptionError: there is no crictl, or the runtime said no or nothing.
    """
    options = ("--runtime-endpoint", f"unix://{socket}", "--timeout", f"{call_s}s")
    return host.run(["crictl", *options, *words], timeout=timeout_s).stdout


def problem(host: Host, socket: Path) -> str | None:
    """Say what keeps a runtime that runs from serving a kubelet: `HANGS`, `CRI_IS_OFF`, its words.

    None where it serves, and where there is nobody to ask, or nothing to ask by: others say that.
    """
    try:
        tell(host, socket, "version", call_s=_LONG_S, timeout_s=_ANSWERS_WITHIN_S)
    except CommandFailed as error:
        return _why(error)
    except KubeceptionError:  # there is no crictl
        pass
    return None


def _why(error: CommandFailed) -> str | None:
    if error.code == TOO_LATE or any(words in error.stderr for words in _SILENCE):
        return HANGS
    if "unknown service" in error.stderr:
        return CRI_IS_OFF
    return None if _NOBODY in error.stderr else str(error)


def ask(
    host: Host, socket: Path, *words: str, call_s: int, timeout_s: float | None = None
) -> dict[str, Any]:
    """Return what crictl answers, as JSON has it."""
    command, *more = words  # crictl takes no option after a name
    asked = (command, "--output", "json", *more)
    said = tell(host, socket, *asked, call_s=call_s, timeout_s=timeout_s)
    answer: dict[str, Any] = json.loads(said)
    return answer
