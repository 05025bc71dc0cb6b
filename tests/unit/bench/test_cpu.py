"""Where a host's CPU time goes."""

from pathlib import Path

import pytest
from bench import cpu


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        ("/usr/local/bin/kube-apiserver --secure-port=6444", "API server, bootstrap"),
        ("kube-apiserver --v=2 --secure-port=6445", "API server"),
        ("kube-apiserver", "API server"),
        ("/usr/bin/python3 -P -m kubeception serve", "kubeception: join service and controller"),
        ("/opt/flanneld --ip-masq", "kube-proxy, flannel, CoreDNS"),
        ("/pause", None),
        ("", None),
    ],
)
def test_a_pod_is_what_its_program_is(argv: str, part: str | None) -> None:
    assert cpu.program(argv.split(" ")) == part
    assert part is None or part in cpu.PARTS


def test_both_versions_of_cgroups_are_read(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n")
    assert cpu.spent_s(tmp_path) == 2.5

    (tmp_path / "cpu.stat").unlink()
    (tmp_path / "cpuacct.usage").write_text("1500000000\n")
    assert cpu.spent_s(tmp_path) == 1.5
