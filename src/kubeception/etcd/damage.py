"""Whether etcd's own last words say that it can't read its data: pure."""

import re
from collections.abc import Iterable

# Of bbolt, which keeps the database, and of the write-ahead log; tried with etcd 3.7.
_WORDS = re.compile(
    r"assertion failed|[Pp]age \d+|Page expected|freepages|invalid database|failed to open database"
    r"|file size too small|checksum|crc mismatch|wire-format|unexpected EOF|walpb|wal: "
    r"|database snapshot file|recover v3 backend|data inconsistency|corrupt"
    r"|panic: runtime error"
)


def said(words: Iterable[str]) -> str | None:
    """Return the line that says so, None where none does."""
    return next((line for line in words if _WORDS.search(line)), None)
