"""Another release for hosts to go to, and what they run of it."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs
from tests.lab.cluster import get, until
from tests.lab.conftest import bundle_folder

from kubeception.bundle import contents, install, oci, output
from kubeception.bundle.contents import Bundle
from kubeception.bundle.store import Product
from kubeception.host import files
from kubeception.keeper import worker_observer
from kubeception.lab import Host
from kubeception.render.cluster_upgrade import BUNDLES_NOTE

PROGRAMS = ("containerd", "etcd", "kubelet")
# Of Deployments: one that control-plane hosts alone may run, and one that may run anywhere.
IMAGES = ("kubeception", "coredns")
_CODE = "lib/kubeception.tar"


@dataclass(frozen=True)
class Edit:
    """A change of a file of ours: one text, which is there once, becomes another."""

    file: str
    before: str
    after: str


def another(
    folder: Path,
    *,
    more: bytes = b"\0",
    of_images: Sequence[str] = (),
    spoiled: Mapping[str, str] | None = None,
    edits: Sequence[Edit] = (),
) -> Path:
    """Lay out a bundle with other programs and images: each does what it did, by other bytes.

    As another build of the same version would. Programs have `more` at their end; some images
    another tag, so that whoever runs them is replaced. What is `spoiled` runs, by its image, a
    program of the bundle that does something else. `edits` are of the code that renders it all.
    """
    bundle, spoiled = contents.load(bundle_folder()), spoiled or {}
    sources = {}
    images = {name: f"{bundle.images[name]}-{len(more)}" for name in (*of_images, *spoiled)}
    for file in bundle.files:
        source, name = bundle_folder() / file.path, Path(file.path)
        own = folder / file.path.replace("/", "-")
        if name.parts[0] == "bin" and name.name in PROGRAMS:
            own.write_bytes(source.read_bytes() + more)
            own.chmod(0o755)
        elif name.parts[0] == "images" and name.stem in images:
            if program := spoiled.get(name.stem):
                _spoil(own, images[name.stem], name.stem, bundle_folder() / program)
            else:
                _tag(source, own, images[name.stem])
        elif file.path == _CODE and edits:
            _edit(source, own, edits)
        if own.exists():
            file = structs.replace(file, size=own.stat().st_size, sha256=files.digest(own))
            source = own
        sources[file] = source
    other = Bundle.of(
        components=bundle.components,
        architecture=bundle.architecture,
        python=bundle.python,
        images={**bundle.images, **images},
        files=list(sources),
        released=bundle.released,
    )
    output.lay_out(folder / "bundle", other, sources)
    return folder / "bundle"


def _spoil(target: Path, name: str, component: str, program: Path) -> None:
    """Write an image whose program is another one."""
    layer = target.with_suffix(".layer")
    oci.write_layer(layer, [oci.Member(f"usr/local/bin/{component}", program, mode=0o755)])
    oci.write_archive(
        target,
        name,
        [Product(layer, layer.stat().st_size, files.digest(layer))],
        entrypoint=[component],
        architecture=contents.load(bundle_folder()).architecture,
    )


def _edit(source: Path, target: Path, edits: Sequence[Edit]) -> None:
    """Copy an archive of code with changes, each of which has to find its place."""
    left = list(edits)
    compiled = {f"{Path(one.file).parent}/__pycache__/{Path(one.file).stem}." for one in edits}
    with tarfile.open(source) as before, tarfile.open(target, "w") as after:
        for member in before:
            if any(name in member.name for name in compiled):
                continue  # nobody would look at the file itself
            content = before.extractfile(member) if member.isfile() else None
            for edit in [one for one in left if content and member.name.endswith(one.file)]:
                text = content.read().decode() if content else ""
                assert text.count(edit.before) == 1, edit
                changed = text.replace(edit.before, edit.after).encode()
                member.size, content = len(changed), io.BytesIO(changed)
                left.remove(edit)
            after.addfile(member, content)
    assert left == []


def _tag(source: Path, target: Path, name: str) -> None:
    """Copy an image's archive, which is imported under another name then."""
    with tarfile.open(source) as before, tarfile.open(target, "w") as after:
        for member in before:
            content = before.extractfile(member)
            if member.name == "index.json" and content:
                index = json.load(content)
                index["manifests"][0]["annotations"] = {"io.containerd.image.name": name}
                text = json.dumps(index).encode()
                member.size, content = len(text), io.BytesIO(text)
            after.addfile(member, content)


def running(host: Host, *programs: str) -> list[Path]:
    """Return what each unit's main process runs, links followed."""
    found = []
    for program in programs:
        unit = f"{program}.service"
        pid = host.run("systemctl", "show", "--value", "-p", "MainPID", unit).stdout.strip()
        found.append(Path(host.run("readlink", f"/proc/{pid}/exe").stdout.strip()))
    return found


def stage(bundle: Path, cp1: Host, *, on: Sequence[Host]) -> None:
    """Put a bundle on hosts, which go on with theirs, and wait until their Nodes say so."""
    for host in on:
        install.install(bundle, host.root(), staged=True)
    name = contents.load(bundle).version

    def is_told() -> bool:
        nodes = {one["metadata"]["name"]: one["metadata"] for one in get(cp1, "nodes")["items"]}
        notes = [nodes[host.name]["annotations"].get(BUNDLES_NOTE, "") for host in on]
        return all(name in note.split() for note in notes)

    # A worker asks before its images are there, and once after.
    until(is_told, timeout_s=2 * worker_observer.ASK_EVERY_S + 40)
