"""The join service against a real API: what it takes, what it refuses, and what it withstands.

Each attack that docs/security.md names has its test here, as far as the service has to answer it.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from tests import joiner
from tests.api.rig import Rig
from tests.conftest import Note
from tests.joiner import CONTEXT, Gone, Joiner, Line, Said, line

from kubeception import tokens
from kubeception.kube.client import Api
from kubeception.pki.token import Role, Token
from kubeception.reach import Reach
from kubeception.render import join_records, join_service
from kubeception.render.join_records import CLAIMS, RECORDS, NodeRecord
from kubeception.resources.object import Object

SYSTEM = ("-n", "kube-system")
REQUESTS = int(os.environ.get("KUBECEPTION_REQUESTS", "20000"))
LISTENING = re.compile(r" INFO .*: listening on 127\.0\.0\.1:(\d+)\n")


@dataclass
class Service:
    """A running service, and what it logs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def memory(self) -> int:
        """Return how many bytes of it are in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
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


def command(rig: Rig, token: Path, port: int = 0) -> list[str]:
    at = rig.reach().layout.pki
    flags = {
        "certificate": at.join.certificate,
        "key": at.join.key,
        "ca": at.join_ca.certificate,
        "address": "127.0.0.1",
        "port": port,
        "api": f"https://127.0.0.1:{rig.ports.api}",
        "cluster-ca": at.ca.certificate,
        "token": token,
        "cluster-dns": "10.96.0.10",
        "cluster-domain": "cluster.local",
    }
    words = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, "-m", "kubeception", "serve", *words]


@contextlib.contextmanager
def running(rig: Rig, credential: Path, log: Path, port: int = 0) -> Iterator[Service]:
    with log.open("wb") as sink:
        process = subprocess.Popen(command(rig, credential, port), stdout=sink, stderr=sink)
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


@pytest.fixture(scope="module")
def credential(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's own: its rights are what is rendered, and so proven to be enough."""
    with rig.reach() as reach:
        for wanted in (*join_records.namespaces(), *join_service.account()):
            Object(wanted).apply(reach)
    made = rig.kubectl(*SYSTEM, "create", "token", join_service.NAME, "--duration=1h")
    file = tmp_path_factory.mktemp("account") / "token"
    file.write_text(made.stdout)
    return file


@pytest.fixture(scope="module")
def service(
    rig: Rig, credential: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with running(rig, credential, tmp_path_factory.mktemp("serve") / "log") as service:
        yield service


@pytest.fixture(scope="module")
def approving(rig: Rig) -> Iterator[None]:
    """Somebody approves every request, as the controller does with good ones."""
    ending = threading.Event()

    def approve() -> None:
        with rig.reach() as reach:
            while not ending.wait(0.05):
                for found in reach.api.list("CertificateSigningRequest"):
                    if not found.get("status"):
                        judge(reach.api, found["metadata"]["name"], "Approved", "Tested")

    thread = threading.Thread(target=approve)
    thread.start()
    yield
    ending.set()
    thread.join()


def judge(api: Api, name: str, verdict: str, reason: str) -> None:
    """Approve or deny a certificate request."""
    made = {"type": verdict, "status": "True", "reason": reason, "message": "by a test"}
    change = {"status": {"conditions": [made]}}
    api.merge_approval(name, change)


_names = iter(range(10_000))


def fresh_name() -> str:
    return f"worker-{next(_names)}"


def token_for(
    reach: Reach,
    *,
    node: str | None = None,
    rejoin: bool = False,
    ttl: timedelta = timedelta(hours=1),
) -> Token:
    return tokens.create(reach, node=node, rejoin=rejoin, ttl=ttl)[0]


def signing_requests(api: Api, token: Token) -> bool:
    name = join_records.request_name(token.id)
    return api.get("CertificateSigningRequest", name) is not None


def claim_of(api: Api, token: Token) -> Any:
    return api.get("ConfigMap", join_records.claim_name(token.id), namespace=CLAIMS)


def untouched(api: Api, token: Token) -> bool:
    return claim_of(api, token) is None and not signing_requests(api, token)
