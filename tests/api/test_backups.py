"""A backup is sealed to a key, holds what gives a cluster back, and is taken as it was made."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from tests.api.rig import Rig

from kubeception import backups
from kubeception.config import Config
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.host import sealing
from kubeception.host.gateway import Host
from kubeception.kept import snapshots
from kubeception.session import Session

PKI = Config().layout.pki


@dataclass(frozen=True)
class Made:
    """A backup of the rig, and the key that opens it."""

    file: Path
    key: Path
    public: str


def keyfile(folder: Path, name: str) -> tuple[Path, str]:
    private, public = sealing.new_key()
    path = folder / name
    path.write_text(f"# a comment\n{private}\n")
    return path, public


@pytest.fixture(scope="module")
def made(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("backup")
    programs = rig.root / "usr/local/bin"
    programs.mkdir(parents=True, exist_ok=True)
    if not (programs / "etcdutl").exists():
        (programs / "etcdutl").symlink_to(rig.bin / "etcdutl")
    key, public = keyfile(folder, "key")
    with rig.session() as session:
        backups.make(session, [public], folder / "it.age")
    return Made(folder / "it.age", key, public)


@pytest.fixture
def fresh(tmp_path: Path) -> Host:
    """A host that has nothing yet."""
    root = tmp_path / "fresh"
    root.mkdir()
    return Host(root=root)


def everything(host: Host) -> list[Path]:
    return list(host.root.rglob("*"))


def left(host: Host) -> list[Path]:
    """Return what isn't gone with the next boot, and is no folder."""
    return [
        path
        for path in everything(host)
        if not path.is_dir() and not path.is_relative_to(host.root / "run")
    ]


def test_what_was_put_in_comes_out(rig: Rig, made: Made, fresh: Host) -> None:
    with backups.opened(fresh, made.file, made.key) as found:
        assert snapshots.damage(found.snapshot) is None
        assert found.snapshot.record is not None
        with rig.session() as session:
            own = {path: session.host.real(path).read_bytes() for path in found.files}
        assert {path: at.read_bytes() for path, at in found.files.items()} == own
        cas = (PKI.ca, PKI.etcd_ca, PKI.front_proxy_ca, PKI.join_ca, PKI.kubelet_serving_ca)
        wanted = {path for ca in cas for path in (ca.certificate, ca.key)}
        assert wanted | {PKI.service_account_key, PKI.service_account_public} <= found.files.keys()
        assert found.authority == found.snapshot.record.authority
    assert left(fresh) == []


def test_nobody_reads_it_without_the_key(rig: Rig, made: Made, fresh: Host) -> None:
    content = made.file.read_bytes()
    key = (rig.root / "etc/kubernetes/pki/ca.key").read_bytes()

    assert content.startswith(b"age-encryption.org/v1\n")
    assert key not in content
    assert b"/registry/" not in content
    assert oct(made.file.stat().st_mode & 0o777) == "0o600"
    other, _ = keyfile(fresh.root.parent, "other")
    with (
        pytest.raises(KubeceptionError, match=r"is not sealed to the key in .*other"),
        backups.opened(fresh, made.file, other),
    ):
        pass


def test_no_plain_copy_is_left(rig: Rig, made: Made) -> None:
    assert list(rig.root.rglob("*unfinished*")) == []
    assert [path.name for path in made.file.parent.iterdir()] in (
        ["it.age", "key"],
        ["key", "it.age"],
    )


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "its first byte": lambda old: bytes([old[0] ^ 1]) + old[1:],
    "its header": lambda old: old[:60] + bytes([old[60] ^ 1]) + old[61:],
    "in the middle": lambda old: old[: len(old) // 2] + b"x" + old[len(old) // 2 + 1 :],
    "its last byte": lambda old: old[:-1] + bytes([old[-1] ^ 1]),
    "cut off": lambda old: old[:-1],
    "cut at a chunk": lambda old: old[: 200 + 3 * (65536 + 16)],
    "longer": lambda old: old + b"x",
    "empty": lambda _: b"",
    "something else": lambda _: b"a letter",
}


@pytest.mark.parametrize("how", CHANGES)
def test_what_was_changed_is_refused_before_anything_is_written(
    made: Made, fresh: Host, how: str
) -> None:
    changed = fresh.root.parent / "changed.age"
    changed.write_bytes(CHANGES[how](made.file.read_bytes()))

    with (
        pytest.raises(
            KubeceptionError, match=r"is not what was sealed|was changed at its beginning"
        ),
        backups.opened(fresh, changed, made.key),
    ):
        pass

    assert everything(fresh) == []


def sealed(made: Made, to: Path, write: Callable[[tarfile.TarFile], None]) -> Path:
    """Seal another content to the same key, as whoever knows it can."""

    def pack(sink: IO[bytes]) -> None:
        with tarfile.open(fileobj=sink, mode="w|") as tar:
            write(tar)

    with to.open("wb") as file:
        sealing.seal(pack, [made.public], file)
    return to


def plain(name: str) -> Callable[[tarfile.TarFile], None]:
    def write(tar: tarfile.TarFile) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = 3
        tar.addfile(entry, io.BytesIO(b"abc"))

    return write


def link(tar: tarfile.TarFile) -> None:
    entry = tarfile.TarInfo("host/etc")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
    tar.addfile(entry)


STRANGE = {
    "a path that leads out": plain("host/../../../etc/cron.d/x"),
    "an absolute path": plain("/etc/cron.d/x"),
    "a link": link,
    "a file of another kind": plain("surprise"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_does_not_belong_in_one_is_refused(made: Made, fresh: Host, what: str) -> None:
    file = sealed(made, fresh.root.parent / "strange.age", STRANGE[what])

    with (
        pytest.raises(KubeceptionError, match="does not belong in a backup"),
        backups.opened(fresh, file, made.key),
    ):
        pass

    assert left(fresh) == []


def test_a_file_that_no_host_keeps_for_its_cluster_is_refused(made: Made, fresh: Host) -> None:
    file = sealed(made, fresh.root.parent / "strange.age", plain("host/etc/cron.d/x"))

    with (
        pytest.raises(KubeceptionError, match=r"/etc/cron\.d/x: does not belong in a backup"),
        backups.opened(fresh, file, made.key),
    ):
        pass


def test_a_fresh_host_gets_all_of_it_once(made: Made, fresh: Host) -> None:
    with backups.opened(fresh, made.file, made.key) as found:
        for _ in range(2):
            with Session(found.config, fresh) as session:
                backups.require_room_for(session, found)
                backups.place(session, found)
        for path, at in found.files.items():
            assert fresh.real(path).read_bytes() == at.read_bytes()
    assert oct(fresh.real(PKI.ca.key).stat().st_mode & 0o777) == "0o600"
    assert not list(fresh.root.rglob("*.old"))


@pytest.mark.parametrize("path", [PKI.ca.certificate, PKI.etcd_ca.key, PKI.service_account_key])
def test_a_host_of_another_cluster_keeps_what_it_has(
    rig: Rig, made: Made, fresh: Host, path: Path
) -> None:
    other = PKI.front_proxy_ca.certificate if path.suffix == ".crt" else PKI.front_proxy_ca.key
    fresh.real(path).parent.mkdir(parents=True)
    fresh.real(path).write_bytes((rig.root / other.relative_to("/")).read_bytes())

    with (
        backups.opened(fresh, made.file, made.key) as found,
        Session(found.config, fresh) as session,
        pytest.raises(PreflightError, match=f"{path}: is another cluster's"),
    ):
        backups.require_room_for(session, found)


def test_a_file_that_is_there_stays(rig: Rig, made: Made) -> None:
    before = made.file.read_bytes()
    with rig.session() as session, pytest.raises(KubeceptionError, match="is there already"):
        backups.make(session, [made.public], made.file)
    assert made.file.read_bytes() == before


def test_a_key_file_without_a_key_is_told(made: Made, fresh: Host) -> None:
    empty = fresh.root.parent / "empty"
    empty.write_text("# nothing\n")

    with (
        pytest.raises(KubeceptionError, match="has no private key of age"),
        backups.opened(fresh, made.file, empty),
    ):
        pass


@pytest.mark.parametrize("text", ["", "age1xyz", "AGE-SECRET-KEY-1QQ", "ssh-ed25519 AAAA"])
def test_a_recipient_that_is_none_is_told(text: str) -> None:
    assert "is no public key of age" in str(sealing.problem(text))
