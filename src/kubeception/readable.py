"""Have msgspec know a class before anybody reads one.

It learns of a class when it is first asked to read one, and takes it for known as soon as it has
begun: another thread that reads one at that moment ends the whole process by a segmentation fault
(msgspec 0.22).
"""

from typing import TypeVar

import msgspec

One = TypeVar("One", bound=type[msgspec.Struct])


def readable(kind: One) -> One:
    """Return a class as it is, of which threads may read objects from now on."""
    msgspec.json.Decoder(kind)
    return kind
