"""Compile a component with the Go toolchain of this environment."""

import platform
import shutil
import sysconfig
from pathlib import Path

from kubeception.bundle import packages, store
from kubeception.bundle.components import Component
from kubeception.bundle.store import Recipe
from kubeception.errors import KubeceptionError
from kubeception.host import files, process

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Whatever a user has set for Go elsewhere, here it is this.
_SETTINGS = {
    # A cache that can be removed like any other.
    "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    "GOEXPERIMENT": "",
    "GOAMD64": "v1",
}


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


def recipe(component: Component, cache: Path) -> Recipe:
    """Return how a component's programs are made; all that decides about them is in the key."""
    settings = {
        **_SETTINGS,
        "GOARCH": architecture(),
        "CGO_ENABLED": "1" if component.cgo else "0",
    }
    name = f"{component.name}-{component.minor}" if component.minor else component.name
    key = store.key(
        files.digest(component.folder / "go.mod"),
        files.digest(component.folder / "go.sum"),
        component.flags(),
        component.renamed,
        settings,
        version(),
    )

    def work(folder: Path) -> None:
        environment = {
            **settings,
            "GOROOT": str(goroot()),
            "GOMODCACHE": str(cache / "go/mod"),
            "GOCACHE": str(cache / "go/build"),
        }
        _compile(folder, component, environment, log_file=cache / "logs" / f"{name}.log")

    return Recipe(
        name, key, work, f"compiling {component.version}", needs=packages.COMPILER, heavy=True
    )


def _compile(
    folder: Path, component: Component, environment: dict[str, str], *, log_file: Path
) -> None:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.write_bytes(b"")
    done = process.run(
        [
            *packages.KILLED_WITH_PARENT,
            goroot() / "bin/go",
            "build",
            "-o",
            f"{folder}/",
            *component.flags(),
            "tool",
        ],
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
