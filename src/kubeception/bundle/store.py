"""What was made once, kept by what it was made from.

An entry is a folder that appears whole, by a rename, or not at all: whatever is killed in the
middle leaves only a `.partial` folder, which the next build clears away.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.host import files

log = logging.getLogger(__name__)

_CONTENTS = "entry.json"
# This checkout's, and the one before or another checkout's.
_KEPT = 2


@dataclass(frozen=True)
class Product:
    """A file that was made: where it is, and what is in it."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """A folder of products."""

    folder: Path
    products: tuple[Product, ...]

    def __getitem__(self, name: str) -> Product:
        """Return the product of that file name."""
        return next(product for product in self.products if product.path.name == name)

    @property
    def digest(self) -> str:
        """Stand for the content of all products, in the key of what is made from them."""
        return key(*(product.sha256 for product in self.products))


def key(*parts: object) -> str:
    """Return a digest of everything that an entry is made from."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:20]


def source_of(module: str) -> str:
    """Return a digest of one of our modules, for the key of what it makes."""
    return files.digest(Path(module))


class Store:
    """A folder of entries, for one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        files.make_folder(folder)
        for left in folder.glob("*.partial"):
            files.remove_tree(left)

    def get(self, name: str, wanted: str) -> Entry | None:
        """Return the entry of that name and key, if its files are there and untouched."""
        folder = self._folder / f"{name}-{wanted}"
        try:
            recorded = json.loads((folder / _CONTENTS).read_text())
            for item in recorded:
                found = (folder / item["name"]).stat()
                if (found.st_size, found.st_mtime_ns) != (item["size"], item["mtime"]):
                    log.debug("%s: %s has changed", folder, item["name"])
                    return None
        except FileNotFoundError:
            return None
        os.utime(folder)
        return Entry(
            folder,
            tuple(Product(folder / i["name"], i["size"], i["sha256"]) for i in recorded),
        )

    def make(self, name: str, wanted: str, work: Callable[[Path], None]) -> Entry:
        """Return the entry, having `work` fill its folder if there is none."""
        if entry := self.get(name, wanted):
            return entry
        partial = self._folder / f"{name}-{wanted}.partial"
        files.remove_tree(partial)
        partial.mkdir()
        work(partial)
        files.write(partial / _CONTENTS, json.dumps(list(_record(partial)), indent=1) + "\n")
        folder = self._folder / f"{name}-{wanted}"
        files.remove_tree(folder)
        partial.rename(folder)
        self._forget_old(name)
        made = self.get(name, wanted)
        if made is None:
            raise RuntimeError(f"{folder}: gone as soon as it was made")
        return made

    def _forget_old(self, name: str) -> None:
        length = len(name) + 1 + len(key())
        entries = [e for e in self._folder.glob(f"{name}-*") if len(e.name) == length]
        entries.sort(key=lambda entry: entry.stat().st_mtime)
        for entry in entries[:-_KEPT]:
            files.remove_tree(entry)


def _record(folder: Path) -> Iterator[dict[str, object]]:
    for path in sorted(folder.iterdir()):
        found = path.stat()
        yield {
            "name": path.name,
            "size": found.st_size,
            "mtime": found.st_mtime_ns,
            "sha256": files.digest(path),
        }
