"""Compile a component with the Go toolchain of this environment."""

import logging
import platform
import shutil
import sysconfig
from pathlib import Path

from kubeception.bundle import store
from kubeception.bundle.components import Component
from kubeception.errors import KubeceptionError
from kubeception.host import files, process

log = logging.getLogger(__name__)

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return this machine's architecture as Go and containers call it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def goroot() -> Path:
    """Return the folder of the locked toolchain, a package of this environment.

    Raises:
        KubeceptionError: it isn't installed.
    """
    root = Path(sysconfig.get_path("platlib")) / "go"
    if not (root / "bin/go").exists():
        raise KubeceptionError(f"{root}: no Go toolchain", hint="make setup")
    return root


def version() -> str:
    """Return the toolchain's version."""
    return (goroot() / "VERSION").read_text().split()[0].removeprefix("go")


def key(component: Component) -> str:
    """Return the digest of everything that decides about a component's binaries."""
    return store.key(
        files.digest(component.folder / "go.mod"),
        files.digest(component.folder / "go.sum"),
        component.flags(),
        component.cgo,
        sorted(component.renamed.items()),
        version(),
        architecture(),
    )


def compile_into(folder: Path, component: Component, *, cache: Path, log_file: Path) -> None:
    """Compile a component's programs into a folder.

    Raises:
        KubeceptionError: it doesn't compile; says the compiler's last lines and where the rest is.
    """
    go = goroot() / "bin/go"
    environment = {
        "GOROOT": str(goroot()),
        "GOMODCACHE": str(cache / "mod"),
        "GOCACHE": str(cache / "build"),
        # Readable and removable like anything else in a cache.
        "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOEXPERIMENT": "",
        "GOARCH": architecture(),
        "GOAMD64": "v1",
        "CGO_ENABLED": "1" if component.cgo else "0",
    }
    log_file.write_bytes(b"")
    # Go dies with us: otherwise it would compile on for nobody after a kill.
    guard = ("setpriv", "--pdeathsig", "TERM")
    done = process.run(
        [*guard, str(go), "build", "-o", f"{folder}/", *component.flags(), "tool"],
        cwd=component.folder,
        env=environment,
        check=False,
        log_file=log_file,
    )
    if done.code != 0:
        last = "\n".join(f"  {line}" for line in done.stderr.strip().splitlines()[-10:])
        raise KubeceptionError(
            f"{component.name}: go build ended with exit code {done.code}\n{last}",
            hint=f"all of it is in {log_file}",
        )
    for compiled, wanted in component.renamed.items():
        shutil.move(folder / compiled, folder / wanted)
