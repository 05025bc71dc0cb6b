"""Settings with which containerd lives and no pod starts are told, and what works is not."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.fixed import CONFIG
from tests.unit.sessions import session_of
from tests.unit.told import told

from kubeception.config import Config
from kubeception.config.model import Cni, Net
from kubeception.diagnosis import container_programs, runtime_files, runtime_settings
from kubeception.host import files, kernel
from kubeception.layout import OUR_MARK
from kubeception.render import containerd
from kubeception.session import Session

SERVES = "containerd to serve the kubelet"
AT = containerd.OF_OTHERS / "99-own.toml"
RUNTIME, FORMER = 'plugins."io.containerd.cri.v1.runtime"', 'plugins."io.containerd.grpc.v1.cri"'
IS_UNIFIED = kernel.cgroup_version() == 2


def default(name: str, *, of: str = RUNTIME) -> str:
    return f'[{of}.containerd]\ndefault_runtime_name = "{name}"\n'


def runtime(name: str, *lines: str, options: str = "", of: str = RUNTIME) -> str:
    """Return the definition of a runtime."""
    its = f"{of}.containerd.runtimes.{name}"
    return "\n".join((f"[{its}]", *lines, f"[{its}.options]", options, ""))


NVIDIA = runtime(
    "nvidia",
    'runtime_type = "io.containerd.runc.v2"',
    options='BinaryName = "/usr/bin/nvidia-container-runtime"',
)
# By what each ends, where something is told.
SETTINGS: dict[str, tuple[str, str | None]] = {
    "nothing of the kind": ("version = 3\n[debug]\nlevel = 'debug'\n", None),
    "a default runtime whose program is gone": (
        f"version = 3\n{default('nvidia')}{NVIDIA}",
        "'nvidia' needs /usr/bin/nvidia-container-runtime, which isn't there: no pod starts",
    ),
    "the same, by the name of before": (
        f"version = 2\n{default('nvidia', of=FORMER)}{NVIDIA.replace(RUNTIME, FORMER)}",
        "'nvidia' needs /usr/bin/nvidia-container-runtime, which isn't there: no pod starts",
    ),
    "the same, by the first name": (
        default("nvidia", of="plugins.cri") + NVIDIA.replace(RUNTIME, "plugins.cri"),
        "'nvidia' needs /usr/bin/nvidia-container-runtime, which isn't there: no pod starts",
    ),
    "a runtime whose program is gone, which pods may name": (f"version = 3\n{NVIDIA}", None),
    "a default runtime that nobody defines": (
        default("crun"),
        "default_runtime_name is 'crun', which no file defines: no pod starts",
    ),
    "a default runtime of no type": (
        default("own") + runtime("own", options='BinaryName = "/usr/bin/runc"'),
        "default runtime 'own' has no runtime_type: no pod starts",
    ),
    "a default runtime without its shim": (
        default("kata") + runtime("kata", 'runtime_type = "io.containerd.kata.v2"'),
        "'kata' needs containerd-shim-kata-v2, which isn't there: no pod starts",
    ),
    "a default runtime with a shim of its own that is gone": (
        default("kata")
        + runtime("kata", 'runtime_type = "io.containerd.kata.v2"', 'runtime_path = "/opt/kata"'),
        "'kata' needs /opt/kata, which isn't there: no pod starts",
    ),
    "another program in the place of runc": (
        runtime("runc", options='BinaryName = "/usr/bin/crun"'),
        "default runtime 'runc' needs /usr/bin/crun, which isn't there: no pod starts",
    ),
    "another folder of networks": (
        f'version = 3\n[{RUNTIME}.cni]\nconf_dir = "/etc/other"\n',
        "conf_dir is /etc/other, and flannel's settings are in /etc/cni/net.d: no pod gets",
    ),
    "ours, said once more": (f'[{RUNTIME}.cni]\nconf_dir = "/etc/cni/net.d/"\n', None),
    "other folders of plugins": (
        f'version = 3\n[{RUNTIME}.cni]\nbin_dirs = [\n "/usr/lib/cni"\n]\n',
        "bin_dirs are /usr/lib/cni, without the plugin loopback: no pod starts",
    ),
    "another folder of plugins, by the name of before": (
        f'version = 2\n[{FORMER}.cni]\nbin_dir = "/usr/lib/cni"\n',
        "bin_dirs are /usr/lib/cni, without the plugin loopback: no pod starts",
    ),
    "more folders of plugins": (
        f'version = 3\n[{RUNTIME}.cni]\nbin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]\n',
        None,
    ),
    "another socket": (
        'version = 2\n[grpc]\naddress = "/run/own.sock"\n',
        "address is /run/own.sock, and the kubelet speaks to /run/containerd/containerd.sock",
    ),
    "another driver of cgroups": (
        runtime("runc", options=f"SystemdCgroup = {str(not IS_UNIFIED).lower()}"),
        "what pods may take is not kept, or none starts",
    ),
    "the right one": (runtime("runc", options=f"SystemdCgroup = {str(IS_UNIFIED).lower()}"), None),
    "another root, before containerd has gone there": (
        'version = 3\nroot = "/data"\n',
        "has none of the images and containers in /var/lib/containerd",
    ),
    "a plugin that starts pods is off": (
        'version = 3\ndisabled_plugins = ["io.containerd.snapshotter.v1.overlayfs"]\n',
        "disables containerd's plugin io.containerd.snapshotter.v1.overlayfs, without which",
    ),
}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A host with a containerd of ours that has stored something."""
    session = session_of(tmp_path)
    at = session.config.layout
    files.write(session.host.at(at.units / containerd.UNIT), OUR_MARK)
    files.write(session.host.at(at.containerd.state / "io.containerd.metadata.v1.bolt/meta.db"), "")
    return session


@pytest.mark.parametrize("is_worker", [False, True], ids=["control plane", "worker"])
@pytest.mark.parametrize(("text", "said"), SETTINGS.values(), ids=SETTINGS)
def test_settings_with_which_no_pod_starts_are_told_with_what_mends_them(
    text: str, said: str | None, session: Session, *, is_worker: bool
) -> None:
    at = session.host.at(AT)
    files.write(at, text)

    looks = (runtime_settings.look, runtime_settings.doubtful)
    found = [one for look in looks for one in look(session, is_foreign=False)]

    on_status = "; ".join(f"{one} ({one.hint})" for one in found) or None
    assert told(session, SERVES, is_worker=is_worker) == on_status
    assert len(found) == (said is not None)
    for one in found:
        assert said and said in str(one) and one.path == AT
        # What the hint says, where this host has its files.
        mend, _, restart = one.hint.partition("; ")
        assert restart == "systemctl try-restart containerd.service"
        subprocess.run(["sh", "-c", mend.replace(str(AT), str(at))], check=True)
        assert told(session, SERVES, is_worker=is_worker) is None
        if at.exists():  # and can still be read
            tomllib.loads(at.read_text())


def test_a_runtime_of_others_whose_program_is_there_is_theirs(session: Session) -> None:
    files.write(session.host.at(AT), f"version = 3\n{default('nvidia')}{NVIDIA}")
    files.write(session.host.at(Path("/usr/bin/nvidia-container-runtime")), "", mode=0o755)

    assert told(session, SERVES, is_worker=True) is None


def test_plugins_elsewhere_are_good_where_all_are_there(session: Session) -> None:
    files.write(session.host.at(AT), f'[{RUNTIME}.cni]\nbin_dirs = ["/usr/lib/cni"]\n')
    for plugin in container_programs.plugins(CONFIG):
        files.write(session.host.at(Path("/usr/lib/cni", plugin.name)), "", mode=0o755)

    assert told(session, SERVES, is_worker=True) is None


def test_the_folders_of_a_network_that_people_bring_are_theirs(tmp_path: Path) -> None:
    session = session_of(tmp_path, config=Config(net=Net(cni=Cni.NONE)))
    folders = 'bin_dirs = ["/usr/lib/cni"]\nconf_dir = "/etc/other"'
    files.write(session.host.at(AT), f"[{RUNTIME}.cni]\n{folders}\n")

    assert list(runtime_settings.look(session, is_foreign=False)) == []


def test_a_root_that_containerd_has_gone_to_is_somebodys_own(session: Session) -> None:
    files.write(session.host.at(AT), 'root = "/data"\n')
    stored = Path("/data/io.containerd.metadata.v1.bolt/meta.db")
    files.write(session.host.at(stored), "")

    assert told(session, SERVES, is_worker=False) is None


# Its own words: it has one image.
CRICTL = """#!/bin/sh
case "$*" in
  *" inspecti --quiet there:1") echo '{}' ;;
  *) echo "level=fatal msg=\\"no such image \\\\\\"gone:1\\\\\\" present\\"" >&2; exit 1 ;;
esac
"""
LOOK = """
import sys
from pathlib import Path
from tests.unit.sessions import session_of
from kubeception.diagnosis import runtime_settings
for one in runtime_settings.doubtful(session_of(Path(sys.argv[1])), is_foreign=False):
    print(one, one.hint, sep="\\n")
"""


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            f"[{FORMER}]\nsandbox_image = 'gone:1'\n",
            "sed -i -E '/^[ \\t]*sandbox(_image)?[ \\t]*=/d'",
        ),
        ("[plugins.'io.containerd.cri.v1.images']\npinned_images = {sandbox = 'gone:1'}\n", "mv"),
        (f"[{FORMER}]\nsandbox_image = 'there:1'\n", None),
        (f"[{FORMER}]\nsandbox_image = ''\n", None),
    ],
)
def test_an_image_that_pods_begin_with_is_told_where_this_host_has_it_not(
    text: str, hint: str | None, session: Session, tmp_path: Path
) -> None:
    files.write(tmp_path / "bin/crictl", CRICTL, mode=0o755)
    files.write(session.host.at(AT), text)

    environment = {**os.environ, "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    argv = [sys.executable, "-c", LOOK, str(tmp_path)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)

    told = done.stdout.splitlines()
    assert len(told) == (2 if hint else 0)
    if hint:
        assert told[0].startswith(
            f"{AT}: pods begin with the image gone:1, which isn't on this host"
        )
        assert told[1].startswith(f"{hint} {AT}")


def test_of_several_files_the_last_one_counts(session: Session) -> None:
    files.write(session.host.at(AT.with_name("10-first.toml")), default("crun"))
    files.write(session.host.at(AT), default("runc"))
    assert list(runtime_settings.look(session, is_foreign=False)) == []

    files.write(session.host.at(AT.with_name("99-z.toml")), default("crun"))
    [found] = runtime_settings.look(session, is_foreign=False)
    assert found.path.name == "99-z.toml"


def test_files_are_read_as_they_import_each_other(session: Session) -> None:
    """Those that a file names come after all that were named before it."""
    files.write(session.host.at(AT), 'imports = ["more/*.toml", "/etc/own.toml"]\nroot = "/a"\n')
    files.write(session.host.at(AT.with_name("99-z.toml")), f'imports = ["{AT}"]\nroot = "/b"\n')
    files.write(session.host.at(AT.parent / "more/1.toml"), 'root = "/c"\n')
    files.write(session.host.at(Path("/etc/own.toml")), 'temp = "/d"\n')

    read = list(runtime_files.read(session, is_foreign=False))

    names = [path.name for path, _ in read]
    assert names == ["99-own.toml", "99-z.toml", "1.toml", "own.toml"]
    tables = [(path, found) for path, found in read if isinstance(found, dict)]
    said = {key: one.value for key, one in runtime_files.merged(tables).items()}
    assert (said["root",], said["temp",]) == ("/c", "/d")


def test_a_containerd_of_the_hosts_own_goes_by_its_own_file(session: Session) -> None:
    own = CONFIG.layout.containerd.settings
    files.write(session.host.at(AT), default("crun"))  # which that does not import
    files.write(session.host.at(own), "version = 3\n")
    assert list(runtime_settings.look(session, is_foreign=True)) == []

    files.write(session.host.at(own), default("crun"))
    [found] = runtime_settings.look(session, is_foreign=True)
    assert found.path == own
