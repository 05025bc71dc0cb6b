"""Settings of other networks by which a runtime would plug in pods, in place of flannel's."""

import json
from collections.abc import Iterator
from pathlib import Path

from kubeception.config.model import Cni
from kubeception.diagnosis import hinted
from kubeception.files_of_others import FileOfOthers
from kubeception.render import flannel
from kubeception.session import Session

# A runtime takes the first of these by name, be it hidden or not; see libcni's ConfFiles.
_ENDINGS = frozenset({".conf", ".conflist", ".json"})
# How flannel's own are called until they are whole.
_UNFINISHED = f".{flannel.PLUGIN}"
# These make no network themselves: pods get flannel's, and may get more.
_LEADING_ON = frozenset({"flannel", "multus", "multus-shim"})


def look(session: Session) -> Iterator[FileOfOthers]:
    """Yield the files that go before flannel's, where the pods' network is flannel's."""
    if session.config.net.cni is not Cni.FLANNEL:
        return
    folder = session.config.layout.cni.settings
    found = session.host.real(folder)
    names = (path.name for path in found.iterdir()) if found.is_dir() else ()
    for name in sorted(one for one in names if one < flannel.PLUGIN and one != _UNFINISHED):
        path = folder / name
        if path.suffix in _ENDINGS and _is_anothers(session, path):
            yield FileOfOthers(
                path,
                "another network's settings, which go before flannel's: a new pod is reached by no"
                " other node, or doesn't start; delete those that did once the file is away",
                f"mv {path} {path}.off",
            )


def problem(session: Session) -> str | None:
    """Say which they are, each with what puts it aside."""
    return hinted.told(look(session))


def _is_anothers(session: Session, path: Path) -> bool:
    """Tell whether a file makes another network than flannel's, or none at all."""
    said = session.host.content(path)
    if said is None:  # it is gone, or a folder, which is passed over
        return False
    try:
        return not _leads_on(json.loads(said))
    except ValueError:
        return True


def _leads_on(found: object) -> bool:
    """Tell whether plugins of others end with flannel's."""
    match found:
        case {"type": str(plugin)} if plugin in _LEADING_ON:
            return True
        case dict():
            return any(map(_leads_on, found.values()))
        case list():
            return any(map(_leads_on, found))
        case _:
            return False
