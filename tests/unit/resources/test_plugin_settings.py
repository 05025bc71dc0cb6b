"""What flannel tells the plugins is there and whole, or flannel is to write it anew."""

import json
from pathlib import Path

import pytest
from tests import flannel as told_by_flannel
from tests.flannel import SETTINGS, SUBNET
from tests.unit.sessions import session_of

from kubeception.host import files
from kubeception.render import flannel
from kubeception.resources.plugin_settings import PluginSettings
from kubeception.session import Session

WANTED = PluginSettings()
# Of one pod with one container; whoever is ended is written down.
CRICTL = """#!/bin/sh
case "$*" in
*" pods "*) echo '{"items": [{"id": "pod"}]}' ;;
*" ps "*)
  echo '{"containers": [{"id": "it", "createdAt": "1", "metadata": {"name": "flannel"}}]}' ;;
*" stop "*) echo "$*" >> "$(dirname "$0")/ended" ;;
esac
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A host to which flannel has told all."""
    session = session_of(tmp_path)
    told_by_flannel.tell(session.host)
    return session


def test_what_flannel_has_written_is_whole(session: Session) -> None:
    assert WANTED.drift(session) is None


def test_what_a_person_has_added_to_is_whole(session: Session) -> None:
    path = session.host.at(SETTINGS)
    settings = json.loads(path.read_text())
    settings["plugins"].append({"type": "bandwidth"})
    path.write_text(json.dumps(settings, indent=4))
    with session.host.at(flannel.SUBNET).open("a") as subnet:
        subnet.write("# mine\n\nFLANNEL_OTHER=1\n")

    assert WANTED.drift(session) is None


def test_what_is_not_there_is_gone(session: Session) -> None:
    session.host.at(flannel.SUBNET).unlink()

    assert WANTED.drift(session) == f"is gone: {flannel.SUBNET}"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "FLANNEL_SUBNET=\n",
        SUBNET.replace("10.244.3.1/24", ""),
        SUBNET.replace("10.244.3.1/24", "10.244.3."),
        SUBNET.replace("/24", ""),
        SUBNET.replace("10.244.3.1/24", "10.244.3.1/2455"),
        SUBNET.partition("FLANNEL_MTU")[0],
        SUBNET.replace("1450", ""),
        "\0" * 80,
    ],
)
def test_a_range_that_no_plugin_could_go_by_is_told(session: Session, said: str) -> None:
    session.host.at(flannel.SUBNET).write_text(said)

    assert WANTED.drift(session) == f"is not whole: {flannel.SUBNET}"


@pytest.mark.parametrize(
    "said",
    [
        *("", "{", "[]", "null", '"plugins"', "\0" * 80, "{}"),
        '{"name": "cbr0", "cniVersion": "0.3.1", "plugins": []}',
        '{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{}]}',
        '{"name": "cbr0", "cniVersion": "0.3.1", "plugins": {"type": "flannel"}}',
    ],
)
def test_settings_that_no_runtime_could_go_by_are_told(session: Session, said: str) -> None:
    session.host.at(SETTINGS).write_text(said)

    assert WANTED.drift(session) == f"is not whole: {SETTINGS}"


def test_all_that_is_wrong_is_told(session: Session) -> None:
    session.host.at(flannel.SUBNET).unlink()
    session.host.at(SETTINGS).write_text("")

    assert WANTED.drift(session) == f"is gone: {flannel.SUBNET}; is not whole: {SETTINGS}"


def test_flannel_finds_nothing_that_is_torn_when_it_starts_anew(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pod has the runtime call the network ready once a range is there."""
    files.write(tmp_path / "crictl", CRICTL, mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    session.host.at(flannel.SUBNET).write_text("FLANNEL_SUBNET=\n")

    WANTED.apply(session)

    assert (tmp_path / "ended").read_text().split()[-1] == "it"
    assert not session.host.at(flannel.SUBNET).exists()
    assert session.host.at(SETTINGS).exists()
