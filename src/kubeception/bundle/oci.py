"""Tar layers and OCI archives that come out the same, byte for byte, from the same input.

Layers stay uncompressed: containerd imports those fastest, and the folder lies on a disk anyway.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeception.bundle.store import Product

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Member:
    """A file, symlink or folder of a layer."""

    name: str
    content: Path | bytes | None = None
    link: str = ""
    mode: int = 0o644


def write_layer(target: Path, members: Iterable[Member]) -> None:
    """Write a tar of members, by name, with their folders, without owners or times."""
    by_name = {member.name: member for member in members}
    folders = {str(parent) for name in by_name for parent in Path(name).parents} - {"."}
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(folders | by_name.keys()):
            _add(tar, by_name.get(name, Member(name, mode=0o755)))


def _add(tar: tarfile.TarFile, member: Member) -> None:
    header = tarfile.TarInfo(member.name)
    header.mode = member.mode
    if member.link:
        header.type, header.linkname = tarfile.SYMTYPE, member.link
        tar.addfile(header)
    elif member.content is None:
        header.type = tarfile.DIRTYPE
        tar.addfile(header)
    elif isinstance(member.content, bytes):
        header.size = len(member.content)
        tar.addfile(header, io.BytesIO(member.content))
    else:
        header.size = member.content.stat().st_size
        with member.content.open("rb") as file:
            tar.addfile(header, file)


def write_archive(
    target: Path,
    name: str,
    layers: Sequence[Product],
    *,
    entrypoint: Sequence[str],
    architecture: str,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Write an image as an OCI archive that containerd imports under `name`."""
    variables = {"PATH": PATH, **(environment or {})}
    settings = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": list(entrypoint),
            "Env": [f"{key}={value}" for key, value in variables.items()],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}" for layer in layers]},
    }
    config = _json(settings)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _described(_CONFIG, config),
            "layers": [
                {"mediaType": _LAYER, "digest": f"sha256:{layer.sha256}", "size": layer.size}
                for layer in layers
            ],
        }
    )
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [
            {
                **_described(_MANIFEST, manifest),
                "platform": {"architecture": architecture, "os": "linux"},
                "annotations": {
                    "io.containerd.image.name": name,
                    "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                },
            }
        ],
    }
    blobs = "blobs/sha256"
    write_layer(
        target,
        [
            Member("oci-layout", _json({"imageLayoutVersion": "1.0.0"})),
            Member("index.json", _json(index)),
            *(Member(f"{blobs}/{_sha256(blob)}", blob) for blob in (config, manifest)),
            *(Member(f"{blobs}/{layer.sha256}", layer.path) for layer in layers),
        ],
    )


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _described(kind: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": f"sha256:{_sha256(blob)}", "size": len(blob)}
