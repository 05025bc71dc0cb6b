"""containerd's files are read as containerd itself reads them."""

import tomllib
from functools import reduce
from pathlib import Path
from typing import Any

from tests.api.rig import Rig
from tests.fixed import CONFIG, HOST
from tests.unit.sessions import session_of

from kubeception.diagnosis import runtime_files
from kubeception.host import files
from kubeception.host.process import run
from kubeception.render import containerd

TODAY, FORMER = 'plugins."io.containerd.cri.v1.runtime"', 'plugins."io.containerd.grpc.v1.cri"'
# Of every version of the format; what has none is taken for the first one.
OF_OTHERS = {
    "10-first.toml": f"""version = 3
imports = ["more/own.toml"]
[{TODAY}.containerd]
default_runtime_name = "nvidia"
[{TODAY}.containerd.runtimes.nvidia]
runtime_type = "io.containerd.runc.v2"
options = {{ BinaryName = "/usr/bin/nvidia-container-runtime" }}
""",
    "20-former.toml": f"""version = 2
root = "/data"
[{FORMER}]
sandbox_image = "own:1"
[{FORMER}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/other"
[{FORMER}.containerd.runtimes.runc.options]
SystemdCgroup = false
""",
    "30-oldest.toml": """[plugins.cri.cni]
max_conf_num = 2
[grpc]
address = "/run/own.sock"
""",
    "40-newest.toml": f"""version = 4
[{FORMER}.cni]
conf_dir = "/etc/nobodys"
[{TODAY}.cni]
setup_serially = true
""",
    "more/own.toml": f"""version = 3
[{TODAY}.cni]
bin_dirs = ["/srv/cni", "/opt/cni/bin"]
[{TODAY}.containerd.runtimes.nvidia.options]
Root = "/srv"
""",
}


def test_what_files_of_others_set_is_what_containerd_goes_by(rig: Rig, tmp_path: Path) -> None:
    session = session_of(tmp_path)
    own = session.host.at(CONFIG.layout.containerd.settings)
    ours = containerd.settings(CONFIG, HOST)
    files.write(own, ours.replace(str(containerd.OF_OTHERS), "conf.d"))
    for name, text in OF_OTHERS.items():
        files.write(session.host.at(containerd.OF_OTHERS / name), text)

    done = run([rig.bin / "containerd", f"--config={own}", "config", "dump"], timeout=30)
    read = runtime_files.read(session, is_foreign=True)
    said = runtime_files.merged(
        (path, found) for path, found in read if not isinstance(found, ValueError)
    )

    whole = tomllib.loads(done.stdout)
    its = {key: one.value for key, one in said.items() if key[0] == "root" or runtime(key)}
    assert "own:1" in its.values()
    assert its.keys() >= {("root",), ("plugins", runtime_files.RUNTIME, "cni", "bin_dirs")}
    assert its == {key: reduce(inside, key, whole) for key in its}
    address = ("plugins", "io.containerd.server.v1.grpc", "address")
    assert said[address].value == reduce(inside, address, whole)


def runtime(key: tuple[str, ...]) -> bool:
    return runtime_files.RUNTIME in key or key[-1] == "sandbox"


def inside(tables: Any, name: str) -> Any:
    return tables[name]
