"""The first command that people try, `kubeception lab up`, makes a whole cluster.

Killed, it goes on where it was; `down` leaves nothing of it.
"""

import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from tests.lab import cluster, healing
from tests.lab.conftest import Names, Note
from tests.lab.lot import SEED
from tests.lab.machine import scaled
from tests.lab.traces import traces

from kubeception.lab import Lab, kill_with_parent


@pytest.fixture
def spare(new_name: Names) -> Iterator[Lab]:
    """A lab that does not exist yet."""
    lab = Lab(new_name())
    yield lab
    lab.down()


def command(verb: str, lab: Lab, *flags: str) -> list[str]:
    ours = (sys.executable, "-m", "kubeception", "lab", verb, "--name", lab.name)
    return [*kill_with_parent.WITH_US, *ours, *flags]


def ready_nodes(lab: Lab) -> list[str]:
    found = cluster.get(lab.host("cp1"), "nodes")["items"]
    return [node["metadata"]["name"] for node in found if cluster.is_ready(node)]


@pytest.mark.timeout(500)
def test_a_lab_goes_up_grows_after_a_kill_and_goes_down(spare: Lab, note: Note) -> None:
    before = traces(spare.name)
    chance = random.Random(SEED)

    started = time.monotonic()
    subprocess.run(command("up", spare, "--workers", "1"), check=True, capture_output=True)
    note(f"`lab up --workers 1`: {time.monotonic() - started:.1f} s")
    assert ready_nodes(spare) == ["cp1", "w1"]

    grow = command("up", spare, "--workers", "2")
    after_s = chance.uniform(0, 6)
    with subprocess.Popen(grow, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = next(line for line in running.stderr if "w2: joining" in line)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=after_s)
        running.kill()
    note(f"`lab up` killed {after_s:.1f} s after {said.split(': ', 2)[-1].strip()!r}")
    # Its join ends with it, at the latest when the disk has taken what it writes.
    w2 = spare.host("w2")
    cluster.until(
        lambda: w2.run("pgrep", "-f", "kubeception join", check=False).code != 0, timeout_s=30
    )
    again = subprocess.run(grow, capture_output=True, text=True)
    assert again.returncode == 0, f"seed {SEED}: {again.stderr}"
    assert ready_nodes(spare) == ["cp1", "w1", "w2"]
    assert healing.wait(spare.host("cp1"), patience_s=scaled(healing.SETTLED_S)) == []

    subprocess.run(command("down", spare), check=True)
    assert traces(spare.name) ^ before == set()
    assert not spare.place.state.exists()
    listed = subprocess.run(command("hosts", spare, "-o", "json"), capture_output=True, check=True)
    assert json.loads(listed.stdout) == []
