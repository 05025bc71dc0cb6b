"""Whose last lines are told where no API answers: by what the container runtime has.

With a crictl that has no runtime behind it; its answer is a file.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CRICTL = """#!/bin/sh
exec cat "$(dirname "$0")/pods.json"
"""
PROGRAM = """
import sys
from pathlib import Path
from kubeception.conditions import log_tail
from kubeception.config import Config
from kubeception.host.gateway import Host
from kubeception.session import Session

session = Session(Config(), Host(Path(sys.argv[1])))
for line in log_tail.of_apiserver(session, int(sys.argv[2])):
    print(line)
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host whose runtime has no pods."""
    (tmp_path / "crictl").write_text(CRICTL)
    (tmp_path / "crictl").chmod(0o755)
    (tmp_path / "pods.json").write_text('{"items": []}')
    return tmp_path


def made(host: Path, name: str, *, at: int, port: int = 0, says: str = "") -> None:
    """Have the runtime have one more pod, which has logged a line if it `says` something."""
    bootstrap = "bootstrap-" if name.startswith("bootstrap-") else ""
    pod = {
        "id": name,
        "metadata": {"name": name, "namespace": "kube-system", "uid": f"uid-{name}"},
        "createdAt": f"{at}000000000",
        "labels": {"component": f"{bootstrap}kube-apiserver"},
        "annotations": {"kubeception.dev/port": str(port)} if port else {},
    }
    there = json.loads((host / "pods.json").read_text())["items"]
    (host / "pods.json").write_text(json.dumps({"items": [*there, pod]}))
    if says:
        folder = host / f"var/log/pods/kube-system_{name}_uid-{name}/kube-apiserver"
        folder.mkdir(parents=True)
        (folder / "0.log").write_text(f"2026-11-28T09:00:00.1Z stderr F {says}\n")


def said(host: Path, port: int) -> list[str]:
    """Return what is told of the API server that is to answer on a port."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(host), str(port)],
        env={**os.environ, "PATH": f"{host}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_server_that_is_waited_for_is_heard_and_no_older_one(host: Path) -> None:
    made(host, "kube-apiserver-put-back", at=1, port=6446, says="unknown flag: --old")
    made(host, "kube-apiserver-new", at=3, port=6446, says="no such file")
    made(host, "kube-apiserver-serving", at=2, port=6445, says="all is well")
    made(host, "bootstrap-kube-apiserver-cp1", at=4, says="of the bootstrap one")

    folder = "/var/log/pods/kube-system_kube-apiserver-new_uid-kube-apiserver-new"
    assert said(host, 6446) == [f"kube-apiserver, by {host}{folder}:", "no such file"]
    assert said(host, 6445)[1:] == ["all is well"]
    assert said(host, 6444)[1:] == ["of the bootstrap one"]


def test_where_the_newest_has_said_nothing_its_kubelet_is_heard(host: Path) -> None:
    """It may wait for a file that isn't there, say; what an older one said explains nothing."""
    made(host, "kube-apiserver-put-back", at=1, port=6446, says="unknown flag: --old")
    made(host, "kube-apiserver-new", at=2, port=6446)

    assert said(host, 6446)[0].startswith("kubelet.service: ")
    assert said(host, 6447)[0].startswith("kubelet.service: ")


def test_without_a_runtime_to_ask_the_kubelet_is_heard(host: Path) -> None:
    (host / "crictl").write_text("#!/bin/sh\nexit 1\n")

    assert said(host, 6446)[0].startswith("kubelet.service: ")
