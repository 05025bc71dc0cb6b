"""A bundle from elsewhere gets nowhere by its list, its links or its archives.

These also run as root, and against code that somebody has broken: whatever is absolute here lies in
/proc, where nobody makes or removes anything, and whatever is endless ends at `bounded`.
"""

import contextlib
import io
import json
import os
import resource
import socket
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kubeception.bundle import contents, output, python
from kubeception.bundle.install import install, installed
from kubeception.cli.bundle import bundle as command
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.versions import LISTING

MakeBundle = Callable[[str], Path]
Spoil = Callable[[Path], None]
KEPT = "a plain path below bin, images or lib (not lib/python)"
SUM = "ab" * 32


@pytest.fixture
def folder(make_bundle: MakeBundle) -> Path:
    """A bundle's folder, good until something is done to it."""
    return make_bundle("3.7.3")


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Have code that believes a bundle fail before it fills the memory or the disk."""
    limits = {resource.RLIMIT_AS: 4 << 30, resource.RLIMIT_FSIZE: 64 << 20}
    before = {which: resource.getrlimit(which) for which in limits}
    try:
        for which, most in limits.items():
            resource.setrlimit(which, (most, before[which][1]))
        yield
    finally:
        for which, limit in before.items():
            resource.setrlimit(which, limit)


def tree(at: Path) -> dict[str, object]:
    """Return what is below a folder, with what is in it."""
    found = {str(path.relative_to(at)): path for path in at.rglob("*")}
    return {
        name: path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        for name, path in found.items()
    }


def edit(folder: Path, change: Callable[[Any], object]) -> None:
    listed = json.loads((folder / LISTING).read_bytes())
    change(listed)
    (folder / LISTING).write_text(json.dumps(listed))


def refused(folder: Path, root: Path) -> list[str]:
    """Have an import refused that leaves nothing behind, and return what it said."""
    (root / "opt/kubeception").mkdir(parents=True)
    before = tree(root.parent)
    with bounded(), pytest.raises(KubeceptionError) as caught:
        install(folder, root)
    after = tree(root.parent)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    # The lock that keeps two imports apart.
    assert changed <= {
        f"{root.name}/run",
        *(f"{root.name}/run/kubeception{e}" for e in ("", "/lock", "/lock.wanted")),
    }
    assert caught.value.hint
    return caught.value.message.splitlines()


# What a list says of one thing, and the line for it.
VALUES: list[tuple[tuple[str | int, ...], object, str]] = [
    *(
        (("version",), value, f"{shown} is not a bundle's version such as 1.37.1-1d96a521")
        for value, shown in (
            ("../../etc/cron.d", '"../../etc/cron.d"'),
            ("1.37.1-/../../../etc", '"1.37.1-/../../../etc"'),
            ("/proc/x", '"/proc/x"'),
            ("", '""'),
            (".", '"."'),
            ("current", '"current"'),
            ("1.37.1-1\n", r'"1.37.1-1\n"'),
            (7, "7"),
            (None, "null"),
        )
    ),
    *(
        (("files", 0, "path"), value, f"{shown} is not {KEPT}")
        for value, shown in (
            ("../../../etc/cron.d/x", '"../../../etc/cron.d/x"'),
            ("/proc/x", '"/proc/x"'),
            ("bin/../../x", '"bin/../../x"'),
            ("bin/./etcd", '"bin/./etcd"'),
            ("bin//etcd", '"bin//etcd"'),
            ("bin/etcd/", '"bin/etcd/"'),
            ("bin/etcd\n", r'"bin/etcd\n"'),
            ("bin/\x1b[2J\x9b\u202e", r'"bin/\u001b[2J\u009b\u202e"'),
            ("bin/a\0b", r'"bin/a\u0000b"'),
            ("bundle.json", '"bundle.json"'),
            ("etc/passwd", '"etc/passwd"'),
            ("bin/.hidden", '"bin/.hidden"'),
            ("lib/python", '"lib/python"'),
            ("lib/python/sitecustomize.py", '"lib/python/sitecustomize.py"'),
            (f"bin/{'x' * 253}", f'"bin/{"x" * 75}'),
            (["bin/etcd"], "an array"),
        )
    ),
    *(
        (("files", 0, "size"), value, f"{value} is not a size in bytes of 1 GiB at most")
        for value in (-1, (1 << 30) + 1, 10**30)
    ),
    *(
        (("files", 0, "sha256"), value, f'"{value}" is not a SHA-256 in hex')
        for value in ("ab", SUM.upper(), SUM + "00")
    ),
    (("files", 0), 7, "7 is not an object"),
    (("files", 0, "component"), "a b", '"a b" is not the name of a component'),
    *(
        (("python",), value, f"{shown} is not a name of Python such as python3.11")
        for value, shown in (
            ("python3; reboot #", '"python3; reboot #"'),
            ("python3\nreboot", r'"python3\nreboot"'),
            ("$(reboot)", '"$(reboot)"'),
            ("/tmp/python3", '"/tmp/python3"'),
            ("sh -c reboot", '"sh -c reboot"'),
        )
    ),
    (("architecture",), "amd64 `reboot`", '"amd64 `reboot`" is not an architecture such as amd64'),
    (
        ("kubernetes",),
        "1.37.1\nKubernetes 1.36.0",
        r'"1.37.1\nKubernetes 1.36.0" is not a version of Kubernetes such as 1.37.1',
    ),
    (
        ("kubernetes",),
        "1." + "9" * 5000 + ".1",
        f'"1.{"9" * 77} is not a version of Kubernetes such as 1.37.1',
    ),
    (("components", "etcd"), "3.7 3", '"3.7 3" is not a version'),
    (("components",), ["etcd"], "an array is not an object"),
    (
        ("images", "etcd"),
        'x"\n[plugins]\nsandbox = "evil',
        r'"x\"\n[plugins]\nsandbox = \"evil" is not the name of an image',
    ),
    (("images", "etcd"), "x,name!=y", '"x,name!=y" is not the name of an image'),
    (("images", "etcd"), "--all", '"--all" is not the name of an image'),
]


@pytest.mark.parametrize(
    ("where", "value", "line"), VALUES, ids=[f"{w[-1]}-{n}" for n, (w, *_) in enumerate(VALUES)]
)
def test_a_list_that_leads_elsewhere_is_refused_with_a_line(
    folder: Path, tmp_path: Path, where: tuple[str | int, ...], value: object, line: str
) -> None:
    def change(listed: Any) -> None:
        for part in where[:-1]:
            listed = listed[part]
        listed[where[-1]] = value

    edit(folder, change)

    at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)[1:]
    assert refused(folder, tmp_path / "host") == [f"{folder}/bundle.json: {at}: {line}"]
    with pytest.raises(KubeceptionError, match=r"bundle\.json: "):
        contents.verify(folder)


NAME = "a name of small letters, digits and dashes"


def twice(listed: Any) -> None:
    listed["files"].append(listed["files"][0])


def within(listed: Any) -> None:
    listed["files"].append({**listed["files"][0], "path": "bin/etcd/x", "component": ""})


# What is done to a list, and the line for it.
LISTS: list[tuple[Callable[[Any], object], list[str]]] = [
    (lambda it: it["images"].update({"../x": "x"}), [f'images: "../x" is not {NAME}']),
    (lambda it: it["components"].update({"a\nb": "1"}), [rf'components: "a\nb" is not {NAME}']),
    (lambda it: it.pop("version"), ["version: missing"]),
    (lambda it: it["files"][0].pop("sha256"), ["files[0].sha256: missing"]),
    (lambda it: it.update(files={}), ["files: an object is not an array"]),
    (
        lambda it: it["images"].update(other="x"),
        ["images.other: there is no images/other.tar in files"],
    ),
    (
        lambda it: it["files"][0].update(component="gone"),
        ["files[0].component: there is no gone in components"],
    ),
    (
        twice,
        [f"files[{number}].path: bin/cni/bridge is there 2 times" for number in (0, 5)],
    ),
    (within, ["files[5].path: bin/etcd/x lies in bin/etcd, which is a file"]),
    (
        lambda it: it.update(version="../x", python="sh -c", files=[{"path": "/proc/x"}]),
        [
            'version: "../x" is not a bundle\'s version such as 1.37.1-1d96a521',
            'python: "sh -c" is not a name of Python such as python3.11',
            f'files[0].path: "/proc/x" is not {KEPT}',
            "files[0].size: missing",
            "files[0].sha256: missing",
        ],
    ),
]


@pytest.mark.parametrize(("change", "lines"), LISTS, ids=[lines[0] for _, lines in LISTS])
def test_all_that_is_wrong_with_a_list_is_said_at_once(
    folder: Path, tmp_path: Path, change: Callable[[Any], object], lines: list[str]
) -> None:
    edit(folder, change)

    said = refused(folder, tmp_path / "host")
    assert sorted(said) == sorted(f"{folder}/bundle.json: {line}" for line in lines)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\xff{", "not a bundle's list: "),
        (b'{"files":' + b"[" * 200_000, "not a bundle's list: "),
        (b'{"version": "\x1b[2J"}', "not a bundle's list: "),
        (b"[]", "an array is not an object"),
        (b"{}" + b" " * (1 << 20), "has more than 1 MiB"),
    ],
)
def test_a_list_that_is_none_is_refused(
    folder: Path, tmp_path: Path, content: bytes, line: str
) -> None:
    (folder / LISTING).write_bytes(content)

    [said] = refused(folder, tmp_path / "host")
    assert said.startswith(f"{folder}/bundle.json: {line}")
    assert said.isprintable()


def replaced(name: str, make: Callable[[Path], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).rename(folder.parent / "aside")
        make(folder / name)

    return spoil


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(path.parent)  # a longer name than a socket may have
        listening.bind(path.name)
        os.chdir(here)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 42)


LINK = "not a regular file"
FOLDERS: Mapping[str, tuple[Spoil, str]] = {
    "an endless file": (
        replaced("bin/etcd", lambda path: path.symlink_to("/dev/zero")),
        f"bin/etcd: {LINK}",
    ),
    "a link out of it": (
        replaced("bin/etcd", lambda path: path.symlink_to("../../aside")),
        f"bin/etcd: {LINK}",
    ),
    "a link to nothing": (
        replaced("bin/etcd", lambda path: path.symlink_to("/proc/x")),
        f"bin/etcd: {LINK}",
    ),
    "a pipe": (replaced("images/etcd.tar", os.mkfifo), f"images/etcd.tar: {LINK}"),
    "a socket": (replaced("bin/etcd", a_socket), f"bin/etcd: {LINK}"),
    "a folder": (replaced("bin/etcd", os.mkdir), f"bin/etcd: {LINK}"),
    "a folder that is a link": (
        replaced("bin/cni", lambda path: path.symlink_to("../../aside")),
        "bin/cni/bridge: behind a link",
    ),
    "a sparse file": (
        replaced("bin/etcd", sparse),
        f"bin/etcd: {1 << 42} bytes instead of 34",
    ),
    "a file where a folder should be": (
        replaced("bin/cni", Path.touch),
        "bin/cni/bridge: missing",
    ),
    "an endless list": (
        replaced(LISTING, lambda path: path.symlink_to("/dev/zero")),
        f"{LISTING}: {LINK}",
    ),
    "a list that is a pipe": (replaced(LISTING, os.mkfifo), f"{LISTING}: {LINK}"),
    "a sparse list": (replaced(LISTING, sparse), f"{LISTING}: has more than 1 MiB"),
}


@pytest.mark.parametrize("linked", [False, True], ids=["copied", "linked"])
@pytest.mark.parametrize(("spoil", "line"), FOLDERS.values(), ids=FOLDERS)
def test_only_regular_files_of_a_bundle_count(
    folder: Path, tmp_path: Path, spoil: Spoil, line: str, linked: bool
) -> None:
    spoil(folder)

    for check in (contents.verify, lambda at: install(at, tmp_path / "host", linked=linked)):
        with bounded(), pytest.raises(KubeceptionError) as caught:
            check(folder)
        assert caught.value.message == f"{folder}/{line}"
    assert not list((tmp_path / "host").rglob("*etcd*"))


def test_what_no_disk_holds_is_refused_before_a_byte_is_copied(
    folder: Path, tmp_path: Path
) -> None:
    free = os.statvfs(tmp_path)
    giants = (free.f_bavail * free.f_frsize >> 30) + 2

    def change(listed: Any) -> None:
        for number in range(giants):
            path = f"images/giant-{number}.tar"
            listed["files"].append({"path": path, "size": 1 << 30, "sha256": SUM})
            with (folder / path).open("wb") as file:
                file.truncate(1 << 30)

    edit(folder, change)

    [said] = refused_before_copying(folder, tmp_path / "host")
    assert " MB are free, the bundle has " in said


def refused_before_copying(folder: Path, root: Path) -> list[str]:
    with bounded(), pytest.raises(KubeceptionError) as caught:
        install(folder, root)
    assert list((root / "opt/kubeception").iterdir()) == []
    return caught.value.message.splitlines()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, link
    return header


def a_tar(*members: tarfile.TarInfo, mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as tar:  # type: ignore[call-overload]
        for header in members:
            tar.addfile(header)
    return made.getvalue()


def sparse_tar() -> bytes:
    """Return a tar whose one member says that it has a terabyte, all of it holes."""
    header = member(f"{python.FOLDER}/x", tarfile.GNUTYPE_SPARSE)
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = (1 << 40).to_bytes(12, "big")
    block[483] |= 0x80
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


IN = python.FOLDER
PLAIN = "is no plain path"
STRANGE = "is neither a plain file nor a folder"
OUTSIDE = f"is not below {IN}"
TARS: Mapping[str, tuple[bytes, str]] = {
    "climbs": (a_tar(member(f"{IN}/../../../../x")), f"'{IN}/../../../../x' {PLAIN}"),
    "climbs at once": (a_tar(member("../x")), f"'../x' {PLAIN}"),
    "is absolute": (a_tar(member("/proc/x")), f"'/proc/x' {OUTSIDE}"),
    "is elsewhere": (a_tar(member("etc/x")), f"'etc/x' {OUTSIDE}"),
    "is beside": (a_tar(member(f"{IN}x/y")), f"'{IN}x/y' {OUTSIDE}"),
    "is a file where a folder is": (a_tar(member("opt")), f"'opt' {OUTSIDE}"),
    "is a folder elsewhere": (a_tar(member("etc", tarfile.DIRTYPE)), f"'etc' {OUTSIDE}"),
    "is a link": (a_tar(member(f"{IN}/x", tarfile.SYMTYPE, "/proc/x")), f"'{IN}/x' {STRANGE}"),
    "is a hard link": (
        a_tar(member(f"{IN}/x", tarfile.LNKTYPE, "/proc/x")),
        f"'{IN}/x' {STRANGE}",
    ),
    "is a pipe": (a_tar(member(f"{IN}/x", tarfile.FIFOTYPE)), f"'{IN}/x' {STRANGE}"),
    "is a device": (a_tar(member(f"{IN}/x", tarfile.CHRTYPE)), f"'{IN}/x' {STRANGE}"),
    "is a terabyte of holes": (sparse_tar(), f"'{IN}/x' {STRANGE}"),
    "has a name for a terminal": (a_tar(member("\x1b[2J")), rf"'\x1b[2J' {OUTSIDE}"),
    "is compressed": (a_tar(member(f"{IN}/x"), mode="w:gz"), "not a tar: "),
    "is none": (b"x" * 1024, "not a tar: "),
}


def with_tar(folder: Path, content: bytes) -> None:
    """Have a bundle bring another kubeception.tar, with a digest that is right."""
    path = folder / "lib/kubeception.tar"
    path.unlink()
    path.write_bytes(content)

    def change(listed: Any) -> None:
        [file] = [file for file in listed["files"] if file["path"] == "lib/kubeception.tar"]
        file.update(size=len(content), sha256=files.digest(path))

    edit(folder, change)


@pytest.mark.parametrize(("content", "line"), TARS.values(), ids=TARS)
def test_an_archive_is_unpacked_only_to_where_it_belongs(
    folder: Path, tmp_path: Path, content: bytes, line: str
) -> None:
    with_tar(folder, content)

    [said] = refused(folder, tmp_path / "host")

    assert said.startswith(f"{folder}/lib/kubeception.tar: {line}")
    assert said.isprintable()


def test_all_strange_members_of_an_archive_are_named(folder: Path, tmp_path: Path) -> None:
    with_tar(folder, a_tar(member("../x"), member(f"{IN}/good"), member("etc/x")))

    said = refused(folder, tmp_path / "host")
    assert [line.partition(".tar: ")[2] for line in said] == [
        f"'../x' {PLAIN}",
        f"'etc/x' {OUTSIDE}",
    ]


def test_what_is_unpacked_is_roots_alone_to_write_and_runs_as_whoever_runs_it(
    folder: Path, tmp_path: Path
) -> None:
    header = member(f"{IN}/x")
    header.mode = 0o6777
    with_tar(folder, a_tar(header))

    install(folder, tmp_path / "host")

    path = tmp_path / "host/opt/kubeception/current/lib/python/x"
    assert files.mode_of(path) == 0o755


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """What a program of the bundle leaves where it has run."""
    return tmp_path / "ran"


@pytest.fixture
def running(folder: Path, ran: Path) -> Path:
    """A bundle, as it should be, whose programs tell that they have run."""
    for name in ("bin/etcd", "bin/cni/bridge"):
        path = folder / name
        path.unlink()
        files.write(path, f"#!/bin/sh\ntouch {ran}\necho 3.7.3\n", mode=0o755)

    def change(listed: Any) -> None:
        for file in listed["files"]:
            path = folder / file["path"]
            file.update(size=path.stat().st_size, sha256=files.digest(path))

    edit(folder, change)
    return folder


def test_nothing_of_a_bundle_runs_when_it_is_looked_at_and_imported(
    running: Path, ran: Path, tmp_path: Path
) -> None:
    contents.verify(running)
    for words in (["show", str(running)], ["verify", str(running)]):
        assert CliRunner().invoke(command, words).exit_code == 0
    install(running, tmp_path / "host")

    assert not ran.exists()


def test_programs_are_linked_by_their_place_and_not_by_their_name(
    folder: Path, tmp_path: Path
) -> None:
    def change(listed: Any) -> None:
        for name in ("lib/kubelet", "images/kubectl", "bin/cni/more/runc"):
            listed["files"].append({"path": name, "size": 0, "sha256": files.digest(folder / name)})

    for name in ("lib/kubelet", "images/kubectl", "bin/cni/more/runc"):
        files.write(folder / name, "")
    edit(folder, change)

    install(folder, tmp_path / "host")

    names = {
        p.name
        for at in ("usr/local/bin", "opt/cni/bin")
        for p in (tmp_path / "host" / at).iterdir()
    }
    assert names == {"etcd", "bridge", "kubeception"}


def test_another_bundle_of_a_name_is_not_taken_for_one_that_is_there(
    folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    install(folder, root)
    there = root / "opt/kubeception" / contents.load(folder).version
    edit(folder, lambda listed: listed["files"][0].update(sha256=SUM))

    with pytest.raises(KubeceptionError, match="another bundle of that name is there") as caught:
        install(folder, root)

    assert caught.value.hint == f"mv {there} {there}.old"
    contents.verify(there)


def test_a_version_that_is_a_link_on_the_host_is_not_followed(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "host/opt/kubeception" / contents.load(folder).version
    (tmp_path / "elsewhere").mkdir()
    there.parent.mkdir(parents=True)
    there.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KubeceptionError, match="a link, not a folder"):
        install(folder, tmp_path / "host")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("target", ["/proc/x", "../../../../../../../../proc/x"])
@pytest.mark.parametrize(
    "name", ["opt", "opt/kubeception", "opt/cni/bin", "usr/local", "usr/local/bin", "run"]
)
def test_links_of_a_root_lead_nowhere_out_of_it(
    folder: Path, tmp_path: Path, name: str, target: str
) -> None:
    root = tmp_path / "host"
    (root / name).parent.mkdir(parents=True)
    (root / name).symlink_to(target)
    install(folder, root)

    assert list((root / "proc/x").iterdir())
    assert [one.problem for one in installed(root)] == [None]


def test_a_launcher_that_is_a_link_is_replaced_unread(folder: Path, tmp_path: Path) -> None:
    install(folder, tmp_path / "host")
    launcher = tmp_path / "host/usr/local/bin/kubeception"
    elsewhere = launcher.rename(tmp_path / "elsewhere")
    launcher.symlink_to(elsewhere)

    assert len(install(folder, tmp_path / "host")) == 1
    assert not launcher.is_symlink()


def test_a_build_into_a_bundle_from_elsewhere_lands_in_that_folder(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "bin/cni").rename(tmp_path / "aside")
    (folder / "bin/cni").symlink_to(tmp_path / "elsewhere")
    (folder / "bin/etcd").rename(tmp_path / "etcd")
    (folder / "bin/etcd").symlink_to(tmp_path / "etcd")
    bundle = contents.load(folder)
    made = {Path(file.path).name: file for file in bundle.files}
    sources = {made[path.name]: path for path in (tmp_path / "made-3.7.3").iterdir()}

    output.lay_out(folder, bundle, sources)

    contents.verify(folder)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def sum_of(folder: Path) -> str:
    return files.digest(folder / LISTING)


def test_a_bundle_is_imported_by_the_sum_of_its_list(folder: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(command, ["show", str(folder)]).output.splitlines()
    root = tmp_path / "host"
    words = ["import", str(folder), "--root", str(root), "--sha256", sum_of(folder)]

    done = CliRunner().invoke(command, words)

    assert f"sha256 {sum_of(folder)}" in shown
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "5 changes")
    assert sum_of(root / "opt/kubeception/current") == sum_of(folder)


@pytest.mark.parametrize("content", [None, b"no list at all", b'{"version": "../x"}'])
def test_another_sum_is_refused_before_anything_is_believed(
    folder: Path, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (folder / LISTING).write_bytes(content)

    with pytest.raises(KubeceptionError) as caught:
        install(folder, tmp_path / "host", sha256=SUM)

    assert caught.value.message == (
        f"{folder}/bundle.json: its SHA-256 is {sum_of(folder)} instead of {SUM}"
    )
    words = ["import", str(folder), "--root", str(tmp_path / "host"), "--sha256", SUM]
    assert CliRunner().invoke(command, words).exit_code == 1
    assert not (tmp_path / "host").exists()


@pytest.mark.parametrize("wrong", ["", "ab", SUM + "0", f"{SUM[:-1]}\n", SUM.upper(), "g" * 64])
def test_what_is_no_sum_is_wrong_usage(folder: Path, tmp_path: Path, wrong: str) -> None:
    words = ["import", str(folder), "--root", str(tmp_path / "host"), "--sha256", wrong]

    done = CliRunner().invoke(command, words)

    assert done.exit_code == 2
    assert not (tmp_path / "host").exists()


def test_a_list_of_the_version_before_is_imported(folder: Path, tmp_path: Path) -> None:
    """It said no date, and of a file's component nothing where it had none."""
    first = ("version", "kubernetes", "architecture", "python", "components", "images", "files")
    listed = json.loads((folder / LISTING).read_bytes())
    (folder / LISTING).write_text(json.dumps({name: listed[name] for name in first}, indent=1))

    assert len(install(folder, tmp_path / "host")) == 5
    contents.verify(tmp_path / "host/opt/kubeception/current")
