"""etcd's JSON gateway: is it healthy, whose are its data, when did a key change.

https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
"""

import base64
import contextlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeception import pace, trust
from kubeception.errors import KubeceptionError
from kubeception.facts import Stored

TIMEOUT_S = 2.0
# What rewrites the whole file; the keeper's watchdog has more patience.
LONG_S = 40.0
# A database of gigabytes is read from a disk that others use, too.
SNAPSHOT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class EtcdClient:
    """A member's client endpoint."""

    ca: Path
    certificate: Path
    key: Path
    host: str = "127.0.0.1"
    port: int = 2379

    def problem(self) -> str | None:
        """Say why it does not serve, or None: a linearizable read, as its health check does."""
        try:
            self.mod_revisions("health")
        except KubeceptionError as error:
            return error.message
        return None

    def status(self) -> dict[str, Any]:
        """Return what it says of itself: sizes, alarms, revisions."""
        return self._ask("/v3/maintenance/status", {})

    def compact(self, revision: int) -> None:
        """Forget what was before a revision; one that is forgotten already is fine."""
        question = {"revision": revision, "physical": True}
        try:
            self._ask("/v3/kv/compaction", question, timeout_s=LONG_S)
        except KubeceptionError as error:
            if "has been compacted" not in error.message:
                raise

    def defragment(self) -> None:
        """Give the space back that is free in its file; nobody is answered meanwhile."""
        self._ask("/v3/maintenance/defragment", {}, timeout_s=LONG_S)

    def disarm(self) -> None:
        """Let members take writes again that had no space."""
        path = "/v3/maintenance/alarm"
        for raised in self._ask(path, {"action": "GET"}).get("alarms", []):
            if raised["alarm"] == "NOSPACE":
                self._ask(path, {"action": "DEACTIVATE", **raised})

    def version(self) -> str:
        """Return the server's own version."""
        answer: str = self.status()["version"]
        return answer

    def progress(self) -> tuple[Stored, int]:
        """Return whose data it serves, and the index of the last entry that it has committed."""
        answer = self.status()
        ids = answer["header"]
        of = Stored(f"{int(ids['cluster_id']):x}", f"{int(ids['member_id']):x}")
        return of, int(answer["raftIndex"])

    def value(self, key: str) -> bytes | None:
        """Return what a key says, None where there is none."""
        wanted = base64.b64encode(key.encode()).decode()
        found = self._ask("/v3/kv/range", {"key": wanted}).get("kvs", [])
        return base64.b64decode(found[0].get("value", "")) if found else None

    def mod_revisions(self, *keys: str) -> tuple[int, ...]:
        """Return at which revision each key last changed, 0 where there is none; one request."""
        wanted = [base64.b64encode(key.encode()).decode() for key in keys]
        ranges = [{"request_range": {"key": key, "keys_only": True}} for key in wanted]
        answers = self._ask("/v3/kv/txn", {"success": ranges})["responses"]
        found = [answer["response_range"].get("kvs", []) for answer in answers]
        return tuple(int(kvs[0]["mod_revision"]) if kvs else 0 for kvs in found)

    def revisions_within(self, *ranges: tuple[str, str]) -> dict[str, int]:
        """Return the keys of some ranges, the ends not among them, each with its last change."""
        bounds = [[base64.b64encode(key.encode()).decode() for key in one] for one in ranges]
        asked = [
            {"request_range": {"key": first, "range_end": end, "keys_only": True}}
            for first, end in bounds
        ]
        answers = self._ask("/v3/kv/txn", {"success": asked})["responses"]
        return {
            base64.b64decode(found["key"]).decode(): int(found["mod_revision"])
            for answer in answers
            for found in answer["response_range"].get("kvs", [])
        }

    def database_size(self) -> int:
        """Return how many bytes its database has on the disk."""
        return int(self.status()["dbSize"])

    def snapshot(self) -> Iterator[bytes]:
        """Yield its database as it is at one moment, and at the end the SHA-256 of that.

        Raises:
            KubeceptionError: etcd does not give it, or breaks off.
        """
        with self._asked("/v3/maintenance/snapshot", {}, timeout_s=SNAPSHOT_TIMEOUT_S) as response:
            for line in response:
                try:
                    told = json.loads(line)["result"]
                except (ValueError, KeyError) as error:
                    words = line.decode(errors="replace").strip()
                    raise KubeceptionError(f"etcd on port {self.port}: breaks off: {words}") from (
                        error
                    )
                yield base64.b64decode(told.get("blob", ""))

    def _ask(
        self, path: str, question: dict[str, Any], *, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        try:
            return self._answered(path, question, timeout_s=timeout_s)
        except KubeceptionError as error:
            # Whoever says no word in time is only slow where everything is.
            is_silent = isinstance(error.__cause__, TimeoutError)
            if not is_silent or (longer_s := pace.patience_s(timeout_s)) == timeout_s:
                raise
        return self._answered(path, question, timeout_s=longer_s)

    def _answered(self, path: str, question: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        with self._asked(path, question, timeout_s=timeout_s) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    @contextlib.contextmanager
    def _asked(
        self, path: str, question: dict[str, Any], *, timeout_s: float
    ) -> Iterator[http.client.HTTPResponse]:
        try:
            context = trust.context(self.ca, self.certificate, self.key)
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=timeout_s, context=context
            )
            with contextlib.closing(connection):
                connection.request("POST", path, json.dumps(question))
                response = connection.getresponse()
                if response.status != 200:
                    words = f"answers {response.status}: {_text(response)}"
                    raise KubeceptionError(f"etcd on port {self.port}: {words}")
                yield response
        except (OSError, http.client.HTTPException) as error:
            raise KubeceptionError(f"etcd on port {self.port}: {error}") from error


def _text(response: http.client.HTTPResponse) -> str:
    return response.read().decode(errors="replace").strip()
