"""One rig for all tests of a session, ended and removed whatever happens."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.rig import Rig, running

from kubeception import versions
from kubeception.bundle.build import default_folder
from kubeception.kube.client import Api
from kubeception.reach import Reach

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "api"


@pytest.fixture(scope="session")
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The running programs of the bundle; their logs are kept when a test failed."""
    binaries = default_folder(versions.KUBERNETES.rpartition(".")[0]) / "bin"
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


@pytest.fixture
def reach(rig: Rig) -> Iterator[Reach]:
    """A run that reaches the rig as the superuser."""
    with rig.reach() as reach:
        yield reach


@pytest.fixture
def api(reach: Reach) -> Api:
    """The API as the superuser."""
    return reach.api
