"""The lab hosts that something is measured on: a lab of this process's own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kubeception.lab import Lab


@contextmanager
def own() -> Iterator[Lab]:
    """Offer a lab for the length of the block; its hosts are for the caller to boot."""
    lab = Lab(f"bench{os.getpid()}")
    try:
        yield lab
    finally:
        lab.down()
