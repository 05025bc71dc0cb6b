"""A small bundle with programs that run: shell scripts that say a version."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kubeception.bundle import output, python
from kubeception.bundle.contents import Bundle, BundleFile
from kubeception.bundle.oci import Member, write_layer
from kubeception.host import files

MakeBundle = Callable[..., Path]


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """Return what lays out a bundle whose etcd says the given version, with more programs."""

    def make(version: str, **programs: str) -> Path:
        made = tmp_path / f"made-{version}"
        for name in ("etcd", "bridge"):
            files.write(made / name, f"#!/bin/sh\necho {name} version {version}\n", mode=0o755)
        for name, script in programs.items():
            files.write(made / name, script, mode=0o755)
        files.write(made / "etcd.tar", version)
        for tar in python.TARS:
            name = f"{python.FOLDER}/{Path(tar).stem}.py"
            write_layer(made / tar, [Member(name, version.encode())])
        places = {"etcd": "bin/etcd", "bridge": "bin/cni/bridge", "etcd.tar": "images/etcd.tar"}
        places |= {name: f"bin/{name}" for name in programs}
        sources = {
            BundleFile(
                places.get(path.name, f"lib/{path.name}"),
                path.stat().st_size,
                files.digest(path),
                "etcd" if path.suffix != ".tar" else "",
            ): path
            for path in sorted(made.iterdir())
        }
        bundle = Bundle.of(
            components={"kubernetes": "1.37.1", "etcd": version},
            architecture="amd64",
            python="python3",
            images={"etcd": f"localhost/kubeception/etcd:v{version}"},
            files=list(sources),
        )
        folder = tmp_path / f"bundle-{version}"
        output.lay_out(folder, bundle, sources)
        return folder

    return make
