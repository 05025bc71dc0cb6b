"""The certificates in a kubeconfig are found, whoever wrote it."""

import base64
from pathlib import Path

import pytest
from tests.fixed import CONFIG

from kubeception.pki.kubeconfigs import KubeconfigClient, clients
from kubeception.render import kubeconfig

AT = CONFIG.layout.pki
CERTIFICATE, KEY = (base64.b64encode(word).decode() for word in (b"certificate", b"key"))
EMBEDDED = f"""apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: {CERTIFICATE}
    server: https://127.0.0.1:6443
  name: kubernetes
users:
- name: kubernetes-admin
  user:
    client-certificate-data: {CERTIFICATE}
    client-key-data: "{KEY}"
"""
NAMED = """users:
- name: system:node:cp1
  user:
    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem
    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem
"""
CURRENT = str(CONFIG.layout.kubelet.renewed_client)
TABLE: dict[str, tuple[str, list[KubeconfigClient]]] = {
    "ours": (
        kubeconfig.document(user="u", server="https://127.0.0.1:6443", ca=AT.ca, client=AT.admin),
        [KubeconfigClient(str(AT.admin.certificate), str(AT.admin.key))],
    ),
    "kubeadm's": (EMBEDDED, [KubeconfigClient(b"certificate", b"key")]),
    "a kubelet's": (NAMED, [KubeconfigClient(CURRENT, CURRENT)]),
    "one without a key": (
        EMBEDDED.partition("    client-key")[0],
        [KubeconfigClient(b"certificate", None)],
    ),
    "one with a broken certificate": (
        EMBEDDED.replace(f"client-certificate-data: {CERTIFICATE}", "client-certificate-data: %"),
        [KubeconfigClient(b"", b"key")],
    ),
    "one with a token": ("users:\n- name: me\n  user:\n    token: secret\n", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("text", "found"), TABLE.values(), ids=TABLE)
def test_clients(text: str, found: list[KubeconfigClient]) -> None:
    assert list(clients(text)) == found


def test_paths_are_told_from_content() -> None:
    (one,) = clients(NAMED)

    assert isinstance(one.certificate, str) and Path(one.certificate).is_absolute()
