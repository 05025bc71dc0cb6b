"""Settings of others by which containerd serves no kubelet or does not start, by its files."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from kubeception.files_of_others import FileOfOthers
from kubeception.render import containerd
from kubeception.session import Session

# Each of these is what a kubelet speaks to, by its name of today or of containerd 1.
# https://github.com/containerd/containerd/blob/main/docs/cri/config.md
_OF_KUBELETS = frozenset(
    {
        "cri",
        "io.containerd.grpc.v1.cri",
        "io.containerd.cri.v1.runtime",
        "io.containerd.cri.v1.images",
    }
)


def look(session: Session, *, is_foreign: bool) -> Iterator[FileOfOthers]:
    """Yield the files that containerd can't go by; `is_foreign` is one of the host's own."""
    own = session.config.layout.containerd.settings
    is_there = is_foreign or session.host.at(session.config.layout.units / containerd.UNIT).exists()
    restart = f"; systemctl try-restart {containerd.UNIT}" if is_there else ""
    for path in [*([own] if is_foreign else []), *_imported(session)]:
        try:
            found = tomllib.loads(session.host.real(path).read_text())
        except OSError:
            continue
        except ValueError as error:
            aside = f"mv {path} {path}.off"
            yield FileOfOthers(path, f"containerd does not start with it: {error}", aside + restart)
            continue
        disabled = found.get("disabled_plugins")
        names = _OF_KUBELETS & {*disabled} if isinstance(disabled, list) else frozenset()
        if names:
            name = min(names)
            yield FileOfOthers(
                path,
                f"it disables containerd's plugin {name}, without which no pod starts",
                f"sed -i '/disabled_plugins/s/\"{name}\"//' {path}{restart}",
            )


def _imported(session: Session) -> list[Path]:
    folder = containerd.OF_OTHERS
    found = session.host.real(folder)
    return [folder / path.name for path in sorted(found.glob("*.toml"))] if found.is_dir() else []
