"""What other programs write for us is on the disk when they say that it is done.

systemd syncs no link of a unit that it enables, and containerd no file that it unpacks.
"""

import json

import pytest
from tests.lab.conftest import bundle_folder

from kubeception.lab import Host

CTR = ("ctr", "--namespace", "k8s.io")
PYTHON = ("env", "PYTHONPATH=/opt/kubeception/current/lib/python", "python3", "-P", "-c")
APPLY = """
from pathlib import Path
from kubeception.config import Config
from kubeception.session import Session
from kubeception.resources.image import ImportedImage
from kubeception.resources.unit import Unit
with Session(Config()) as session:
    wanted = {wanted}
    wanted.apply(session)
    assert wanted.drift(session) is None
"""
UNIT = """[Service]
ExecStart=sleep infinity

[Install]
WantedBy=kubeception-test.target
"""
# On the disk that a power cut loses unsynced data from, unlike a lab host's own images.
CONTAINERD = 'version = 3\nroot = "/var/lib/kubelet/containerd"\n'

pytestmark = pytest.mark.hosts(1, bundle=True)


def apply(host: Host, wanted: str) -> None:
    host.run(*PYTHON, APPLY.format(wanted=wanted), timeout_s=120)


def start_containerd(host: Host) -> None:
    host.put("/etc/containerd/test.toml", CONTAINERD)
    host.run("systemd-run", "--unit=containerd", "containerd", "--config=/etc/containerd/test.toml")
    host.run("sh", "-c", "until ctr version; do sleep 0.1; done", timeout_s=60)


def test_a_unit_that_was_enabled_is_so_after_a_power_cut(hosts: list[Host]) -> None:
    [cp1] = hosts
    cp1.put("/etc/systemd/system/plain.service", UNIT)
    cp1.run("systemctl", "daemon-reload")

    apply(cp1, "Unit('plain.service')")
    cp1.power_cut()
    cp1.boot()

    assert cp1.run("systemctl", "is-enabled", "plain.service", check=False).stdout == "enabled\n"


def test_an_image_that_was_imported_runs_after_a_power_cut(hosts: list[Host]) -> None:
    [cp1] = hosts
    pause = json.loads((bundle_folder() / "bundle.json").read_text())["images"]["pause"]
    start_containerd(cp1)

    apply(cp1, f"ImportedImage({pause!r}, Path('/opt/kubeception/current/images/pause.tar'))")
    cp1.power_cut()
    cp1.boot()
    start_containerd(cp1)

    assert "usage" in cp1.run(*CTR, "run", "--rm", pause, "try", "/pause", "-h").stderr
