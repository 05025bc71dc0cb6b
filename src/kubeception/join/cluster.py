"""What the join service asks of the API, each off the event loop and in one of two small pools.

Whoever has proven nothing yet has threads of its own, so that a crowd of them holds no join up.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from kubeception.errors import ApiError
from kubeception.kube.client import Api, Object
from kubeception.pki.request import CLIENT_SIGNER
from kubeception.render import join_records, objects
from kubeception.render.join_records import ClaimRecord, NodeRecord, TokenRecord

# As events say, and the first as the controller denies for it.
NAME_TAKEN, TOKEN_REUSED, OTHER_SOURCE = "NameTaken", "TokenReused", "OtherSource"
CONFLICT = 409
_STRANGERS, _PROVEN = 4, 16
# Of why a request was denied; anybody who may deny one writes it.
_MOST_LETTERS = 200

_Any = TypeVar("_Any")


@dataclass(frozen=True)
class Decision:
    """What became of a certificate request: its certificate, or why there will be none.

    `denied` is the reason as programs know it, `why` what its host may read: as Kubernetes has it,
    whoever asks for a certificate reads why it was denied.
    """

    certificate: str = ""
    denied: str = ""
    why: str = ""


class Cluster:
    """The API, as far as joining needs it.

    Every method raises ApiError where the API does not answer, or not so that it helps.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._strangers = ThreadPoolExecutor(_STRANGERS, "stranger")
        self._proven = ThreadPoolExecutor(_PROVEN, "proven")

    async def token(self, token: str) -> TokenRecord | None:
        """Return what is known of a token, as it is right now."""
        name = join_records.token_name(token)
        found = await self._on(self._strangers, self._config_map, name, join_records.RECORDS)
        return join_records.to_token(found) if found else None

    async def claim(self, token: str) -> ClaimRecord | None:
        """Return the claim that a token was spent on."""
        name = join_records.claim_name(token)
        found = await self._on(self._proven, self._config_map, name, join_records.CLAIMS)
        return join_records.to_claim(found) if found else None

    async def record(self, node: str) -> NodeRecord | None:
        """Return who a node is; None where there is none of that name any more."""
        name = join_records.node_name(node)
        found = await self._on(self._proven, self._config_map, name, join_records.RECORDS)
        record = join_records.to_node(found) if found else None
        return None if record and record.removed else record

    async def has_node(self, node: str) -> bool:
        """Tell whether there is a node of a name, ready or not."""
        return await self._on(self._proven, self._api.get, "Node", node) is not None

    async def spend(self, record: ClaimRecord) -> bool:
        """Make the one claim of a token; False where there is one."""
        return await self._create(join_records.from_claim(record))

    async def ask_for_certificate(self, record: ClaimRecord, *, usages: list[str]) -> bool:
        """Ask for a claim's certificate; False where something else is asked by that name."""
        name = join_records.request_name(record.claim.token)
        spec = {
            "signerName": CLIENT_SIGNER,
            "usages": usages,
            "request": b64encode(record.request).decode(),
        }
        wanted = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": spec,
        }
        if await self._create(wanted):
            return True
        found = await self._request(name)
        return all((found or {}).get("spec", {}).get(key) == spec[key] for key in spec)

    async def verdict(self, token: str) -> Decision | None:
        """Return what became of a token's certificate request; None while nothing has."""
        found = await self._request(join_records.request_name(token)) or {}
        status = found.get("status") or {}
        if status.get("certificate"):
            return Decision(certificate=b64decode(status["certificate"]).decode())
        for condition in status.get("conditions") or []:
            kind = condition["type"]
            if kind in {"Denied", "Failed"}:
                # What failed is the cluster's own business.
                why = condition.get("message") or "" if kind == "Denied" else ""
                return Decision(denied=condition.get("reason") or kind, why=why[:_MOST_LETTERS])
        return None

    async def alert(self, token: str, reason: str, message: str) -> None:
        """Leave an event for the administrator about what a token was used for."""
        name = join_records.claim_name(token)
        about = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": join_records.CLAIMS},
        }
        # One a reason, so that asking again and again leaves no more than one.
        await self._create(
            objects.event(
                about,
                reason,
                message,
                by={"component": "kubeception-serve"},
                at=datetime.now(UTC),
                name=f"{reason.lower()}-{token}",
            )
        )

    def _config_map(self, name: str, namespace: str) -> Object | None:
        return self._api.get("ConfigMap", name, namespace=namespace)

    async def _request(self, name: str) -> Object | None:
        return await self._on(self._proven, self._api.get, "CertificateSigningRequest", name)

    async def _create(self, wanted: Object) -> bool:
        try:
            await self._on(self._proven, self._api.create, wanted)
        except ApiError as error:
            if error.status != CONFLICT:
                raise
            return False
        return True

    async def _on(
        self, pool: ThreadPoolExecutor, ask: Callable[..., _Any], *arguments: Any
    ) -> _Any:
        return await asyncio.get_running_loop().run_in_executor(pool, ask, *arguments)
