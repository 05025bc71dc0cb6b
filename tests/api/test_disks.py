"""Files stay whole whatever ends a write: SIGKILL, a power cut, or a disk that is full or read-only
and told.
"""

import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import Note
from tests.fixed import CONFIG
from tests.unit.sessions import session_of
from tests.unit.told import told

from kubeception.diagnosis import disks
from kubeception.errors import KubeceptionError
from kubeception.host import files, lock
from kubeception.host.process import run
from kubeception.keeper import network_watch
from kubeception.keeper.pod_place import PodPlace
from kubeception.keeper.trouble import Reason
from kubeception.lab import disk
from kubeception.preflight import programs
from kubeception.preflight.host_state import HostState
from kubeception.resources.file import File
from kubeception.session import Session

Mounted = Callable[..., Path]
WRITERS: dict[str, Callable[[Path], None]] = {
    "write": lambda folder: files.write(folder / "file", "new" * 100_000),
    "write anew": lambda folder: files.write(folder / "another", "new" * 100_000),
    "make a folder": lambda folder: files.make_folder(folder / "folder"),
    "link": lambda folder: files.link(folder / "file", Path("elsewhere")),
    "remove": lambda folder: files.remove(folder / "file"),
    "remove an empty folder": lambda folder: files.remove_empty(folder / "kept"),
    "discard": lambda folder: files.discard(folder / "kept"),
    "lock": lambda folder: lock.hold(folder / "lock", "a test").__enter__(),
}


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mounted]:
    """Give a small disk with a file and a folder on it; it goes with the test."""
    with ExitStack() as made:

        def mount(options: str) -> Path:
            run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", tmp_path])
            made.callback(run, ["umount", tmp_path])
            (tmp_path / "kept").mkdir()
            files.write(tmp_path / "file", "old")
            return tmp_path

        yield mount


def remount(folder: Path, options: str) -> None:
    run(["mount", "-o", f"remount,{options}", folder])


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_writer_that_is_killed_at_any_time_leaves_the_old_or_the_new_file(
    tmp_path: Path, note: Note
) -> None:
    """Two hundred times, each writer finding what the one before it left."""
    path = tmp_path / "file"
    files.write(path, "0" * 200_000, mode=0o640)
    seed = random.randrange(10_000)
    chance, left = random.Random(seed), 0
    for _ in range(200):
        writer = os.fork()
        if writer == 0:
            for n in itertools.count():
                files.write(path, str(n % 10) * 200_000, mode=0o640)
        # However long it takes: it is to be killed at a time that nobody chose.
        time.sleep(chance.uniform(0.0, 0.005))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)

        content = path.read_text()
        assert len(content) == 200_000 and len(set(content)) == 1, f"seed {seed}"
        assert files.mode_of(path) == 0o640, f"seed {seed}"
        names = {entry.name for entry in tmp_path.iterdir()} - {path.name}
        assert names <= {files.unfinished(path).name}, f"seed {seed}"
        left += len(names)

    note(f"200 writers of a file killed (seed {seed}), {left} of them with an unfinished one")
    assert left > 0, f"seed {seed}: no writer was killed while it wrote"
    files.write(path, "done")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# What tells that a change was made.
MADE: dict[str, Callable[[Path], bool]] = {
    "write": lambda folder: (folder / "file").read_text() == "new" * 100_000,
    "write anew": lambda folder: _read(folder / "another") == "new" * 100_000,
    "make a folder": lambda folder: (folder / "folder").is_dir(),
    "link": lambda folder: (folder / "file").is_symlink(),
    "remove": lambda folder: not (folder / "file").exists(),
    "remove an empty folder": lambda folder: not (folder / "kept").exists(),
    "discard": lambda folder: not (folder / "kept").exists(),
}


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A disk that can lose power, with a file and a folder on it."""
    image = tmp_path / "image"
    disk.make(image)
    with plugged_in(image, tmp_path / "disk") as folder:
        files.write(folder / "file", "old")
        files.make_folder(folder / "kept")
    return image


@contextmanager
def plugged_in(image: Path, at: Path) -> Iterator[Path]:
    """Mount a disk for a while; what is not synced is lost when its power is cut meanwhile."""
    at.mkdir(exist_ok=True)
    run(["mount", "-o", "loop", image, at])
    try:
        yield at
    finally:
        run(["umount", at])
        while disk.in_use(image):  # the kernel lets go of it a moment later
            time.sleep(0.01)


@pytest.mark.parametrize("name", MADE)
def test_what_was_said_to_be_done_outlives_a_power_cut(image: Path, name: str) -> None:
    at = image.with_name("disk")
    with plugged_in(image, at) as folder:
        WRITERS[name](folder)
        (folder / "careless").write_text("not synced")
        disk.cut(image, mounted_at=folder)

    with plugged_in(image, at) as folder:
        assert MADE[name](folder)
        assert not (folder / "careless").exists()


@pytest.mark.parametrize("name", ["write", "write anew"])
def test_a_full_disk_tears_no_file_and_is_told(mounted: Mounted, name: str) -> None:
    folder = mounted("size=64k")

    with pytest.raises(KubeceptionError, match="no space left on device") as failed:
        WRITERS[name](folder)

    assert failed.value.message.startswith(f"{folder}/")
    assert failed.value.hint == f"df {folder}"
    assert failed.value.exit_code == 1
    assert (folder / "file").read_text() == "old"
    assert names(folder) == {"file", "kept"}


def test_what_did_not_fit_is_written_once_there_is_space(mounted: Mounted) -> None:
    folder = mounted("size=64k")
    session = session_of(folder)
    wanted = File(Path("/file"), "new" * 100_000)
    with pytest.raises(KubeceptionError):
        wanted.apply(session)

    remount(folder, "size=1m")
    wanted.apply(session)

    assert wanted.drift(session) is None


def test_a_disk_without_room_for_one_more_name_is_told(mounted: Mounted) -> None:
    folder = mounted("nr_inodes=4")

    files.write(folder / "file", "newer")  # its last name is the temporary one
    (folder / "one more").touch()
    for name in ("write", "make a folder", "link"):
        with pytest.raises(KubeceptionError, match="no space left on device"):
            WRITERS[name](folder)

    assert (folder / "file").read_text() == "newer"


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_disk_is_told_and_keeps_what_it_has(mounted: Mounted, name: str) -> None:
    folder = mounted("size=1m")
    remount(folder, "ro")

    with pytest.raises(KubeceptionError, match="read-only file system") as failed:
        WRITERS[name](folder)

    assert failed.value.message.startswith(f"{folder}/")
    assert failed.value.hint == f"findmnt --target {folder}"
    assert (folder / "file").read_text() == "old"
    assert names(folder) == {"file", "kept"}
    remount(folder, "rw")
    WRITERS[name](folder)


def test_a_command_on_a_read_only_disk_says_so_and_ends_with_1(
    mounted: Mounted, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = mounted("size=64k")
    bundle = tmp_path_factory.mktemp("bundle")
    empty: dict[str, Any] = {
        "version": "1.0.0-1",
        "kubernetes": "1.0.0",
        "architecture": "amd64",
        "python": "python3",
    }
    empty |= {"components": {}, "images": {}, "files": []}
    (bundle / "bundle.json").write_text(json.dumps(empty))
    remount(folder, "ro")

    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "kubeception",
        "bundle",
        "import",
        bundle,
        "--root",
        folder,
    ]
    done = run(argv, check=False, env={"PYTHONPATH": os.pathsep.join(sys.path)})

    assert done.code == 1
    assert done.stderr.splitlines()[0] == f"error: {folder}/run: read-only file system"
    assert done.stderr.splitlines()[1].startswith("hint: findmnt")
    assert "Traceback" not in done.stderr


def test_a_library_on_a_disk_without_programs_is_told_with_what_mends_it(mounted: Mounted) -> None:
    folder = mounted("size=8m,noexec,nodev")
    shutil.copytree(Path(msgspec.__file__).parent, folder / "msgspec")
    argv = [sys.executable, "-P", "-m", "kubeception", "preflight", "--help"]
    ours = {"PYTHONPATH": os.pathsep.join((str(folder), *sys.path))}

    done = run(argv, check=False, env=ours)

    told, hint = done.stderr.splitlines()
    assert done.code == 3
    assert told.startswith(
        f"error: {folder}: is mounted noexec, so that no program runs from there"
    )
    assert f"{folder}/msgspec/_core" in told
    run(hint.removeprefix("hint: ").split())
    assert run(argv, env=ours).stdout.startswith("Usage: ")
    assert "nodev" in run(["findmnt", "--noheadings", "--output=OPTIONS", folder]).stdout


def test_programs_on_a_disk_that_runs_none_are_told_with_what_mends_it(mounted: Mounted) -> None:
    """Here a folder that is bound to itself; links there do no harm, nor do programs elsewhere."""
    folder = mounted("size=1m") / "own"
    folder.mkdir()
    run(["mount", "--bind", folder, folder])
    remount(folder, "bind,noexec")
    seen = HostState(session_of(folder))
    at = seen.layout
    for path in (at.launchers / "kubeception", at.bundles / "1.0/bin/etcd"):
        files.write(path, "#!/bin/sh\n", mode=0o755)
    at.bundle.symlink_to("1.0")
    (at.launchers / "etcd").symlink_to("/opt/kubeception/current/bin/etcd")
    (at.launchers / "kubelet").symlink_to("/nowhere")

    [found] = programs.may_run(seen)

    assert found.check == f"Exec-{str(folder).replace('/', '-')}"
    assert found.problem == (
        f"{folder}: is mounted noexec, so that no program runs from there: kubeception, etcd"
    )
    run(found.hint.split())
    run([at.launchers / "kubeception"])
    assert list(programs.may_run(seen)) == []
    run(["umount", folder])


WRITABLE = "the disks to take what is written to them"
AT = CONFIG.layout


@contextmanager
def mounted_at(session: Session, path: Path, options: str) -> Iterator[Path]:
    """Give one of a host's folders a file system of its own for a while."""
    folder = session.host.at(path)
    folder.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder])
    try:
        yield folder
    finally:
        run(["umount", folder])


@pytest.mark.parametrize("is_worker", [False, True], ids=["control plane", "worker"])
@pytest.mark.parametrize("options", ["remount,ro", "remount,ro,bind"])
@pytest.mark.parametrize(
    "path",
    [
        *(AT.containerd.state, AT.kubelet.state, AT.kubelet.pod_logs, AT.pki.folder),
        *(Path("/var/lib/cni"), Path("/run"), Path("/", "tmp")),
    ],
    ids=str,
)
def test_a_disk_that_goes_read_only_under_a_host_that_runs_is_told_with_what_mends_it(
    path: Path, options: str, tmp_path: Path, *, is_worker: bool
) -> None:
    session = session_of(tmp_path)
    if is_worker:
        files.write(session.layout.membership, "{}")
    with mounted_at(session, path, "size=16m") as folder:
        assert told(session, WRITABLE, is_worker=is_worker) is None
        assert list(disks.look(session)) == []
        run(["mount", "-o", options, folder])

        (found,) = disks.look(session)
        assert path in {found.folder, *found.folder.parents}
        assert found.problem == "its file system is read-only"
        assert told(session, WRITABLE, is_worker=is_worker) == f"{found} ({found.hint})"
        trouble = network_watch.look(session, PodPlace(session))
        assert trouble and trouble.reason is Reason.DISK
        assert trouble.words.startswith(f"a disk takes nothing any more: {found.folder}: ")

        *_, mend = found.hint.rpartition(": ")
        run(["sh", "-c", mend])
        (folder / "file").touch()
        assert list(disks.look(session)) == []


def test_a_disk_that_fails_under_a_host_that_runs_is_told(image: Path, tmp_path: Path) -> None:
    """As ext4 does by itself on Debian: it goes on, and takes nothing any more."""
    session = session_of(tmp_path)
    at = session.host.at(AT.kubelet.state)
    at.parent.mkdir(parents=True)
    with plugged_in(image, at) as folder:
        run(["mount", "-o", "remount,errors=remount-ro", folder])
        assert list(disks.look(session)) == []
        major, minor = os.major(folder.stat().st_dev), os.minor(folder.stat().st_dev)
        device = Path(f"/sys/dev/block/{major}:{minor}").resolve().name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
        with pytest.raises(OSError, match="Read-only"):
            (folder / "another").touch()

        (found,) = disks.look(session)

    assert (found.folder, found.problem) == (AT.kubelet.state, "its file system is read-only")
    assert found.hint.startswith("dmesg says why, and where its disk has failed reboot; ")


def test_a_disk_that_answers_nobody_any_more_is_told(image: Path, tmp_path: Path) -> None:
    session, above = session_of(tmp_path), AT.kubelet.pod_logs.parent
    at = session.host.at(above)
    at.parent.mkdir(parents=True)
    with plugged_in(image, at) as folder:
        (folder / AT.kubelet.pod_logs.name).mkdir()
    with plugged_in(image, at) as folder:  # where nothing of it is remembered
        disk.cut(image, mounted_at=folder)
        said = told(session, WRITABLE, is_worker=True)

    assert str(said).startswith(f"{AT.kubelet.pod_logs}: its file system ")
    assert "(dmesg says why, and where its disk has failed reboot" in str(said)


def test_etcds_disk_is_a_control_planes_business(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    with mounted_at(session, AT.etcd.state, "size=16m,ro"):
        assert [one.folder for one in disks.look(session)] == [AT.etcd.state]
        files.write(session.layout.membership, "{}")
        assert list(disks.look(session)) == []


def test_a_disk_of_several_folders_is_told_once(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    with mounted_at(session, Path("/var"), "size=2m"):  # less than programs need
        (found,) = disks.look(session)

    assert found.problem == "its file system is full"
    assert found.hint.endswith(f"du -x -d 1 -h {tmp_path}/var | sort -h")
