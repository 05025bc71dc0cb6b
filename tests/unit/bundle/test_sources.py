"""Which system packages and package sources count."""

from pathlib import Path

from kubeception.bundle import debian, packages


def test_a_package_is_there_when_its_program_or_file_is(tmp_path: Path) -> None:
    header = tmp_path / "seccomp.h"
    header.touch()

    needs = {"sh": "sh", "libseccomp-dev": str(header), "nothing": "no-such-program"}
    assert packages.missing(needs) == ["nothing"]


def test_only_the_release_and_its_updates_are_taken_each_once() -> None:
    told = """\
http://deb.example.org/debian/ bookworm main
http://deb.example.org/debian/ bookworm main
http://deb.example.org/debian/ bookworm contrib
http://deb.example.org/debian/ bookworm-updates main
http://deb.example.org/debian/ bookworm-backports main
http://deb.example.org/debian/ trixie main
http://security.example.org/ bookworm-security main
https://node.example.org/node_20.x nodistro main
"""
    assert debian.of_release(told, "bookworm") == [
        "http://deb.example.org/debian/ bookworm main",
        "http://deb.example.org/debian/ bookworm-updates main",
        "http://security.example.org/ bookworm-security main",
    ]
