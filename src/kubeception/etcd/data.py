"""What etcd's data say of themselves, read from the disk: whose they are, and how far they go.

The log's format is etcd's own (server/storage/wal in its source): frames of a length, a record and
a padding, little-endian; the record and what is in it are protocol buffers.
"""

from collections.abc import Iterator
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.facts import Stored

_METADATA, _ENTRY, _SNAPSHOT = 1, 2, 5
# Fields of a record, of what it says of the member, of an entry, and of a mark of a snapshot.
_KIND, _DATA = 1, 3
_MEMBER, _CLUSTER = 1, 2
_ENTRY_INDEX = 3
_SNAPSHOT_INDEX = 1

_LENGTH = 8
# The frame's length has 56 bits; of the rest the highest says that there is a padding.
_LENGTH_BITS = (1 << 56) - 1


def stored(folder: Path) -> Stored | None:
    """Return whose data lie in a folder of etcd's, None where there are none.

    A log that can't be read is somebody's, though nobody can say whose: etcd itself refuses it.

    Raises:
        KubeceptionError: the disk doesn't give them.
    """
    try:
        logs = _logs(folder)
        if not logs:
            return None
        with logs[0].open("rb") as file:
            beginning = file.read(4096)
    except OSError as error:
        raise _unreadable(folder, error) from error
    for kind, said in _records(beginning):
        if kind == _METADATA:
            found = dict(_fields(said))
            return Stored(_hex(found.get(_CLUSTER)), _hex(found.get(_MEMBER)))
    return Stored()


def last_index(folder: Path) -> int:
    """Return the index of the last entry that the log of etcd's data has, 0 for none.

    Raises:
        KubeceptionError: the disk doesn't give them.
    """
    try:
        logs = _logs(folder)
        if not logs:
            return 0
        content = logs[-1].read_bytes()
    except OSError as error:
        raise _unreadable(folder, error) from error
    last: tuple[int, bytes] | None = None
    for kind, said in _records(content):
        if kind in {_ENTRY, _SNAPSHOT}:
            last = kind, said
    # A log's name tells the first index that it was begun for.
    begun = int(logs[-1].stem.partition("-")[2], 16)
    if last is None:
        return max(0, begun - 1)
    kind, said = last
    index = dict(_fields(said)).get(_ENTRY_INDEX if kind == _ENTRY else _SNAPSHOT_INDEX, 0)
    return index if isinstance(index, int) else 0


def _logs(folder: Path) -> list[Path]:
    """Return the files of the log, the oldest first; those that are not begun yet end in .tmp."""
    try:
        return sorted((folder / "member/wal").glob("*-*.wal"))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the data of each record up to the first that isn't whole."""
    at = 0
    while at + _LENGTH <= len(content):
        frame = int.from_bytes(content[at : at + _LENGTH], "little")
        length, padding = frame & _LENGTH_BITS, (frame >> 56) & 7 if frame >> 63 else 0
        at += _LENGTH
        if not length or at + length > len(content):
            return
        found = dict(_fields(content[at : at + length]))
        kind, said = found.get(_KIND, 0), found.get(_DATA, b"")
        if isinstance(kind, int) and isinstance(said, bytes):
            yield kind, said
        at += length + padding


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the numbers and byte strings of a message, each with its field; stop at what is none.

    https://protobuf.dev/programming-guides/encoding/
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(message, at)
            yield key >> 3, number
        elif kind == 2:
            length, at = _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        else:
            return


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place after it."""
    number = shift = 0
    while at < len(message):
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            break
    return number, at


def _hex(number: int | bytes | None) -> str:
    """Return an id as etcd writes it."""
    return f"{number:x}" if isinstance(number, int) else ""


def _unreadable(folder: Path, error: OSError) -> KubeceptionError:
    what = (error.strerror or str(error)).lower()
    return KubeceptionError(f"{error.filename or folder}: {what}", hint="dmesg | tail")
