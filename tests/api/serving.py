"""The join service as a process, with the credential of its own account, and who asks it."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.api.rig import Rig
from tests.api.rights import call
from tests.joiner import LOOPBACK, Joiner, Line, Said

from kubeception.admin import tokens
from kubeception.kube.client import Api, Credential
from kubeception.pki.token import Token
from kubeception.render import join_records, join_service
from kubeception.render.join_records import CLAIMS
from kubeception.session import Session

LISTENING = re.compile(r" INFO .*: listening on [\d.]+:(\d+)\n")
SYSTEM = ("-n", "kube-system")


@dataclass
class Service:
    """A running service, and what it logs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def memory(self) -> int:
        """Return how many bytes of it are in memory."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """Return how many bytes of it were in memory at once."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def cpu_s(self) -> float:
        """Return how much time it has spent computing."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(10) == 0


def command(rig: Rig, token: Path, port: int = 0, address: str = LOOPBACK) -> list[str]:
    at = rig.session().layout.pki
    flags = {
        "certificate": at.join.certificate,
        "key": at.join.key,
        "ca": at.join_ca.certificate,
        "address": address,
        "port": port,
        "api": f"https://127.0.0.1:{rig.ports.api}",
        "endpoint": f"https://127.0.0.1:{rig.ports.api}",
        "cluster-ca": at.ca.certificate,
        "token": token,
        "cluster-dns": "10.96.0.10",
        "cluster-domain": "cluster.local",
    }
    words = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, "-m", "kubeception", "serve", *words]


@contextlib.contextmanager
def running(
    rig: Rig, credential: Path, log: Path, port: int = 0, address: str = LOOPBACK
) -> Iterator[Service]:
    with log.open("wb") as sink:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command(rig, credential, port, address)],
            stdout=sink,
            stderr=sink,
            env={**os.environ, **join_service.ENVIRONMENT},
        )
    try:
        until = time.monotonic() + 20
        while not (found := LISTENING.search(log.read_text())):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.02)
        yield Service(process, int(found[1]), log)
        assert process.poll() in {None, 0}
    finally:
        process.kill()
        process.wait()


@dataclass
class Judge:
    """Somebody who may approve and deny; the controller does so with the good and the bad."""

    rig: Rig

    def pending(self) -> list[str]:
        path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        found = self._ask("GET", path)["items"]
        return [one["metadata"]["name"] for one in found if not one.get("status")]

    def forget(self) -> None:
        """Remove all of them."""
        self._ask("DELETE", "/apis/certificates.k8s.io/v1/certificatesigningrequests")

    def say(self, name: str, verdict: str, reason: str = "Tested") -> None:
        path = f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}"
        found = self._ask("GET", path)
        made = {"type": verdict, "status": "True", "reason": reason, "message": "by a test"}
        found["status"] = {"conditions": [made]}
        self._ask("PUT", f"{path}/approval", found)

    def _ask(self, method: str, path: str, document: Any = None) -> Any:
        pair = self.rig.session().layout.pki.admin
        return call(self.rig, method, path, document, who=Credential(pair.certificate, pair.key))


_names = iter(range(10_000))


def fresh_name() -> str:
    return f"worker-{next(_names)}"


def token_for(
    session: Session,
    *,
    node: str | None = None,
    rejoin: bool = False,
    any_source: bool = True,
    ttl: timedelta = timedelta(hours=1),
) -> Token:
    """Return a token; the hosts of most tests are seen from loopback, which is nobody's own."""
    made, _ = tokens.create(session, node=node, rejoin=rejoin, any_source=any_source, ttl=ttl)
    return made


def signing_requests(api: Api, token: Token) -> bool:
    name = join_records.request_name(token.id)
    return api.get("CertificateSigningRequest", name) is not None


def claim_of(api: Api, token: Token) -> Any:
    return api.get("ConfigMap", join_records.claim_name(token.id), namespace=CLAIMS)


def untouched(api: Api, token: Token) -> bool:
    return claim_of(api, token) is None and not signing_requests(api, token)


class Answering:
    """A join that waits for its certificate, until the block ends."""

    def __init__(self, host: Joiner, service: Service) -> None:
        self._line = Line(service.port)
        document = json.dumps(host.document(self._line.nonce(), self._line.server)).encode()
        head = f"POST /join HTTP/1.1\r\nhost: x\r\ncontent-length: {len(document)}\r\n"
        self._line.send(f"{head}content-type: application/json\r\n\r\n".encode() + document)

    def __enter__(self) -> "Answering":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def reaches(self, api: Api, token: Token) -> bool:
        """Wait until its certificate is asked for."""
        until = time.monotonic() + 5
        while not signing_requests(api, token) and time.monotonic() < until:
            time.sleep(0.02)
        return signing_requests(api, token)

    def hear(self) -> Said:
        return self._line.hear()
