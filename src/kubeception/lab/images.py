"""Images on many hosts at the price of one import: containerd's folder, filled and cloned."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from kubeception.host import files
from kubeception.lab import kill_with_parent
from kubeception.lab.paths import RUN

# Beside containerd's own files: the images in them, each with the digest of its archive.
_HELD = "images.json"

# A containerd for us alone, in a mount namespace of its own. The CRI's plugin finds what is in the
# metadata when a host's own containerd starts.
_EDIT = f"""set -e
bin=$1; root=$2; shift 2
mount -t tmpfs tmpfs {RUN}
cat >{RUN}/config.toml <<END
version = 3
root = "$root"
state = "{RUN}/state"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
[grpc]
address = "{RUN}/containerd.sock"
END
"$bin/containerd" --config {RUN}/config.toml &
containerd=$!
ctr() {{ "$bin/ctr" --address {RUN}/containerd.sock --namespace k8s.io "$@"; }}
until ctr version >/dev/null 2>&1; do
    kill -0 $containerd
    sleep 0.05
done
while [ "$1" != -- ]; do
    ctr images import --label io.cri-containerd.pinned=pinned "$1"
    shift
done
shift
for image; do
    ctr images remove --sync "$image"
done
kill $containerd
wait $containerd
"""


def fill(
    folder: Path, programs: Path, archives: Mapping[str, Path], *, digests: Mapping[str, str]
) -> None:
    """Make a folder hold just these images, by the containerd in a folder of programs.

    What the folder holds already isn't imported again.
    """
    held = _held(folder)
    missing = [archives[image] for image in archives if held.get(image) != digests[image]]
    stale = [image for image in held if image not in archives]
    _edit(folder, programs, missing, stale)
    # In a rename: the one that is there is a hard link to that of the folder it was cloned from.
    files.write(folder / _HELD, json.dumps(dict(digests), indent=1) + "\n")


def clone(source: Path, target: Path) -> None:
    """Give a host, or the next folder, its own copy of a filled one.

    Hard links, since containerd replaces files and never changes one, but for its databases.
    """
    target.mkdir(exist_ok=True)
    kill_with_parent.run(["cp", "--archive", "--link", f"{source}/.", target])
    for database in source.glob("*/*.db"):
        copy = target / database.relative_to(source)
        copy.unlink()
        shutil.copy2(database, copy)


def _edit(folder: Path, programs: Path, add: Sequence[Path], remove: Sequence[str]) -> None:
    RUN.mkdir(parents=True, exist_ok=True)
    words = map(str, (programs, folder, *add, "--", *remove))
    kill_with_parent.run(["sh", "-c", _EDIT, "sh", *words], apart=["--mount-proc"])


def _held(folder: Path) -> dict[str, str]:
    path = folder / _HELD
    return dict(json.loads(path.read_text())) if path.exists() else {}
