"""etcd's JSON gateway: is it healthy, whose are its data, when did a key change.

https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
"""

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeception.errors import KubeceptionError
from kubeception.facts import Stored

TIMEOUT_S = 2.0


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

    def version(self) -> str:
        """Return the server's own version."""
        answer: str = self._ask("/v3/maintenance/status", {})["version"]
        return answer

    def progress(self) -> tuple[Stored, int]:
        """Return whose data it serves, and the index of the last entry that it has committed."""
        answer = self._ask("/v3/maintenance/status", {})
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

    def _ask(self, path: str, question: dict[str, Any]) -> dict[str, Any]:
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            context.load_cert_chain(self.certificate, self.key)
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=TIMEOUT_S, context=context
            )
            try:
                connection.request("POST", path, json.dumps(question))
                response = connection.getresponse()
                body = response.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise KubeceptionError(f"etcd on port {self.port}: {error}") from error
        if response.status != 200:
            words = body.decode(errors="replace").strip()
            raise KubeceptionError(f"etcd on port {self.port}: answers {response.status}: {words}")
        answer: dict[str, Any] = json.loads(body)
        return answer
