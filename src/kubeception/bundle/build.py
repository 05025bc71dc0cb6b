"""Build a bundle: compile, pack, list.

Everything that takes time comes out of the store; the bundle's folder is laid out of its files.
"""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from kubeception import __version__
from kubeception.bundle import base, components, golang, images, output, packages, python
from kubeception.bundle.components import Component
from kubeception.bundle.contents import Bundle, BundleFile
from kubeception.bundle.store import Product, Recipe, Store, StoreEntry
from kubeception.errors import KubeceptionError
from kubeception.host import lock
from kubeception.report import Steps

log = logging.getLogger(__name__)

# Free disk that a build needs, with Go's caches still to fill and with them full; measured.
_COLD_GIB, _WARM_GIB = 14, 3
_SIDE_BY_SIDE = 2


def cache() -> Path:
    """Return the folder of all that is built."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        problem = "this user has no home folder for the cache"
        raise KubeceptionError(problem, hint="set XDG_CACHE_HOME to a folder") from error
    return Path(home) / "kubeception"


def default_folder(minor: str) -> Path:
    """Return where the bundle of a Kubernetes minor lies unless the user says otherwise."""
    return cache() / "bundle" / minor


def build(minor: str, folder: Path) -> Bundle:
    """Build the bundle of a Kubernetes minor into a folder, and return what is in it.

    Raises:
        Locked: another build is running.
        KubeceptionError: something doesn't compile, or there is no room for it.
    """
    started = time.monotonic()
    table = components.table(minor)
    output.check(folder)
    recipes = {
        **{component.name: golang.recipe(component, cache()) for component in table},
        **{recipe.name: recipe for recipe in (base.recipe(), *python.recipes())},
    }
    with lock.hold(cache() / "lock", f"kubeception bundle build ({minor})"), Steps(log) as steps:
        workshop = Workshop(cache() / "made", steps)
        made = dict(zip(recipes, workshop.make(list(recipes.values())), strict=True))
        versions = {
            **{component.name: component.version for component in table},
            "pause": made["debian"]["pause.version"].path.read_text(),
            "kubeception": __version__,
        }
        packed = images.images(made, versions)
        archives = workshop.make([image.recipe() for image in packed])
        sources = dict(
            [
                *_programs(table, made),
                *(_file(f"lib/{tar}", made[Path(tar).stem][tar]) for tar in python.TARS),
                *(_file(f"images/{e.products[0].path.name}", e.products[0]) for e in archives),
            ]
        )
        bundle = Bundle.of(
            components=versions,
            released=table[0].released,
            architecture=golang.architecture(),
            python=python.INTERPRETER,
            images={image.component: image.name for image in packed},
            files=list(sources),
        )
        changed = output.lay_out(folder, bundle, sources)
    took = time.monotonic() - started
    log.info("%s in %s: %d files changed (%.1fs)", bundle.version, folder, changed, took)
    return bundle


def _programs(
    table: Sequence[Component], made: dict[str, StoreEntry]
) -> Iterator[tuple[BundleFile, Path]]:
    for component in table:
        for product in made[component.name].products:
            name = product.path.name
            if name not in component.only_in_images:
                yield _file(f"{component.place}/{name}", product, component.name)


def _file(path: str, product: Product, component: str = "") -> tuple[BundleFile, Path]:
    return BundleFile(path, product.size, product.sha256, component), product.path


class Workshop:
    """Makes what the store hasn't got, side by side, each thing as a step with its time."""

    def __init__(self, folder: Path, steps: Steps) -> None:
        self._folder = folder
        self._store = Store(folder)
        self._steps = steps
        self._heavy = threading.Semaphore(_SIDE_BY_SIDE)

    def make(self, recipes: Sequence[Recipe]) -> list[StoreEntry]:
        """Return what recipes make; heavy ones start in their order.

        The first failure ends it, and with this process whatever else is running.
        """
        made = {recipe.name: self._store.get(recipe) for recipe in recipes}
        missing = [recipe for recipe in recipes if made[recipe.name] is None]
        if any(recipe.heavy for recipe in missing):
            _check_disk(self._folder)
        packages.ensure({package: proof for r in missing for package, proof in r.needs.items()})
        running = {_in_background(partial(self._make, r)): r.name for r in missing}
        made |= {running[job]: job.result() for job in as_completed(running)}
        return [entry for entry in made.values() if entry is not None]

    def _make(self, recipe: Recipe) -> StoreEntry:
        with (
            self._heavy if recipe.heavy else nullcontext(),
            self._steps.step(recipe.name, recipe.doing),
        ):
            return self._store.make(recipe)


def _in_background(work: Callable[[], StoreEntry]) -> "Future[StoreEntry]":
    """Start work in a thread that doesn't keep the process from ending."""
    future: Future[StoreEntry] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _check_disk(folder: Path) -> None:
    """See that there is room: Go's caches take most, and are full after a first Kubernetes."""
    needed = _WARM_GIB if any(folder.glob("kubernetes-*")) else _COLD_GIB
    free = shutil.disk_usage(folder).free / (1 << 30)
    if free < needed:
        raise KubeceptionError(
            f"{folder}: {free:.1f} GiB are free, a build needs {needed}",
            hint="free some, or set XDG_CACHE_HOME to a folder on a larger disk",
        )
