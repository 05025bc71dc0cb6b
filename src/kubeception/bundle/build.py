"""Build a bundle: compile, pack, list.

Everything that takes time comes out of the store; the bundle's folder is links to it.
"""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, as_completed
from functools import partial
from pathlib import Path

from kubeception import __version__
from kubeception.bundle import base, components, contents, golang, packages, python
from kubeception.bundle.components import Component
from kubeception.bundle.contents import Bundle, File
from kubeception.bundle.images import images
from kubeception.bundle.store import Entry, Product, Store
from kubeception.errors import KubeceptionError
from kubeception.host import files, lock
from kubeception.report import Steps

log = logging.getLogger(__name__)

# Free disk that a build needs, with Go's caches still to fill and with them full; measured.
_COLD_GIB, _WARM_GIB = 14, 3
_SIDE_BY_SIDE = 2

# Containers alone run these. The API server and the controller-manager stay programs too, for
# whoever wants an API without a cluster, as tests do.
_IN_IMAGES_ONLY = {"coredns", "flanneld", "kube-proxy", "kube-scheduler"}
_CNI_PLUGINS = {"cni-plugins", "flannel-cni"}
# Marks a folder as ours to clear, also while there is no list in it.
_MARK = ".kubeception-bundle"


def cache() -> Path:
    """Return the folder of all that is built."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "kubeception"


def default_folder(minor: str) -> Path:
    """Return where the bundle of a Kubernetes minor lies unless the user says otherwise."""
    return cache() / "bundle" / minor


def build(minor: str, folder: Path) -> Bundle:
    """Build the bundle of a Kubernetes minor into a folder, and return its list.

    Raises:
        Locked: another build is running.
        KubeceptionError: something doesn't compile, or there is no room for it.
    """
    started = time.monotonic()
    table = components.table(minor)
    _check_ours(folder)
    with lock.hold(cache() / "lock", f"kubeception bundle build ({minor})"), Steps(log) as steps:
        workshop = _Workshop(steps)
        made = workshop.make_all(table)
        versions = {component.name: component.version for component in table}
        versions["pause"] = made["debian"]["pause.version"].path.read_text().strip()
        versions["kubeception"] = __version__
        products = dict(_programs(table, made))
        owners = {path: component for path, (component, _) in products.items()}
        wanted = {path: product for path, (_, product) in products.items()}
        for name in python.TARS:
            wanted[f"lib/{name}"] = made[name.removesuffix(".tar")][name]
        recipes = images(made, versions)
        for image in recipes:
            entry = workshop.make(f"image-{image.component}", image.key(), image.write)
            wanted[f"images/{image.component}.tar"] = entry[f"{image.component}.tar"]
        bundle = Bundle.of(
            architecture=golang.architecture(),
            python=python.INTERPRETER,
            components=versions,
            images={image.component: image.name for image in recipes},
            files=[
                File(path, product.size, product.sha256, owners.get(path, ""))
                for path, product in wanted.items()
            ],
        )
        changed = _lay_out(folder, bundle, wanted)
    took = time.monotonic() - started
    log.info("%s in %s: %d files changed (%.1fs)", bundle.version, folder, changed, took)
    return bundle


class _Workshop:
    """Makes what the store hasn't got, each thing as a step with its time."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._store = Store(cache() / "made")
        self._logs = cache() / "logs"
        files.make_folder(self._logs)
        self._compilers = threading.Semaphore(_SIDE_BY_SIDE)

    def make(self, name: str, key: str, work: Callable[[Path], None], doing: str = "") -> Entry:
        """Return an entry of the store, as a step if it has to be made."""
        if entry := self._store.get(name, key):
            return entry
        with self._steps.step(name, doing):
            return self._store.make(name, key, work)

    def make_all(self, table: tuple[Component, ...]) -> dict[str, Entry]:
        """Return everything that takes long, made side by side."""
        missing = [c for c in table if self._store.get(_entry_name(c), golang.key(c)) is None]
        if missing:
            _check_disk()
            packages.ensure(packages.COMPILER)
        if self._store.get("debian", base.key()) is None:
            packages.ensure(packages.DEBIAN)
        work = {component.name: partial(self._compiled, component) for component in table}
        for name, key, make in (
            ("debian", base.key(), base.debian_layers),
            ("dependencies", python.dependencies_key(), python.dependencies),
            ("kubeception", python.source_key(), python.source),
        ):
            work[name] = partial(self.make, name, key, make)
        jobs = {_in_background(job): name for name, job in work.items()}
        return {jobs[job]: job.result() for job in as_completed(jobs)}

    def _compiled(self, component: Component) -> Entry:
        name = _entry_name(component)
        work = partial(
            golang.compile_into,
            component=component,
            cache=cache() / "go",
            log_file=self._logs / f"{name}.log",
        )
        with self._compilers:
            return self.make(name, golang.key(component), work, f"compiling {component.version}")


def _in_background(work: Callable[[], Entry]) -> "Future[Entry]":
    """Start work in a thread that doesn't keep the process: a failure elsewhere ends it at once."""
    future: Future[Entry] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _entry_name(component: Component) -> str:
    return f"{component.name}-{component.minor}" if component.minor else component.name


def _programs(
    table: tuple[Component, ...], made: dict[str, Entry]
) -> Iterator[tuple[str, tuple[str, Product]]]:
    for component in table:
        folder = "bin/cni" if component.name in _CNI_PLUGINS else "bin"
        for product in made[component.name].products:
            if product.path.name not in _IN_IMAGES_ONLY:
                yield f"{folder}/{product.path.name}", (component.name, product)


def _check_disk() -> None:
    """See that there is room: Go's caches take most of it, and are empty the first time only."""
    files.make_folder(cache())
    needed = _WARM_GIB if (cache() / "go/build/trim.txt").exists() else _COLD_GIB
    free = shutil.disk_usage(cache()).free / (1 << 30)
    if free < needed:
        raise KubeceptionError(
            f"{cache()}: {free:.1f} GiB are free, a build needs {needed}",
            hint="free some, or set XDG_CACHE_HOME to a folder on a larger disk",
        )


def _check_ours(folder: Path) -> None:
    """See that a folder may be cleared: it is a bundle's, or there is nothing in it."""
    if (folder / _MARK).exists() or not folder.exists() or not any(folder.iterdir()):
        return
    raise KubeceptionError(
        f"{folder}: has other files than a bundle's in it", hint="name a folder that is new"
    )


def _lay_out(folder: Path, bundle: Bundle, wanted: dict[str, Product]) -> int:
    """Make a folder hold exactly a bundle; returns how many files had to change.

    While files change there is no list, so that nobody takes a half-laid bundle for a whole one.
    """
    files.make_folder(folder)
    (folder / _MARK).touch()
    listing = folder / contents.NAME
    keep = {folder / path for path in wanted} | {listing, folder / _MARK}
    stale = [path for path in folder.rglob("*") if not path.is_dir() and path not in keep]
    changed = {name: made for name, made in wanted.items() if not _same(folder / name, made.path)}
    if not stale and not changed and listing.exists() and listing.read_text() == bundle.text():
        return 0
    listing.unlink(missing_ok=True)
    for path in stale:
        path.unlink()
    for name, product in changed.items():
        _place(folder / name, product.path)
    files.write(listing, bundle.text())
    return len(stale) + len(changed)


def _same(path: Path, made: Path) -> bool:
    if not path.is_file():
        return False
    found, wanted = path.stat(), made.stat()
    return (found.st_size, found.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns)


def _place(path: Path, made: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(made)
    except OSError:
        # Another file system, or one without hard links.
        shutil.copy2(made, temporary)
    temporary.replace(path)
