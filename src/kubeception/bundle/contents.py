"""A bundle folder: what is in it, by its `bundle.json`, and whether that is so."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from kubeception.bundle.store import key
from kubeception.errors import KubeceptionError
from kubeception.host import files, process
from kubeception.versions import Release

# How a program says its version, where `--version` isn't it.
_ASKED = {
    "etcdctl": ("version",),
    "etcdutl": ("version",),
    "containerd-shim-runc-v2": ("-v",),
    "kubectl": ("version", "--client"),
}


class BundleFile(Struct, frozen=True):
    """One file of a bundle."""

    path: str
    size: int
    sha256: str
    component: str = ""
    """Whose program it is, and so which version it must say."""


class Bundle(Release, frozen=True, kw_only=True):
    """A release and the files that bring it."""

    architecture: str
    python: str
    files: tuple[BundleFile, ...]

    @classmethod
    def of(
        cls,
        *,
        architecture: str,
        python: str,
        components: dict[str, str],
        images: dict[str, str],
        files: list[BundleFile],
        released: datetime | None = None,
    ) -> "Bundle":
        """Return a bundle whose version says its Kubernetes and stands for its content."""
        kubernetes = components["kubernetes"]
        ordered = tuple(sorted(files, key=lambda file: file.path))
        digest = key([(file.path, file.sha256) for file in ordered], images)
        return cls(
            version=f"{kubernetes}-{digest[:8]}",
            kubernetes=kubernetes,
            released=released,
            architecture=architecture,
            python=python,
            components=components,
            images=images,
            files=ordered,
        )


def load(folder: Path) -> Bundle:
    """Read a bundle's `bundle.json`.

    Raises:
        KubeceptionError: there is no bundle, or its list can't be read.
    """
    return Bundle.read(folder, hint="kubeception bundle build")


def verify(folder: Path) -> Bundle:
    """Hash every file of a bundle and ask each program for its version.

    Raises:
        KubeceptionError: files are missing, damaged or say another version; all are named.
    """
    bundle = load(folder)
    check(folder, bundle)
    _refuse(list(_wrong_versions(folder, bundle)))
    return bundle


def check(folder: Path, bundle: Bundle) -> None:
    """Hash every file of a bundle.

    Raises:
        KubeceptionError: files are missing or damaged; all of them are named.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        _refuse([p for p in pool.map(lambda file: _damage(folder, file), bundle.files) if p])


def _refuse(problems: list[str]) -> None:
    if problems:
        raise KubeceptionError("\n".join(problems), hint="kubeception bundle build")


def _damage(folder: Path, file: BundleFile) -> str | None:
    path = folder / file.path
    if not path.is_file():
        return f"{path}: missing"
    if path.stat().st_size != file.size:
        return f"{path}: {path.stat().st_size} bytes instead of {file.size}"
    if files.digest(path) != file.sha256:
        return f"{path}: the content differs from what was built"
    return None


def _wrong_versions(folder: Path, bundle: Bundle) -> Iterator[str]:
    for file in bundle.files:
        if not file.component:
            continue
        path = folder / file.path
        arguments = () if path.parent.name == "cni" else _ASKED.get(path.name, ("--version",))
        said = process.run([path, *arguments], timeout=30, check=False)
        wanted = bundle.components[file.component]
        if wanted not in said.stdout + said.stderr:
            yield f"{path}: says {(said.stdout or said.stderr).strip()!r} instead of {wanted}"
