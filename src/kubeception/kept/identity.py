"""What a control-plane host remembers of itself: its record, and what etcd's settings repeat of it.

The record lies beside neither etcd's data nor the certificates, so that it is there when one of
these is gone, and tells that there was something.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from kubeception.endpoints import Address
from kubeception.facts import Identity
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.render.etcd import CLUSTER_NOTE, MEMBER_NOTE


@dataclass(frozen=True)
class Progress:
    """How far etcd's data of a cluster were seen to go: the index of the last entry of its log."""

    cluster: str = ""
    index: int = 0


def read(path: Path) -> Identity | None:
    """Return the record, None where there is none, an illegible one where it can't be read."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, IsADirectoryError):
        return Identity()
    # Another version may have more fields, or fewer.
    return _checked({**asdict(Identity()), **found}) if isinstance(found, dict) else Identity()


def recall(host: Host, record: Path, settings: Path) -> tuple[Identity | None, str]:
    """Return what a host remembers of itself, and what says so: its record, or etcd's settings.

    Nothing says so where only settings are there that tell of no data.
    """
    known = read(host.real(record))
    if known is not None and known.is_legible:
        return known, f"{record} says so"
    try:
        told = of_settings(host.real(settings).read_text(errors="replace"))
    except OSError:
        told = None
    if told and told.has_data:
        return told, f"{settings} says so"
    return (told, "") if known is None else (known, f"{record}, illegible")


def renamed(identity: Identity) -> Identity:
    """Return the record of a host that has given up its former name."""
    return replace(identity, former="")


def text(identity: Identity) -> str:
    """Return it as the file's text."""
    told = {**asdict(identity), "address": str(identity.address or "")}
    return json.dumps(told, indent=2, sort_keys=True) + "\n"


def of_settings(settings: str) -> Identity | None:
    """Return what etcd's settings say of it, None where they aren't ours: a second, shorter copy.

    Those of an earlier version tell no ids; whether there are data, they don't tell then.
    """
    found = dict(re.findall(r'^(?:# )?(\w+)="([^"\n]*)"$', settings, re.MULTILINE))
    peer = re.fullmatch(r"https://(.+):\d+", found.get("ETCD_INITIAL_ADVERTISE_PEER_URLS", ""))
    if not found.get("ETCD_NAME") or peer is None:
        return None
    return Identity(
        node=found["ETCD_NAME"],
        address=_address(peer[1]),
        token=found.get("ETCD_INITIAL_CLUSTER_TOKEN", ""),
        cluster=found.get(CLUSTER_NOTE, ""),
        member=found.get(MEMBER_NOTE, ""),
    )


def progress(path: Path) -> Progress:
    """Return how far the data went; what can't be read says nothing."""
    try:
        found = json.loads(path.read_text())
        return Progress(str(found["cluster"]), int(found["index"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Progress()


def note_progress(path: Path, seen: Progress) -> None:
    """Remember how far the data go, unless they went as far before."""
    before = progress(path)
    if seen.cluster and (seen.cluster != before.cluster or seen.index > before.index):
        files.write(path, json.dumps(asdict(seen)) + "\n")


def _checked(found: dict[str, Any]) -> Identity:
    """Return the record if each part of it is what it should be, else an illegible one."""
    words = ("node", "address", "former", "token", "cluster", "member", "service_account")
    authorities, signing = found["authorities"], found["signing"]
    is_good = (
        all(isinstance(found[name], str) for name in words)
        and isinstance(authorities, dict)
        and all(isinstance(one, str) for one in authorities.values())
        and isinstance(signing, list | tuple)
        and all(isinstance(one, str) for one in signing)
    )
    if not is_good:
        return Identity()
    told = {name: found[name] for name in words if name != "address"}
    at = _address(found["address"])
    return Identity(**told, address=at, authorities=authorities, signing=tuple(signing))


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:  # none is known
        return None
