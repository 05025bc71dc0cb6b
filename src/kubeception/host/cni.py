"""Plug a network namespace into the pods' network, as a container runtime does for a pod.

By the interface of network plugins (CNI 0.3.1): words in the environment, settings on stdin.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from kubeception.errors import CommandFailed, KubeceptionError
from kubeception.host import process
from kubeception.host.gateway import Host

_LINK = "eth0"
_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Socket:
    """Where a namespace is plugged in: the plugins' folder, and the settings that pods go by.

    `identity` stands for a container's id: what was plugged in by it can be unplugged by it.
    """

    plugins: Path
    settings: Path
    identity: str

    def is_there(self, host: Host) -> bool:
        """Tell whether pods can be plugged in yet."""
        return host.content(self.settings) is not None

    def plug(self, host: Host, namespace: Path, *, address: IPv4Address) -> None:
        """Give a namespace a link in the pods' network: with that address, if it is free.

        Raises:
            KubeceptionError: the plugin says why not, as it would of a pod.
        """
        try:
            self._call(host, "ADD", namespace, f"IgnoreUnknown=1;IP={address}")
        except CommandFailed:
            self.unplug(host, namespace)
            self._call(host, "ADD", namespace)

    def unplug(self, host: Host, namespace: Path | None) -> None:
        """Take it away, and free its address; where there is none, that is fine.

        None stands for a namespace that is gone already.

        Raises:
            KubeceptionError: the plugin says why not.
        """
        self._call(host, "DEL", namespace)

    def _call(self, host: Host, command: str, namespace: Path | None, more: str = "") -> None:
        wanted = _first_plugin(host.content(self.settings) or b"")
        program = self.plugins / wanted["type"]
        words = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.identity,
            "CNI_NETNS": str(namespace or ""),
            "CNI_IFNAME": _LINK,
            "CNI_PATH": str(self.plugins),
            "CNI_ARGS": more,
        }
        done = process.run(
            [program if host.inside else host.at(program)],
            stdin=json.dumps(wanted),
            env=words,
            root=host.inside,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.code:
            raise CommandFailed((f"{program.name} {command}",), done.code, _why(done.stdout))


def is_whole(settings: bytes) -> bool:
    """Tell whether settings name a plugin that would make a pod's link."""
    try:
        _first_plugin(settings)
    except KubeceptionError:
        return False
    return True


def _first_plugin(settings: bytes) -> dict[str, Any]:
    """Return the settings of the plugin that makes the link; the others are for published ports."""
    try:
        whole: Mapping[str, Any] = json.loads(settings)
        first: dict[str, Any] = whole["plugins"][0]
        about = {"name": whole["name"], "cniVersion": whole["cniVersion"], "type": first["type"]}
        return {**first, **about}
    except (ValueError, LookupError, TypeError) as error:
        raise KubeceptionError("the settings of the pods' network can't be read") from error


def _why(said: str) -> str:
    """Return what a plugin says of its failure, in its JSON."""
    try:
        return str(json.loads(said)["msg"])
    except (ValueError, LookupError, TypeError):
        return said
