"""Where the door led, transaction by transaction, as the kernel tells it to `nft monitor`."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cluster
from tests.lab.cluster import until

from kubeception.host.door import TABLE
from kubeception.lab import Host

_ELEMENT = re.compile(rf"(add|delete) element ip {TABLE} (\w+) {{ tcp : (\d+) }}")
# As the kernel lists a connection to the port, with the port from which it is answered.
_TRACKED = re.compile(r" ([A-Z_]+) src=(\S+) \S+ sport=\d+ dport=6443 .*src=\S+ \S+ sport=(\d+)")
_GONE = re.compile(rf"delete (?:table ip {TABLE}|(?:map|set) ip {TABLE} (inside|outside))\b")
_DONE = re.compile(r"# new generation \d+ ")
_TURNED = re.compile(r"kubeception::door: turned from (\w+) to (\w+)")
_PROOF = "kubeception-watched"


@dataclass(frozen=True)
class Moment:
    """The ports behind each map when a transaction was done."""

    inside: frozenset[int] = frozenset()
    outside: frozenset[int] = frozenset()


class Watch:
    """Writes down every change of a host's nftables while something happens."""

    def __init__(self, host: Host, file: Path) -> None:
        self._host = host
        self._file = file

    def __enter__(self) -> "Watch":
        with self._file.open("w") as out:
            self._monitor = subprocess.Popen(self._host.command("nft", "monitor"), stdout=out)
        until(self._is_listening, timeout_s=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._monitor.kill()
        self._monitor.wait()
        self.moments = list(moments(self._file.read_text()))

    def _is_listening(self) -> bool:
        for verb in ("add", "delete"):
            self._host.run("nft", verb, "table", "ip", _PROOF)
        return _PROOF in self._file.read_text()


def moments(heard: str) -> Iterator[Moment]:
    """Yield where the door led after each transaction that touched it."""
    ports: dict[str, set[int]] = {"inside": set(), "outside": set()}
    is_touched = False
    for line in heard.splitlines():
        if element := _ELEMENT.match(line):
            verb, name, port = element.groups()
            (ports[name].add if verb == "add" else ports[name].discard)(int(port))
            is_touched = True
        elif gone := _GONE.match(line):
            for name in [gone[1]] if gone[1] else ports:
                ports[name].clear()
            is_touched = True
        elif _DONE.match(line) and is_touched:
            yield Moment(frozenset(ports["inside"]), frozenset(ports["outside"]))
            is_touched = False


def port(host: Host) -> int:
    """Return the port to which a host's door leads, for everybody."""
    [found] = set(re.findall(r"tcp : (\d+)", cluster.door(host)))
    return int(found)


def turns(log: str) -> list[tuple[str, str]]:
    """Return from where to where a log says that the door was turned."""
    return [(found[1], found[2]) for found in _TURNED.finditer(log)]


def since(host: Host, began_s: float) -> str:
    """Return what explains a refused connection: the keeper's words, the door, and connections.

    One that the kernel remembers goes where it went when it was new, wherever the door leads now.
    """
    when = f"--since=@{began_s - 10:.0f}"
    words = host.run("journalctl", "--output=cat", "--unit=kubeception-keeper", when).stdout
    known = Counter(_TRACKED.findall(host.get("/proc/net/nf_conntrack")))
    return f"{words}\n{cluster.door(host)}\n{known}"
