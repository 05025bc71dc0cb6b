"""A release: one version of Kubernetes, what comes with it, and what it goes together with."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Self, get_args, get_origin

from msgspec import Meta, Struct, convert, json, structs

from kubeception.errors import KubeceptionError
from kubeception.readable import readable

LISTING = "bundle.json"
IMAGE_PREFIX = "localhost/kubeception"

_IMPORT = "kubeception bundle import DIR"
# A list has 6 KiB.
LONGEST = 1 << 20
# What JSON calls them, as a value and as a field's type.
_NESTED: dict[Any, str] = {dict: "an object", list: "an array", tuple: "an array"}
# As much of a wrong value as a line shows.
_SHOWN = 80


def spelled(pattern: str, title: str, *, most: int = 64) -> Meta:
    """Describe a string of a bundle's list; the title is what messages call it."""
    return Meta(pattern=rf"^({pattern})\Z", title=title, max_length=most)


Name = Annotated[str, spelled("[a-z0-9][a-z0-9-]*", "a name of small letters, digits and dashes")]
Version = Annotated[str, spelled("[0-9A-Za-z][0-9A-Za-z.+~-]*", "a version")]
# It stands in settings of containerd and in arguments of ctr.
Image = Annotated[str, spelled("[0-9A-Za-z][0-9A-Za-z._/:@-]*", "the name of an image", most=255)]


@dataclass(frozen=True)
class Range:
    """Versions from one on, and up to another where there is a limit."""

    at_least: tuple[int, ...]
    below: tuple[int, ...] | None = None

    def __contains__(self, version: tuple[int, ...]) -> bool:
        """Whether a version is one of them."""
        return version >= self.at_least and (self.below is None or version < self.below)

    def __str__(self) -> str:
        words = f"{dotted(self.at_least)} or later"
        return f"{words}, below {dotted(self.below)}" if self.below else words


@readable
class Release(Struct, frozen=True, omit_defaults=True):
    """What a bundle brings, as its list says; what a cluster goes by is the first two."""

    kubernetes: Annotated[
        str,
        spelled(r"1\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?", "a version of Kubernetes such as 1.37.1"),
    ]
    """The version of Kubernetes, without the v."""
    images: dict[Name, Image]
    """The names of the images, by component."""
    components: dict[Name, Version] = {}
    """The version of everything that comes with it."""
    released: Annotated[
        Annotated[datetime, Meta(tz=True)] | None, Meta(title="a time such as 2026-09-23T00:00:00Z")
    ] = None
    """When that Kubernetes was; bundles of earlier versions don't say."""
    version: str = ""
    """What tells a bundle from all others, and names its folder on a host."""

    @classmethod
    def read(cls, folder: Path, *, hint: str = _IMPORT) -> Self:
        """Read the list of the bundle in a folder.

        Raises:
            KubeceptionError: there is none, or it has problems; all of them are named.
        """
        return cls.parse(listing(folder, hint=hint), folder / LISTING, hint=hint)

    @classmethod
    def parse(cls, content: bytes, path: Path | str, *, hint: str = _IMPORT) -> Self:
        """Return what a bundle's list says; `path` stands for it in messages.

        Raises:
            KubeceptionError: it has problems; all of them are named.
        """
        try:
            found = json.decode(content, type=cls)
        except (ValueError, RecursionError) as error:
            problems = list(_misfits(content, cls)) or [f"not a bundle's list: {error}"]
        else:
            problems = list(found.contradictions())
            if not problems:
                return found
        raise KubeceptionError("\n".join(f"{path}: {one}" for one in problems), hint=hint)

    def contradictions(self) -> Iterator[str]:
        """Yield what can't be so, though each value by itself is a good one."""
        yield from ()

    def text(self) -> str:
        """Return the list of a bundle that brings it."""
        return json.format(json.encode(self), indent=1).decode() + "\n"

    @property
    def minor(self) -> str:
        """The minor version of Kubernetes, as in 1.37."""
        return ".".join(self.kubernetes.split(".")[:2])

    @property
    def supported(self) -> Mapping[str, Range]:
        """The versions of other programs that go together with it."""
        minor = int(self.kubernetes.split(".")[1])
        return {
            # Its watch cache lags behind in earlier ones (kubernetes/kubernetes#134343).
            "etcd": Range((3, 5, 13)),
            "containerd": Range((2, 0)),
            # https://kubernetes.io/releases/version-skew-policy/
            "kubelet": Range((1, minor - 3), (1, minor + 1)),
            "kube-apiserver": Range((1, minor - 1), (1, minor + 1)),
        }


def listing(folder: Path, *, hint: str = _IMPORT) -> bytes:
    """Return the list of the bundle in a folder as it stands there, unread.

    Raises:
        KubeceptionError: there is none, or none that can be read.
    """
    path = folder / LISTING
    try:
        with opened(path) as file:
            content = file.read(LONGEST + 1)
    except FileNotFoundError as error:
        raise KubeceptionError(f"{folder}: no bundle here", hint=hint) from error
    if len(content) > LONGEST:
        raise KubeceptionError(f"{path}: has more than {LONGEST >> 20} MiB", hint=hint)
    return content


def opened(path: Path) -> BufferedReader:
    """Open a file of a bundle: a regular one, not what a link leads to or what never ends.

    Raises:
        KubeceptionError: it is something else.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise KubeceptionError(f"{path}: not a regular file")
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def in_use(bundle: Path) -> Release | None:
    """Return the release of the bundle that a host uses, None where it has none.

    Raises:
        KubeceptionError: it has one, whose list is not there or can't be read.
    """
    return Release.read(bundle) if os.path.lexists(bundle) else None


def of(bundle: Path) -> Release:
    """Return the release of the bundle that a host uses, else the one that this code came with.

    Raises:
        KubeceptionError: the bundle's list is not there or can't be read.
    """
    return in_use(bundle) or BUILT_IN


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version such as v1.37.1, without what follows a dash."""
    return tuple(map(int, re.findall(r"\d+", version.partition("-")[0])[:3]))


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def minor_of(image: str) -> tuple[int, int] | None:
    """Return the Kubernetes minor that an image's tag says, None where it says none."""
    found = re.search(r":v1\.(\d+)\.\d+", image)
    return (1, int(found[1])) if found else None


def _misfits(content: bytes, wanted: type) -> Iterator[str]:
    """Yield what a model refuses of a document, part by part; nothing of one that is no JSON."""
    try:
        document = json.decode(content)
    except (ValueError, RecursionError):
        return
    yield from _refused(document, wanted, "")


def _refused(value: object, wanted: Any, at: str) -> Iterator[str]:
    inner = get_args(wanted)
    if isinstance(value, dict) and isinstance(wanted, type) and issubclass(wanted, Struct):
        for field in structs.fields(wanted):
            place = f"{at}.{field.name}" if at else field.name
            if field.name in value:
                yield from _refused(value[field.name], field.type, place)
            elif field.required:
                yield f"{place}: missing"
    elif isinstance(value, dict) and get_origin(wanted) is dict:
        for name, part in value.items():
            # A name that is none isn't shown as if it were one.
            bad = list(_refused(name, inner[0], at))
            yield from bad or _refused(part, inner[1], f"{at}.{name}")
    elif isinstance(value, list) and get_origin(wanted) is tuple:
        for number, part in enumerate(value):
            yield from _refused(part, inner[0], f"{at}[{number}]")
    else:
        try:
            convert(value, wanted)
        except ValueError:
            seen = _NESTED.get(type(value)) or dumps(value)[:_SHOWN]
            kind = get_origin(wanted)
            asked = wanted.__metadata__[0].title if kind is Annotated else _NESTED[kind or dict]
            yield f"{at}: {seen} is not {asked}".removeprefix(": ")


# Where a host has no bundle: what components/*/go.mod say, written by `make golden`.
_BUILT_IN = Path(__file__).with_name(LISTING)
BUILT_IN = Release.parse(_BUILT_IN.read_bytes(), _BUILT_IN)
