"""A bundle folder: what is in it, by its `bundle.json`, and whether that is so.

A bundle may come from anybody. Its list is checked before anything is done by it, and nothing of a
bundle runs, or is looked into, before all its digests are proven.
"""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Annotated

from msgspec import Meta, Struct

from kubeception import versions
from kubeception.bundle.store import key
from kubeception.errors import KubeceptionError
from kubeception.readable import readable
from kubeception.versions import LISTING, Release, spelled

_HINT = "kubeception bundle build"
_DAMAGED = f"copy it anew from where it was built, or {_HINT}"
_GIB = 1 << 30
# Python is unpacked to lib/python, on the host.
_PATH = r"(?!lib/python(/|\Z))(bin|images|lib)(/[0-9A-Za-z_][0-9A-Za-z_.+-]*)+"


@readable
class BundleFile(Struct, frozen=True):
    """One file of a bundle."""

    path: Annotated[
        str, spelled(_PATH, "a plain path below bin, images or lib (not lib/python)", most=255)
    ]
    size: Annotated[int, Meta(ge=0, le=_GIB, title="a size in bytes of 1 GiB at most")]
    sha256: Annotated[str, spelled("[0-9a-f]{64}", "a SHA-256 in hex")]
    component: Annotated[str, spelled("([a-z0-9][a-z0-9-]*)?", "the name of a component")] = ""
    """Whose program it is, and so of which version."""

    @property
    def mode(self) -> int:
        """Who may do what with it, on a host."""
        return 0o755 if self.path.startswith("bin/") else 0o644


@readable
class Bundle(Release, frozen=True, kw_only=True):
    """A release and the files that bring it."""

    version: Annotated[
        str,
        spelled(r"1\.[0-9]+\.[0-9]+-[0-9A-Za-z.-]+", "a bundle's version such as 1.37.1-1d96a521"),
    ]
    architecture: Annotated[str, spelled("[a-z0-9_]+", "an architecture such as amd64")]
    python: Annotated[str, spelled(r"python3(\.[0-9]+)?", "a name of Python such as python3.11")]
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

    def contradictions(self) -> Iterator[str]:
        """Yield what can't be so: files in one place, and what names no file or component."""
        paths = Counter(file.path for file in self.files)
        for number, file in enumerate(self.files):
            if paths[file.path] > 1:
                yield f"files[{number}].path: {file.path} is there {paths[file.path]} times"
            for above in PurePosixPath(file.path).parents:
                if str(above) in paths:
                    yield f"files[{number}].path: {file.path} lies in {above}, which is a file"
            if file.component and file.component not in self.components:
                yield f"files[{number}].component: there is no {file.component} in components"
        for component in self.images:
            if f"images/{component}.tar" not in paths:
                yield f"images.{component}: there is no images/{component}.tar in files"


def load(folder: Path) -> Bundle:
    """Read a bundle's `bundle.json`.

    Raises:
        KubeceptionError: there is no bundle, or its list has problems; all of them are named.
    """
    return parse(listing(folder), folder)


def listing(folder: Path, *, sha256: str | None = None) -> bytes:
    """Return a bundle's `bundle.json` as it stands there, proven by its SHA-256 where one is given.

    Raises:
        KubeceptionError: there is no bundle, or it is another one.
    """
    content = versions.listing(folder, hint=_HINT)
    if sha256 is not None and sum_of(content) != sha256:
        raise KubeceptionError(
            f"{folder / LISTING}: its SHA-256 is {sum_of(content)} instead of {sha256}",
            hint="`kubeception bundle show` says it where the bundle was built",
        )
    return content


def sum_of(content: bytes) -> str:
    """Return the SHA-256 of a bundle's list: it has every file's, so it stands for the bundle."""
    return hashlib.sha256(content).hexdigest()


def parse(content: bytes, folder: Path) -> Bundle:
    """Return what the list of the bundle in a folder says.

    Raises:
        KubeceptionError: it has problems; all of them are named.
    """
    return Bundle.parse(content, folder / LISTING, hint=_HINT)


def verify(folder: Path) -> Bundle:
    """Read a bundle's list, hash every file of it, and return what it says.

    Raises:
        KubeceptionError: the list has problems, or files are missing or damaged; all are named.
    """
    bundle = load(folder)
    check(folder, bundle)
    return bundle


def check(folder: Path, bundle: Bundle, *, hashed: bool = True, named: Path | None = None) -> None:
    """See that every file of a bundle is there, a regular one of its size; and hash it.

    A file that differs is named as one of `named`, by default of the folder.

    Raises:
        KubeceptionError: files are missing or damaged; all of them are named.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(partial(damage, folder, hashed=hashed, named=named), bundle.files)
        problems = [problem for problem in found if problem]
    if problems:
        raise KubeceptionError("\n".join(problems), hint=_DAMAGED)


@contextlib.contextmanager
def opened(folder: Path, file: BundleFile) -> Iterator[BufferedReader]:
    """Open a file of a bundle, which is where its list says, and of that size.

    Raises:
        KubeceptionError: it is missing, elsewhere by a link, no regular file, or of another size.
    """
    path = folder / file.path
    if path.parent.resolve() != folder.resolve() / PurePosixPath(file.path).parent:
        raise KubeceptionError(f"{path}: behind a link")
    if not os.path.lexists(path):
        raise KubeceptionError(f"{path}: missing")
    with versions.opened(path) as found:
        size = os.fstat(found.fileno()).st_size
        if size != file.size:
            raise KubeceptionError(f"{path}: {size} bytes instead of {file.size}")
        yield found


def damage(
    folder: Path, file: BundleFile, *, hashed: bool = True, named: Path | None = None
) -> str | None:
    """Say what is wrong with a file of a bundle, which is named as one of `named`."""
    try:
        with opened(folder, file) as found:
            if hashed and hashlib.file_digest(found, "sha256").hexdigest() != file.sha256:
                return f"{(named or folder) / file.path}: the content differs from what was built"
    except KubeceptionError as error:
        return error.message
    return None
