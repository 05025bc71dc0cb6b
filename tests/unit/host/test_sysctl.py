"""Which file has the last word about a setting of the kernel's."""

from pathlib import Path

import pytest

from kubeception.errors import KubeceptionError
from kubeception.host import files, sysctl
from kubeception.host.gateway import Host

FORWARD = "net/ipv4/ip_forward"
OURS = "etc/sysctl.d/60-kubeception.conf"


@pytest.mark.parametrize(
    ("there", "wins"),
    [
        ({}, None),
        ({OURS: "net.ipv4.ip_forward = 1\n"}, (f"/{OURS}", "1")),
        (
            {OURS: "net.ipv4.ip_forward = 1\n", "usr/lib/sysctl.d/99-x.conf": FORWARD + "=0"},
            ("/usr/lib/sysctl.d/99-x.conf", "0"),
        ),
        (
            {"etc/sysctl.d/99-x.conf": "", "usr/lib/sysctl.d/99-x.conf": "net.ipv4.ip_forward=0"},
            None,
        ),
        ({"run/sysctl.d/1.conf": "-net.ipv4.conf.all.forwarding=0"}, ("/run/sysctl.d/1.conf", "0")),
        ({"etc/sysctl.d/1.conf": "net.ipv4.*=0\n"}, ("/etc/sysctl.d/1.conf", "0")),
        ({"etc/sysctl.d/1.conf": "# net.ipv4.ip_forward=0\n;x=1\nnonsense\n"}, None),
        ({"etc/sysctl.d/1.conf.off": "net.ipv4.ip_forward=0\n"}, None),
    ],
)
def test_the_last_file_counts_by_its_name(
    tmp_path: Path, there: dict[str, str], wins: tuple[str, str] | None
) -> None:
    for name, text in there.items():
        files.write(tmp_path / name, text)

    found = sysctl.set_by(Host(tmp_path), FORWARD)

    assert (found and (str(found.file), found.value)) == wins


def test_a_file_is_named_where_it_lies(tmp_path: Path) -> None:
    files.write(tmp_path / "etc/sysctl.conf", "net.ipv4.ip_forward=0\n")
    (tmp_path / "etc/sysctl.d").mkdir()
    (tmp_path / "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")

    found = sysctl.set_by(Host(tmp_path), FORWARD)

    assert found == sysctl.Setting(Path("/etc/sysctl.conf"), "net.ipv4.ip_forward", "0")


def test_a_value_that_the_kernel_refuses_is_told_in_a_line() -> None:
    with pytest.raises(KubeceptionError, match=r"^kernel.nothing can't be set to 1: "):
        sysctl.write("kernel/nothing", "1")


def test_a_key_is_shown_as_sysctl_takes_it() -> None:
    assert sysctl.shown(FORWARD) == "net.ipv4.ip_forward"
    assert (
        sysctl.shown("net/ipv4/conf/flannel.1/forwarding") == "net.ipv4.conf.flannel/1.forwarding"
    )
