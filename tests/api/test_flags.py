"""The flags that we know name files are those that this version's programs say of themselves."""

import re

import pytest
from tests.api.rig import Rig

from kubeception.config.flags import PROGRAMS
from kubeception.host.process import run

# Of one file: a certificate, a key, settings, a list. What only sounds so is no string, or here.
_SOUNDS_SO = re.compile(
    r"(file|config|kubeconfig|certificate|authority|-key|-dir|-manifest|path-\w+|-path)$"
)
_ONLY_SOUNDS_SO = {
    "experimental-mounter-path",  # a program of the host's, by itself
    "lock-file",  # made where it is missing
    "volume-plugin-dir",  # the same
    "cert-dir",  # its own, in its own file system
}


@pytest.mark.parametrize(
    ("section", "program"),
    [
        ("apiserver", "kube-apiserver"),
        ("controller_manager", "kube-controller-manager"),
        ("kubelet", "kubelet"),
    ],
)
def test_every_flag_that_names_a_file_is_known(rig: Rig, section: str, program: str) -> None:
    said = run([rig.bin / program, "--help"], timeout=30).stdout
    listed = dict(re.findall(r"^ +(?:-\w, )?--([a-z0-9-]+) +(\w+)", said, re.MULTILINE))
    words = {"string", "stringArray", "namedCertKey"}
    naming = {f for f, kind in listed.items() if kind in words and _SOUNDS_SO.search(f)}
    known = PROGRAMS[section]
    by_name = known.reads | known.folders | known.writes

    assert naming - _ONLY_SOUNDS_SO <= by_name | {*known.ours}
    assert (by_name | {*known.ours}) - {*listed} == set()


def test_every_flag_of_etcd_that_we_know_is_there(rig: Rig) -> None:
    said = run([rig.bin / "etcd", "--help"], timeout=30)
    listed = {*re.findall(r"--([a-z0-9-]+)", said.stdout + said.stderr)}
    known = PROGRAMS["etcd"]

    assert (known.reads | {*known.ours}) - listed == set()
    assert {flag for flag in listed if flag.endswith("-file")} <= known.reads | {*known.ours}
