"""A program that a bundle has in an image alone, run without a container."""

import contextlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubeception.errors import KubeceptionError


@contextlib.contextmanager
def unpacked(archive: Path, name: str) -> Iterator[Path]:
    """Give the program of an OCI archive as a file to run, for the length of the block.

    In memory, as nothing is to be changed, and folders for temporary files may allow no programs.

    Raises:
        KubeceptionError: it is in none of the image's layers.
    """
    with os.fdopen(os.memfd_create(name), "wb") as file:
        with tarfile.open(archive, "r:") as image:
            for layer in _layers(image):
                with tarfile.open(fileobj=image.extractfile(layer), mode="r:") as tar:
                    found = [one for one in tar if one.isreg() and Path(one.name).name == name]
                    if found and (content := tar.extractfile(found[0])):
                        shutil.copyfileobj(content, file)
                        break
            else:
                raise KubeceptionError(f"{archive}: there is no {name} in it")
        file.flush()
        # The descriptor is open for writing, and what is being written can't be run.
        reading = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{reading}")
    finally:
        os.close(reading)


def _layers(image: tarfile.TarFile) -> list[str]:
    [manifest] = _read(image, "index.json")["manifests"]
    return [_blob(one) for one in _read(image, _blob(manifest))["layers"]]


def _read(image: tarfile.TarFile, name: str) -> Any:
    content = image.extractfile(name)
    return json.load(content) if content else {}


def _blob(described: dict[str, str]) -> str:
    return f"blobs/{described['digest'].replace(':', '/')}"
