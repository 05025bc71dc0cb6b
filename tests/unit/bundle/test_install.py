"""A bundle gets onto a host whole, once, and without touching what isn't ours."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs
from tests.fixed import SETTINGS

from kubeception import __version__
from kubeception.bundle import contents
from kubeception.bundle.install import install, installed, prune
from kubeception.cli.bundle import bundle
from kubeception.config import cluster
from kubeception.config.cluster import Copy
from kubeception.errors import KubeceptionError, Locked, PreflightError
from kubeception.host import files, lock
from kubeception.host.process import run
from kubeception.layout import HOST_VARIABLE, PYTHON_VARIABLES

MakeBundle = Callable[..., Path]


def put(bundle: Path, root: Path) -> list[str]:
    # Links instead of copies: nothing waits for the disk.
    return install(bundle, root, linked=True)


def test_a_host_has_programs_plugins_and_a_launcher(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    put(make_bundle("3.7.3"), root)

    version = contents.load(root / "opt/kubeception/current").version
    assert (root / "opt/kubeception/current").readlink() == Path(version)
    assert (root / "usr/local/bin/etcd").readlink() == Path("/opt/kubeception/current/bin/etcd")
    assert (root / "opt/cni/bin/bridge").readlink() == Path(
        "/opt/kubeception/current/bin/cni/bridge"
    )
    library = root / "opt/kubeception/current/lib/python"
    assert sorted(path.name for path in library.iterdir()) == ["dependencies.py", "kubeception.py"]
    launcher = root / "usr/local/bin/kubeception"
    assert "/opt/kubeception/current/lib/python" in launcher.read_text()
    assert launcher.stat().st_mode & 0o111
    contents.verify(root / "opt/kubeception/current")


def test_the_second_time_changes_nothing(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle("3.7.3")

    assert put(bundle, tmp_path / "host")
    assert put(bundle, tmp_path / "host") == []


def test_a_newer_bundle_takes_over_and_the_old_one_stays(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    put(make_bundle("3.7.3"), root)
    old = (root / "opt/kubeception/current").readlink()
    changes = put(make_bundle("3.7.4"), root)

    assert len(changes) == 2
    assert (root / "opt/kubeception/current").readlink() != old
    assert (root / "opt/kubeception" / old / "bin/etcd").exists()


def test_those_side_by_side_are_listed_and_the_one_in_use(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    assert installed(root) == []
    for version in ("3.7.3", "3.7.4", "3.7.3"):
        put(make_bundle(version), root)
    files.write(root / "opt/kubeception/broken/bundle.json", "")
    (root / "opt/kubeception/image-12").mkdir()
    files.write(files.unfinished(root / "opt/kubeception/half") / "bundle.json", "")

    first, second = (
        contents.load(tmp_path / f"bundle-{version}").version for version in ("3.7.3", "3.7.4")
    )
    *found, broken = installed(root)
    assert {(one.name, one.kubernetes, one.in_use, one.problem) for one in found} == {
        (first, "1.37.1", True, None),
        (second, "1.37.1", False, None),
    }
    assert (broken.name, broken.kubernetes, broken.in_use) == ("broken", None, False)
    assert "broken/bundle.json: not a bundle's list" in str(broken.problem)


def test_one_whose_list_is_gone_is_put_there_again(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root, bundle = tmp_path / "host", make_bundle("3.7.3")
    put(bundle, root)
    (root / "opt/kubeception/current/bundle.json").write_text("")
    (root / "opt/kubeception/current/bin/etcd").unlink()

    assert len(put(bundle, root)) == 1
    contents.verify(root / "opt/kubeception/current")


def test_one_that_lost_a_file_is_put_there_again(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle, root = make_bundle("3.7.3"), tmp_path / "host"
    put(bundle, root)
    own = root / "opt/kubeception/current"
    (own / "bin/etcd").unlink()

    with pytest.raises(KubeceptionError, match="bin/etcd: missing"):
        put(own, root)
    assert put(bundle, root)

    contents.verify(own)


def test_a_link_of_ours_to_another_program_is_put_right(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    put(make_bundle("3.7.3"), root)
    etcd = root / "usr/local/bin/etcd"
    etcd.unlink()
    etcd.symlink_to("/opt/kubeception/current/bin/etcdctl")
    (root / "opt/cni/bin/bridge").unlink()

    changes = put(root / "opt/kubeception/current", root)

    assert changes == [f"{root}/opt/cni/bin/bridge: linked", f"{etcd}: linked"]
    assert etcd.readlink() == Path("/opt/kubeception/current/bin/etcd")


def test_what_a_kill_left_is_replaced(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root, bundle = tmp_path / "host", make_bundle("3.7.3")
    folder = root / f"opt/kubeception/{contents.load(bundle).version}"
    left = files.unfinished(folder) / "bin/etcd"
    left.parent.mkdir(parents=True)
    left.write_text("half")

    put(bundle, root)

    assert not left.exists()
    contents.verify(root / "opt/kubeception/current")


def test_a_damaged_bundle_never_arrives(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle("3.7.3")
    (bundle / "bin/etcd").write_text("#!/bin/sh\necho etcd version 6.6.6\n")

    with pytest.raises(KubeceptionError, match="the content differs"):
        put(bundle, tmp_path / "host")
    assert not (tmp_path / "host/opt/kubeception/current").exists()


def test_somebody_elses_programs_are_named_and_kept(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    theirs = [tmp_path / "host/opt/cni/bin/bridge", tmp_path / "host/usr/local/bin/etcd"]
    for path in theirs:
        path.parent.mkdir(parents=True)
        path.write_text("theirs")

    with pytest.raises(PreflightError) as caught:
        put(make_bundle("3.7.3"), tmp_path / "host")

    assert [problem.partition(":")[0] for problem in caught.value.problems] == list(
        map(str, theirs)
    )
    assert [path.read_text() for path in theirs] == ["theirs", "theirs"]


ETCDCTL = """#!/bin/sh
echo "${ETCDCTL_ENDPOINTS-nowhere} $*"
"""


def etcdctl(root: Path, *words: str, **environment: str) -> str:
    """Run the launcher of a host's etcdctl with its paths as they are here."""
    script = (root / "usr/local/bin/etcdctl").read_text()
    for folder in ("/opt/kubeception", "/etc/kubernetes"):
        script = script.replace(folder, f"{root}{folder}")
    env = {"PATH": "/usr/bin:/bin", **environment}
    return run(
        ["env", "-i", *(f"{k}={v}" for k, v in env.items()), "sh", "-c", script, "it", *words]
    ).stdout


def test_etcdctl_is_told_where_the_hosts_etcd_is_unless_somebody_says_it(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    put(make_bundle("3.7.3", etcdctl=ETCDCTL), root)
    assert etcdctl(root, "get", "a key") == "nowhere get a key\n"

    files.write(root / "etc/kubernetes/etcdctl.env", 'ETCDCTL_ENDPOINTS="https://here"\n')

    assert etcdctl(root, "get", "--keys-only", "a key") == "https://here get --keys-only a key\n"
    assert etcdctl(root, "--endpoints=there", "get") == "nowhere --endpoints=there get\n"
    assert etcdctl(root, "--endpoints", "there") == "nowhere --endpoints there\n"
    assert etcdctl(root, "get", "--cacert", "x") == "nowhere get --cacert x\n"
    assert etcdctl(root, "get", ETCDCTL_CACERT="/x") == "nowhere get\n"
    assert etcdctl(root, "get", ETCDCTL_ENDPOINTS="mine") == "mine get\n"


def test_a_link_of_an_earlier_version_is_replaced_and_a_strangers_etcdctl_kept(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root, bundle = tmp_path / "host", make_bundle("3.7.3", etcdctl=ETCDCTL)
    launcher = root / "usr/local/bin/etcdctl"
    launcher.parent.mkdir(parents=True)
    launcher.symlink_to("/opt/kubeception/current/bin/etcdctl")

    put(bundle, root)
    assert not launcher.is_symlink()
    assert put(bundle, root) == []

    launcher.write_text("theirs")
    with pytest.raises(PreflightError, match="etcdctl: is there already, and not from a bundle"):
        put(bundle, root)
    assert launcher.read_text() == "theirs"


def test_a_host_that_somebody_else_is_changing_is_left_alone(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    bundle, root = make_bundle("3.7.3"), tmp_path / "host"

    with lock.hold(root / "run/kubeception/lock", "bootstrap"), pytest.raises(Locked):
        put(bundle, root)


def names(root: Path) -> dict[str, bool]:
    return {one.name: one.in_use for one in installed(root)}


def aged(root: Path) -> list[Path]:
    """Give the bundles of a host times of import, a day between them, by their names."""
    folders = [root / "opt/kubeception" / name for name in names(root)]
    for day, folder in enumerate(folders):
        os.utime(folder, (day * 86_400, day * 86_400))
    return folders


def test_what_is_not_in_use_is_removed_but_for_the_last_one(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    for version in ("3.7.1", "3.7.2", "3.7.3", "3.7.4"):
        put(make_bundle(version), root)
    used = root / "opt/kubeception" / (root / "opt/kubeception/current").readlink()
    aged(root)
    first, second, third = (path for path in aged(root) if path != used)
    (root / "opt/kubeception/image-12").mkdir()
    (root / "opt/kubeception/somebodys").mkdir()
    files.write(files.unfinished(root / "opt/kubeception/half") / "bundle.json", "")

    half = files.unfinished(root / "opt/kubeception/half")
    assert prune(root) == [f"{path}: removed" for path in (second, first, half)]
    assert names(root) == {used.name: True, third.name: False}
    contents.verify(root / "opt/kubeception/current")
    assert (root / "opt/kubeception/image-12").exists()
    assert (root / "opt/kubeception/somebodys").exists()
    assert prune(root) == []
    assert prune(root, keep=0, needed={third.name}) == []
    assert prune(root, keep=0) == [f"{third}: removed"]
    assert names(root) == {used.name: True}


def test_nothing_is_removed_where_nobody_knows_what_is_in_use(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    assert prune(root) == []
    for version in ("3.7.1", "3.7.2", "3.7.3"):
        put(make_bundle(version), root)
    current = root / "opt/kubeception/current"
    used = current.readlink()

    for broken in (None, Path("1.37.1-gone")):
        current.unlink(missing_ok=True)
        if broken:
            current.symlink_to(broken)
        with pytest.raises(KubeceptionError, match="leads to no bundle, so none of 3"):
            prune(root, keep=0)
    current.unlink()
    current.symlink_to(used)
    assert len(prune(root, keep=0)) == 2


@pytest.mark.parametrize("emulates", ["1.37", "1.36", ""])
def test_what_a_worker_can_be_gone_back_to_by_is_not_removed(
    make_bundle: MakeBundle, tmp_path: Path, emulates: str
) -> None:
    """Both bundles are of 1.37; the cluster passes for that, another one, or none of before."""
    root = tmp_path / "host"
    (root / "etc").mkdir(parents=True)
    for version in ("3.7.1", "3.7.2"):
        put(make_bundle(version), root)
    [unused] = [name for name, in_use in names(root).items() if not in_use]
    settings = structs.replace(SETTINGS, emulates=emulates)
    files.write(root / "var/lib/kubeception/cluster.json", cluster.text(Copy(settings, settings)))
    files.write(root / "etc/kubeception/join.json", "{}")

    done = CliRunner().invoke(bundle, ["prune", "--keep", "0"], env={HOST_VARIABLE: str(root)})

    assert done.exit_code == 0, done
    assert (unused in names(root)) is (emulates == "1.37")
    assert (f"{unused}: stays" in done.output) is (emulates == "1.37")


def test_a_prune_that_was_killed_is_finished_by_the_next_one(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    for version in ("3.7.1", "3.7.2"):
        put(make_bundle(version), root)
    [old] = [name for name, in_use in names(root).items() if not in_use]
    folder = root / "opt/kubeception" / old
    folder.rename(files.unfinished(folder))

    assert prune(root) == [f"{files.unfinished(folder)}: removed"]
    assert [path.name for path in (root / "opt/kubeception").iterdir()].count("current") == 1
    assert len(list((root / "opt/kubeception").iterdir())) == 2


def test_a_staged_bundle_lies_there_and_changes_nothing_else(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    put(make_bundle("3.7.3"), root)
    used = (root / "opt/kubeception/current").readlink()
    new = make_bundle("3.7.4")

    assert len(install(new, root, staged=True)) == 1
    assert install(new, root, staged=True) == []
    assert (root / "opt/kubeception/current").readlink() == used
    [staged] = [name for name, in_use in names(root).items() if not in_use]
    # From where it lies, it is taken into use.
    [turned] = put(root / "opt/kubeception" / staged, root)
    assert turned.endswith(f": turned to {staged}")
    assert names(root)[staged]


def test_no_variable_of_pythons_reaches_ours(make_bundle: MakeBundle, tmp_path: Path) -> None:
    """Python itself says which there are; each is set to what nothing starts with."""
    put(make_bundle("3.7.3"), tmp_path / "host")
    text = (tmp_path / "host/usr/local/bin/kubeception").read_text()
    launcher = tmp_path / "launcher"
    library = os.pathsep.join(path for path in sys.path if "site-packages" in path or "src" in path)
    text = text.replace("/opt/kubeception/current/lib/python", library)
    files.write(launcher, text.replace("exec python3 ", f"exec {sys.executable} "), mode=0o755)
    told = re.findall(r"\bPYTHON\w+", run([sys.executable, "--help-env"]).stdout)

    done = run([launcher, "--version"], env=dict.fromkeys((*PYTHON_VARIABLES, *told), "/nowhere"))

    assert (done.stdout, done.stderr) == (f"kubeception {__version__}\n", "")
    assert set(told) <= set(PYTHON_VARIABLES)
    assert {"PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONSTARTUP"} <= set(told)
