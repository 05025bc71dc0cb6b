"""Who asks for what: `/healthz`, `/join`, and one answer for everything else.

What a stranger sends is never repeated, and no failure of ours is told to anybody.
"""

import asyncio
import logging
import re

import msgspec

from kubeception.errors import ApiError
from kubeception.join import wire
from kubeception.join.admission import Admission, Refused
from kubeception.join.http1 import Http1Connection, Request, Response
from kubeception.join.slots import Connection

log = logging.getLogger(__name__)

ANSWER_S = 12.0
_ALIVE = Response(200, b"ok", "text/plain; charset=utf-8")
_NOT_FOUND = Response(404, b"not found", "text/plain; charset=utf-8")
_JSON = re.compile(r"application/json *(; *charset=utf-8 *)?", re.IGNORECASE)
_WORDS = {413: "too large", 431: "headers are too large"}


class Router:
    """Answers whoever is let in."""

    def __init__(self, admission: Admission) -> None:
        self._joining = admission

    async def talk(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one connection for as long as it asks."""

        async def answer(asked: Request) -> Response:
            connection.is_busy = True
            try:
                return await self._answer(connection, asked)
            finally:
                connection.is_busy = connection.has_proven = False

        await Http1Connection(reader, writer).talk(answer=answer, refusal=_malformed)

    async def _answer(self, connection: Connection, asked: Request) -> Response:
        match asked.method, asked.target:
            case "GET", "/healthz":
                return _ALIVE
            case "GET", wire.PATH:
                return _json(200, wire.Challenge(connection.nonce.renew()))
            case "POST", wire.PATH:
                return await self._join(connection, asked)
            case _:
                return _NOT_FOUND

    async def _join(self, connection: Connection, asked: Request) -> Response:
        challenge = connection.nonce.take()
        kind = asked.headers.get("content-type", "")
        if asked.headers.get("content-encoding") or not _JSON.fullmatch(kind):
            return _refused(415, "only application/json is taken, as it is")
        try:
            request = wire.read(asked.body)
        except ValueError:
            return _malformed(400)
        about = f"token {request.token}, node {request.node}, from {connection.source}"

        def prove() -> None:
            connection.has_proven = True

        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._joining.admit(
                    request,
                    challenge=challenge,
                    source=connection.source,
                    prove=prove,
                    is_gone=connection.is_gone,
                )
        except Refused as error:
            log.info("%s: refused (%d): %s", about, error.status, error.why)
            return _refused(error.status, error.why, error.retry_after_s)
        except (ApiError, TimeoutError) as error:
            log.warning("%s: put off: %s", about, str(error) or "no answer in time")
            return _refused(503, "the cluster cannot be asked", 1)
        except Exception:  # a bug of ours is nobody else's business
            log.exception("%s: put off", about)
            return _refused(503, "the cluster cannot be asked", 1)
        log.info("%s: accepted", about)
        return _json(200, answer)


def _malformed(status: int) -> Response:
    return _refused(status, _WORDS.get(status, "bad request"))


def _refused(status: int, why: str, retry_after_s: int | None = None) -> Response:
    return _json(status, wire.Refusal(why), retry_after_s)


def _json(status: int, message: msgspec.Struct, retry_after_s: int | None = None) -> Response:
    return Response(status, msgspec.json.encode(message), retry_after_s=retry_after_s)
