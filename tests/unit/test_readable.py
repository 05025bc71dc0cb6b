"""Objects of every class that msgspec reads are read by threads at once, from the first one on."""

import importlib
import pkgutil
import subprocess
import sys

import msgspec
import pytest

import kubeception

# Eight threads that all begin at once, and take turns a million times a second.
PROGRAM = """
import importlib, sys, threading
import msgspec

kind = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
# The last one is known last.
text = msgspec.json.encode({kind.__struct_encode_fields__[-1]: None})
sys.setswitchinterval(1e-6)
together = threading.Barrier(8)

def read():
    together.wait()
    try:
        msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        pass

threads = [threading.Thread(target=read) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
"""
TIMES = 3


def every() -> list[tuple[str, str]]:
    """Return all that are read: where each is, and its name."""
    for one in pkgutil.walk_packages(kubeception.__path__, "kubeception."):
        if not one.name.endswith("__main__"):
            importlib.import_module(one.name)
    found, left = set(), [msgspec.Struct]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("kubeception.") and kind.__struct_fields__:
            found.add((kind.__module__, kind.__name__))
    return sorted(found)


@pytest.mark.parametrize(("module", "name"), every())
def test_threads_may_read_it_from_the_first_time_on(module: str, name: str) -> None:
    for _ in range(TIMES):
        done = subprocess.run([sys.executable, "-c", PROGRAM, module, name], check=False)

        assert done.returncode == 0, "a negative code is the signal that has ended it"
