"""containerd's settings as it reads them: its files, and each value as the last of them has it.

As cmd/containerd/server/config of containerd 2.3 does it: tables are merged key by key, lists and
all else replaced, in the order in which files import each other.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeception.render import containerd
from kubeception.session import Session

Key = tuple[str, ...]
Tables = dict[str, Any]
# What a kubelet speaks to; the same was one plugin, by names of containerd 1, and is taken as that.
RUNTIME = "io.containerd.cri.v1.runtime"
IMAGES = "io.containerd.cri.v1.images"
_OF_BOTH, _SHORT = "io.containerd.grpc.v1.cri", "cri"
_GRPC = "io.containerd.server.v1.grpc"
# From here on nothing is taken by its former name.
_TODAYS_VERSION = 4


@dataclass(frozen=True)
class Value:
    """What a key is set to, and by which file."""

    value: Any
    path: Path


def read(session: Session, *, is_foreign: bool) -> Iterator[tuple[Path, Tables | ValueError]]:
    """Yield each file of others' as it is read: its tables, or why there are none.

    `is_foreign` is a containerd of the host's own, whose own file counts, too.
    """
    own = session.config.layout.containerd.settings
    pending = [own] if is_foreign else [*_matching(session, containerd.OF_OTHERS / "*.toml")]
    seen = set[Path]()
    while pending:
        path = pending.pop(0)
        if path in seen:
            continue
        seen.add(path)
        try:
            found = tomllib.loads(session.host.real(path).read_text())
        except OSError:
            continue
        except ValueError as error:
            yield path, error
            continue
        yield path, found
        imports = found.get("imports")
        for one in imports if isinstance(imports, list) else ():
            pending += _matching(session, path.parent / str(one))


def merged(files: Iterable[tuple[Path, Tables]]) -> dict[Key, Value]:
    """Return every value that they set, by the keys that lead to it."""
    return {key: value for path, tables in files for key, value in _values(path, _of_today(tables))}


def _matching(session: Session, pattern: Path) -> Iterator[Path]:
    """Yield the files that an import names, in order."""
    if "*" not in str(pattern):
        yield pattern
        return
    folder = session.host.real(pattern.parent)
    if folder.is_dir():
        yield from (pattern.parent / path.name for path in sorted(folder.glob(pattern.name)))


def _values(path: Path, tables: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Value]]:
    for name, value in tables.items():
        if isinstance(value, dict) and value:
            yield from _values(path, value, (*above, name))
        else:
            yield (*above, name), Value(value, path)


def _of_today(tables: Tables) -> Tables:
    """Return a file's tables by their names of today."""
    plugins = dict(_table(tables, "plugins"))
    if tables.get("version", 0) in range(2) and _SHORT in plugins:
        plugins[_OF_BOTH] = plugins.pop(_SHORT)
    is_former = tables.get("version", 0) in range(_TODAYS_VERSION)
    former = _table(plugins, _OF_BOTH) if is_former else {}
    plugins[RUNTIME] = _of_runtime(former, _table(plugins, RUNTIME))
    if image := former.get("sandbox_image"):
        images = _table(plugins, IMAGES)
        pinned = {**_table(images, "pinned_images"), "sandbox": image}
        plugins[IMAGES] = {**images, "pinned_images": pinned}
    address = _table(tables, "grpc").get("address")
    if is_former and address and _GRPC not in plugins:
        plugins[_GRPC] = {"address": address}
    return {**tables, "plugins": plugins}


def _of_runtime(former: Tables, today: Tables) -> Tables:
    """Return how pods start: what was one plugin says it, under what is set by today's name."""
    cni = {**_table(former, "cni"), **_table(today, "cni")}
    if folder := cni.pop("bin_dir", None):
        cni["bin_dirs"] = [folder]
    of_containerd = {**_table(former, "containerd"), **_table(today, "containerd")}
    parts = {"cni": cni, "containerd": of_containerd}
    return {**today, **{name: part for name, part in parts.items() if part}}


def _table(tables: Mapping[str, Any], name: str) -> Tables:
    found = tables.get(name)
    return found if isinstance(found, dict) else {}
