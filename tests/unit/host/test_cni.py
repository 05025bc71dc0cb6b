"""A namespace is plugged in as a runtime does it: by real programs, which note their calls."""

import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from kubeception.errors import KubeceptionError
from kubeception.host.cni import Socket
from kubeception.host.gateway import Host

PLUGINS, SETTINGS = Path("/opt/cni/bin"), Path("/etc/cni/net.d/10-flannel.conflist")
NAMESPACE = Path("/proc/1/task/2/ns/net")
LIST = {
    "name": "cbr0",
    "cniVersion": "0.3.1",
    "plugins": [{"type": "flannel", "delegate": {"hairpinMode": True}}, {"type": "portmap"}],
}
# Refuses an address that is asked for, as the real one does where a pod has it.
NOTES = """#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_PATH $CNI_ARGS" >> calls
cat > stdin
"""
REFUSES = (
    NOTES
    + """[ -z "$CNI_ARGS" ] || { echo '{"code": 11, "msg": "it is taken"}'; exit 1; }
"""
)
FAILS = """#!/bin/sh
echo '{"code": 100, "msg": "cni0 has another address"}'; exit 1
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.chdir(tmp_path)
    host = Host(root=tmp_path)
    for folder in (PLUGINS, SETTINGS.parent):
        host.at(folder).mkdir(parents=True)
    host.at(SETTINGS).write_text(json.dumps(LIST))
    return host


def plugin(host: Host, program: str) -> Socket:
    at = host.at(PLUGINS / "flannel")
    at.write_text(program)
    at.chmod(0o755)
    return Socket(PLUGINS, SETTINGS, "4b1d")


def test_the_first_plugin_is_asked_for_an_address(host: Host) -> None:
    socket = plugin(host, NOTES)

    socket.plug(host, NAMESPACE, address=IPv4Address("10.64.1.254"))
    socket.unplug(host, NAMESPACE)

    given = f"4b1d {NAMESPACE} eth0 {PLUGINS}"
    assert Path("calls").read_text().splitlines() == [
        f"ADD {given} IgnoreUnknown=1;IP=10.64.1.254",
        f"DEL {given} ",
    ]
    assert json.loads(Path("stdin").read_text()) == {
        "type": "flannel",
        "delegate": {"hairpinMode": True},
        "name": "cbr0",
        "cniVersion": "0.3.1",
    }


def test_where_a_pod_has_the_address_any_will_do(host: Host) -> None:
    plugin(host, REFUSES).plug(host, NAMESPACE, address=IPv4Address("10.64.1.254"))

    commands = [line.split()[0] for line in Path("calls").read_text().splitlines()]
    assert commands == ["ADD", "DEL", "ADD"]


def test_why_no_pod_gets_a_network_is_said_in_the_plugins_words(host: Host) -> None:
    with pytest.raises(KubeceptionError, match="cni0 has another address"):
        plugin(host, FAILS).unplug(host, NAMESPACE)


@pytest.mark.parametrize("settings", ["", "{", "[]", '{"plugins": []}'])
def test_settings_that_can_not_be_read_are_said(host: Host, settings: str) -> None:
    host.at(SETTINGS).write_text(settings)

    with pytest.raises(KubeceptionError, match="can't be read"):
        plugin(host, NOTES).unplug(host, NAMESPACE)


def test_there_is_a_socket_where_the_network_has_left_its_settings(host: Host) -> None:
    socket = plugin(host, NOTES)
    assert socket.is_there(host)

    host.at(SETTINGS).unlink()
    assert not socket.is_there(host)
