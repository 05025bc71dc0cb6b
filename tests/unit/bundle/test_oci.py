"""Layers and archives: the same bytes from the same input, and what containerd reads in them."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from kubeception.bundle.oci import Member, write_archive, write_layer
from kubeception.bundle.store import Product
from kubeception.host import files


def product(path: Path) -> Product:
    return Product(path, path.stat().st_size, files.digest(path))


def test_a_layer_knows_no_time_owner_or_order(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    members = [Member("usr/bin/program", program, mode=0o755), Member("etc/motd", b"hello\n")]
    write_layer(tmp_path / "one.tar", members)
    program.touch()
    write_layer(tmp_path / "other.tar", reversed(members))

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert tar.getnames() == ["etc", "etc/motd", "usr", "usr/bin", "usr/bin/program"]
        assert {(m.mtime, m.uid, m.gid) for m in tar} == {(0, 0, 0)}
        assert tar.getmember("usr/bin/program").mode == 0o755


def test_a_folder_and_a_link_keep_what_they_are(tmp_path: Path) -> None:
    write_layer(
        tmp_path / "layer.tar",
        [Member("tmp", mode=0o1777), Member("usr/sbin/iptables", link="iptables-nft")],
    )

    with tarfile.open(tmp_path / "layer.tar") as tar:
        assert tar.getmember("tmp").isdir()
        assert tar.getmember("tmp").mode == 0o1777
        assert tar.getmember("usr/sbin/iptables").linkname == "iptables-nft"


def test_an_archive_leads_from_its_name_to_every_layer(tmp_path: Path) -> None:
    for name in ("base", "program"):
        write_layer(tmp_path / f"{name}.tar", [Member(name, name.encode())])
    layers = [product(tmp_path / f"{name}.tar") for name in ("base", "program")]
    archive = tmp_path / "image.tar"
    write_archive(
        archive,
        "localhost/kubeception/etcd:v3.7.3",
        layers,
        entrypoint=["/usr/local/bin/etcd"],
        architecture="amd64",
        environment={"A": "b"},
    )

    with tarfile.open(archive) as tar:
        blobs = {m.name: tar.extractfile(m) for m in tar if m.isfile()}
        contents = {name: file.read() for name, file in blobs.items() if file}

    def at(descriptor: dict[str, Any]) -> bytes:
        blob = contents["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(blob).hexdigest()}"
        assert descriptor["size"] == len(blob)
        return blob

    [image] = json.loads(contents["index.json"])["manifests"]
    manifest = json.loads(at(image))
    config = json.loads(at(manifest["config"]))
    assert image["annotations"]["io.containerd.image.name"] == "localhost/kubeception/etcd:v3.7.3"
    assert [at(layer) for layer in manifest["layers"]] == [p.path.read_bytes() for p in layers]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{p.sha256}" for p in layers]
    assert config["config"]["Entrypoint"] == ["/usr/local/bin/etcd"]
    assert "A=b" in config["config"]["Env"]


def test_the_same_image_is_the_same_archive(tmp_path: Path) -> None:
    write_layer(tmp_path / "base.tar", [Member("base", b"1")])
    for name in ("one", "other"):
        write_archive(
            tmp_path / f"{name}.tar",
            "localhost/kubeception/pause:1",
            [product(tmp_path / "base.tar")],
            entrypoint=["/pause"],
            architecture="amd64",
        )

    assert files.digest(tmp_path / "one.tar") == files.digest(tmp_path / "other.tar")
