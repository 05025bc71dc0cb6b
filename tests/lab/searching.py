"""Search a host for byte strings: run there, with the strings in hex, a line each, as its input.

Prints, as JSON, in which places each was found. What is searched for stands in no command line,
variable or file of the search itself.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("/etc", "/var/lib", "/var/log", "/run/kubeception")
CHUNK = 16 * 2**20
JOURNAL = ("journalctl", "--no-pager", "--output", "export")
ETCD = Path("/etc/kubernetes/pki/etcd")
# Every key with its value as the API server wrote it; files of etcd's are searched as well.
DUMP = (
    *("etcdctl", f"--cacert={ETCD}/ca.crt", "--endpoints=https://127.0.0.1:2379"),
    *(f"--cert={ETCD}/healthcheck-client.crt", f"--key={ETCD}/healthcheck-client.key"),
    *("get", "", "--prefix", "--write-out=simple"),
)


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        for at, _, names in os.walk(folder):
            yield from (Path(at, name) for name in names)
    for process in Path("/proc").glob("[0-9]*"):
        yield from (process / "cmdline", process / "environ")


def parts() -> Iterator[tuple[str, bytes]]:
    """Yield all that is to be searched, in parts that overlap."""
    for path in files():
        if path.is_symlink() or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                before = b""
                while part := file.read(CHUNK):
                    yield str(path), before + part
                    before = part[-256:]
        except OSError:  # gone, or a process that has ended
            continue
    yield "journal", subprocess.run(JOURNAL, capture_output=True, check=True).stdout
    if ETCD.exists():
        yield "etcd", subprocess.run(DUMP, capture_output=True, check=True).stdout


def main() -> None:
    wanted = [bytes.fromhex(line) for line in sys.stdin.read().split()]
    found: dict[str, set[str]] = {one.hex(): set() for one in wanted}
    for place, content in parts():
        for one in wanted:
            if one in content:
                found[one.hex()].add(place)
    sys.stdout.write(json.dumps({one: sorted(places) for one, places in found.items()}))


if __name__ == "__main__":
    main()
