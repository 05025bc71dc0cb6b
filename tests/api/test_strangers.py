"""An API server that answers nobody unknown is known to be ready all the same."""

import json
from pathlib import Path

import pytest
from tests.api.rig import Program, Rig
from tests.fixed import on_host

from kubeception.config import Config
from kubeception.kube import health
from kubeception.render import apiserver, revision

AUTHENTICATION = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthenticationConfiguration",
    "anonymous": {"enabled": False},
}
OIDC = ("--oidc-issuer-url=https://issuer.example.com", "--oidc-client-id=kubernetes")


@pytest.mark.parametrize("how", ["a flag", "a file", "a flag, with users of an issuer"])
def test_who_wants_a_name_is_asked_by_one(how: str, rig: Rig, tmp_path: Path) -> None:
    file, port = tmp_path / "authentication.json", rig.spare_port()
    file.write_text(json.dumps(AUTHENTICATION))
    more = {
        "a flag": ("--anonymous-auth=false",),
        "a file": (f"--authentication-config={file}",),
        "a flag, with users of an issuer": ("--anonymous-auth=false", *OIDC),
    }[how]
    spec = revision.bootstrap_pod(on_host(rig.config))["spec"]
    argv = rig.command(spec, f"--secure-port={port}", *more)
    ca = rig.root / Config().layout.pki.ca.certificate.relative_to("/")
    server = Program.start(argv, rig.root / f"{apiserver.NAME}-strangers.log")
    try:
        rig.until("it to be ready", lambda: health.problem(port, ca) is None)
        assert health.answer(port, ca) is health.HealthAnswer.READY
        assert health.version(port, ca)

        # The CA alone, in a folder without the credential: 401 is what a stranger gets.
        alone = tmp_path / "ca.crt"
        alone.write_bytes(ca.read_bytes())
        assert str(health.problem(port, alone)).endswith("/readyz answers 401")
    finally:
        server.kill()
