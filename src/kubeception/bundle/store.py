"""What was made once, kept by what it was made from.

An entry is a folder that appears whole, by a rename, or not at all: whatever is killed in the
middle leaves only an unfinished folder, which the next build clears away.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeception.host import files

log = logging.getLogger(__name__)

_CONTENTS = "entry.json"
# This checkout's, the one before, and another checkout's.
_KEPT = 3


@dataclass(frozen=True)
class Product:
    """A file that was made: where it is, and what is in it."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class StoreEntry:
    """The files that one recipe made."""

    products: tuple[Product, ...]

    def __getitem__(self, name: str) -> Product:
        """Return the product of that file name."""
        return next(product for product in self.products if product.path.name == name)


@dataclass(frozen=True)
class Recipe:
    """How an entry is made: `work` fills an empty folder, `key` stands for all that it works from.

    `needs` are Debian packages and what shows that they are there, as `packages.ensure` takes them.
    A `heavy` one keeps cores busy for minutes and fills gigabytes.
    """

    name: str
    key: str
    work: Callable[[Path], None]
    doing: str = "packing"
    needs: Mapping[str, str] = field(default_factory=dict)
    heavy: bool = False


def key(*parts: object) -> str:
    """Return a digest of everything that an entry is made from."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:20]


class Store:
    """A folder of entries, for one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        files.make_folder(folder)
        for left in files.leftovers(folder):
            files.remove_tree(left)

    def get(self, recipe: Recipe) -> StoreEntry | None:
        """Return what a recipe makes, if it is there and nobody touched it."""
        folder = self._entry(recipe)
        products = []
        try:
            for known in json.loads((folder / _CONTENTS).read_text()):
                path = folder / known["name"]
                if _stamp(path) != known["stamp"]:
                    log.warning("%s: was changed; making it again", path)
                    return None
                products.append(Product(path, path.stat().st_size, known["sha256"]))
        except FileNotFoundError:
            return None
        os.utime(folder)
        return StoreEntry(tuple(products))

    def make(self, recipe: Recipe) -> StoreEntry:
        """Make what a recipe makes, anew, and keep it."""
        folder = self._entry(recipe)
        # Unsynced: a file that a crash of the machine left empty is not as it was noted.
        with files.whole_folder(folder, synced=False) as partial:
            recipe.work(partial)
            products = [
                Product(folder / path.name, path.stat().st_size, files.digest(path))
                for path in sorted(partial.iterdir())
            ]
            known = [
                {"name": p.path.name, "sha256": p.sha256, "stamp": _stamp(partial / p.path.name)}
                for p in products
            ]
            (partial / _CONTENTS).write_text(json.dumps(known, indent=1) + "\n")
        self._forget_old(recipe.name)
        return StoreEntry(tuple(products))

    def _entry(self, recipe: Recipe) -> Path:
        return self._folder / f"{recipe.name}-{recipe.key}"

    def _forget_old(self, name: str) -> None:
        length = len(name) + 1 + len(key())
        forget_old(e for e in self._folder.glob(f"{name}-*") if len(e.name) == length)


def forget_old(entries: Iterable[Path], *, but: Collection[Path] = ()) -> None:
    """Remove all entries but those that were used last, and those that are in use."""
    for entry in by_last_use(entries)[:-_KEPT]:
        if entry not in but:
            files.remove_tree(entry)


def by_last_use(entries: Iterable[Path]) -> list[Path]:
    """Return entries, the one that was used last at the end."""
    return sorted(entries, key=lambda entry: entry.stat().st_mtime)


def _stamp(path: Path) -> str:
    """Return what tells a file that was touched: hashing all of them would take seconds."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"
