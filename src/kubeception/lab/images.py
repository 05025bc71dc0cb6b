"""Images on many hosts at the price of one import: containerd's folder, filled and cloned."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kubeception.host import process

# The files that containerd writes in place; all others are replaced, never changed.
_DATABASES = (
    Path("io.containerd.metadata.v1.bolt/meta.db"),
    Path("io.containerd.snapshotter.v1.overlayfs/metadata.db"),
)

# A containerd for us alone. It dies with this process, and its mounts with it; the images plugin of
# the CRI finds what is in the metadata when a host's own containerd starts.
_IMPORT = """set -e
run=$1; bin=$2; root=$3; shift 3
mount -t tmpfs tmpfs "$run"
mkdir "$run/state"
cat >"$run/config.toml" <<END
version = 3
root = "$root"
state = "$run/state"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
[grpc]
address = "$run/containerd.sock"
END
"$bin/containerd" --config "$run/config.toml" &
containerd=$!
until "$bin/ctr" --address "$run/containerd.sock" version >/dev/null 2>&1; do
    kill -0 $containerd
    sleep 0.05
done
for archive; do
    "$bin/ctr" --address "$run/containerd.sock" --namespace k8s.io images import \
        --label io.cri-containerd.pinned=pinned "$archive"
done
kill $containerd
wait $containerd
"""


def fill(folder: Path, bundle: Path, archives: Sequence[Path]) -> None:
    """Import images into an empty folder with the bundle's own containerd."""
    with tempfile.TemporaryDirectory() as run:
        process.run(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("sh", "-c", _IMPORT, "sh"),
                *map(str, (run, bundle / "bin", folder, *archives)),
            ]
        )


def clone(source: Path, target: Path) -> None:
    """Give a host its own copy of a filled folder, by hard links but for the databases."""
    process.run(["setpriv", "--pdeathsig", "KILL", "cp", "--archive", "--link", source, target])
    for database in _DATABASES:
        (target / database).unlink()
        shutil.copy2(source / database, target / database)
