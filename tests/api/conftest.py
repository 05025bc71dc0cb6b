"""One rig for all tests of a session, ended and removed whatever happens."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.api.rig import Rig, running
from tests.api.serving import SYSTEM, Judge, Service
from tests.api.serving import running as serving

from kubeception.bundle.build import default_folder
from kubeception.kube.client import Api
from kubeception.render import access, join_records, join_service
from kubeception.resources.object import Object
from kubeception.session import Session
from kubeception.versions import BUILT_IN

# Starts of Python, and how long one takes where nothing else runs.
STARTS, QUIET_START_S = 5, 0.05
# Whoever makes others comes before them.
LEFT = ("Deployment", "DaemonSet", "Pod", "Node", "CertificateSigningRequest")
# A controller makes one in each namespace again and again.
ROOT_CA = "kube-root-ca.crt"
ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "api"


@pytest.fixture(scope="session")
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The running programs of the bundle; their logs are kept when a test failed."""
    binaries = default_folder(BUILT_IN.minor) / "bin"
    assert binaries.is_dir(), f"{binaries}: there is no bundle; run make bundle"
    root = tmp_path_factory.mktemp("rig")
    try:
        with running(root, binaries) as rig:
            yield rig
    finally:
        if request.session.testsfailed:
            ARTIFACTS.mkdir(parents=True, exist_ok=True)
            for log in root.glob("*.log"):
                shutil.copy(log, ARTIFACTS)
        shutil.rmtree(root)


@pytest.fixture(scope="module", autouse=True)
def no_leftovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each file of tests finds no node, pod, request or record of another one."""
    of_file = [item for item in request.session.items if item.path == request.path]
    if not any("rig" in getattr(item, "fixturenames", ()) for item in of_file):
        yield
        return
    rig: Rig = request.getfixturevalue("rig")
    yield
    with rig.session() as session:
        rig.until("nothing to be left", lambda: not remove_leftovers(session.api))


def remove_leftovers(api: Api) -> bool:
    """Delete what tests leave; return whether there was anything, which may bring more."""
    found = [(kind, one["metadata"]) for kind in LEFT for one in api.list(kind)]
    records = api.list("ConfigMap", namespace=join_records.RECORDS)
    records += api.list("ConfigMap", namespace=join_records.CLAIMS)
    found += [("ConfigMap", one["metadata"]) for one in records]
    for kind, metadata in found:
        if metadata["name"] != ROOT_CA:
            namespace = metadata.get("namespace")
            api.delete(kind, metadata["name"], namespace=namespace, grace_s=0)
    return any(metadata["name"] != ROOT_CA for _, metadata in found)


@pytest.fixture
def pace() -> float:
    """How much slower this machine is than a quiet one at this moment: once to thrice.

    Limits of time are scaled by it, and no further: what takes longer still is a defect.
    """
    started = time.monotonic()
    for _ in range(STARTS):
        subprocess.run([sys.executable, "-c", ""], check=True)
    took_s = time.monotonic() - started
    return min(3.0, max(1.0, took_s / STARTS / QUIET_START_S))


@pytest.fixture
def session(rig: Rig) -> Iterator[Session]:
    """A run that reaches the rig as the superuser."""
    with rig.session() as session:
        yield session


@pytest.fixture
def api(session: Session) -> Api:
    """The API as the superuser."""
    return session.api


@pytest.fixture(scope="module")
def credential(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's own: its rights are what is rendered, and so proven to be enough."""
    with rig.session() as session:
        needed = (*access.bindings(), *join_records.namespaces(), *join_service.account())
        for wanted in needed:
            Object(wanted).apply(session)
    made = rig.kubectl(*SYSTEM, "create", "token", join_service.NAME, "--duration=24h")
    file = tmp_path_factory.mktemp("account") / "token"
    file.write_text(made.stdout)
    return file


@pytest.fixture(scope="module")
def service(
    rig: Rig, credential: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with serving(rig, credential, tmp_path_factory.mktemp("serve") / "log") as service:
        yield service


@pytest.fixture
def approving(rig: Rig) -> Iterator[None]:
    """Every request is approved."""
    ending = threading.Event()
    judge = Judge(rig)
    judge.forget()

    def approve() -> None:
        while not ending.wait(0.05):
            for name in judge.pending():
                judge.say(name, "Approved")

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(approve)
        yield
        ending.set()
        work.result()
