"""Objects of every class that msgspec reads are read by threads at once, from the first one on."""

import importlib
import pkgutil
import subprocess
import sys

import msgspec
import pytest

import kubeception

# A class is learnt of once in a process. So one that knows the class only by its import is forked
# again and again, and in each child eight threads begin at once and take turns a million times a
# second.
PROGRAM = """
import importlib, os, sys, threading
import msgspec

kind = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
# The last one is known last.
text = msgspec.json.encode({kind.__struct_encode_fields__[-1]: None})

def read(together):
    together.wait()
    try:
        msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        pass

def read_by_eight():
    sys.setswitchinterval(1e-6)
    together = threading.Barrier(8)
    threads = [threading.Thread(target=read, args=[together]) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

for _ in range(int(sys.argv[3])):
    child = os.fork()
    if not child:
        read_by_eight()
        os._exit(0)
    if ended := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(f"a child has ended with {ended}")
"""
TIMES = 100


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
    program = [sys.executable, "-c", PROGRAM, module, name, str(TIMES)]
    done = subprocess.run(program, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, ""), "a negative number is the signal"
