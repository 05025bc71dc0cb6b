"""The images of a bundle that lies on a host and is not in use: the runtime has them beforehand.

Where the control plane goes to a release first, pods of it come to hosts that have not gone there.
"""

import fcntl
import os
from collections.abc import Iterator

from kubeception.host import files
from kubeception.layout import Layout
from kubeception.resources.image import ImportedImage, imported
from kubeception.session import Session
from kubeception.versions import Release


def images(session: Session, name: str) -> Iterator[ImportedImage]:
    """Yield what the runtime is to have of a bundle.

    Raises:
        KubeceptionError: there is no such bundle, or its list can't be read.
    """
    folder = Layout.bundles / name
    for component, reference in Release.read(session.host.real(folder)).images.items():
        yield ImportedImage(reference, folder / "images" / f"{component}.tar")


def lacking(session: Session, names: list[str]) -> list[str]:
    """Return of which bundles the runtime lacks an image; it is asked once.

    Raises:
        KubeceptionError: it can't be asked, or a bundle is gone meanwhile.
    """
    if not names:
        return []
    there = imported(session)
    return [name for name in names if {one.reference for one in images(session, name)} - there]


def import_images(session: Session, name: str) -> Iterator[str]:
    """Give the runtime the images that it lacks, and yield each; it has to run.

    Who comes second waits: each is imported once.

    Raises:
        KubeceptionError: there is no such bundle, or the runtime does not take one.
    """
    lock = session.layout.lock.with_name("images")
    files.make_folder(lock.parent)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for image in images(session, name):
            if image.drift(session):
                image.apply(session)
                yield str(image)
        os.utime(session.layout.bundles)  # who watches the folder looks again


def is_running(session: Session) -> bool:
    """Tell whether this host's runtime runs, as far as its socket says."""
    return session.layout.containerd.socket.exists()
