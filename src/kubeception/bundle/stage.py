"""The images of a bundle that lies on a host and is not in use: the runtime has them beforehand.

Where the control plane goes to a release first, pods of it come to hosts that have not gone there.
"""

import os
from collections.abc import Iterator

from kubeception.host import lock
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


def prepare(session: Session, name: str) -> list[str]:
    """Give the runtime the images of a bundle that it lacks, where it runs; return those.

    Who comes second waits: each is imported once.

    Raises:
        KubeceptionError: there is no such bundle, or the runtime does not take one.
    """
    if not session.layout.containerd.socket.exists():
        return []
    with lock.in_turn(session.layout.lock.with_name("images")):
        lacked = [one for one in images(session, name) if one.drift(session)]
        for image in lacked:
            image.apply(session)
        os.utime(session.layout.bundles)  # who watches the folder looks again
        return [str(one) for one in lacked]
