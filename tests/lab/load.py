"""Ask an API server at an address for all that clients ask, by many at once, until input ends.

`load.py ADDRESS PORT CA TOKEN NAME`, with the CA's file, a file with the token of somebody who may
read and write ConfigMaps in the namespace `load`, and what the writers' own ones are called.

Kept connections and new ones, reads and writes. A kept connection that a server closed while it was
idle is opened anew and its request sent once more, and so is one that a server which is about to
end answers with `Retry-After`: as every client library does. How often that was so is told. Prints
a line when the first answer is there, for each line of input how many there are,
and at the end what has become of all, as JSON.
"""

import http.client
import json
import ssl
import sys
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

KEPT, KEPT_EVERY_S = 3, 0.03
NEW_EVERY_S, SLICE_EVERY_S = 0.1, 0.2
TIMEOUT_S = 30
# By what a client learns that a connection is closed.
CLOSED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
MAPS = "/api/v1/namespaces/load/configmaps"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"

address, port, ca, token, name = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
headers = {"Authorization": f"Bearer {Path(token).read_text().strip()}"}
patch = {**headers, "Content-Type": "application/merge-patch+json"}

has_answered, is_over = threading.Event(), threading.Event()
counts: Counter[str] = Counter()
took: list[float] = []
# When each was there.
answers: list[float] = []
failed: list[str] = []
lost: list[str] = []


class AskAgain(Exception):
    """A server says when to ask again."""

    def __init__(self, after_s: float) -> None:
        super().__init__()
        self.after_s = after_s


class Client:
    """One connection after the other."""

    def __init__(self) -> None:
        self.connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: str | None = None) -> Any:
        """Return what is answered, None where it is none."""
        is_kept = self.connection is not None
        asked, started = time.time(), time.monotonic()
        try:
            answer = self._answer(method, path, body)
        except AskAgain as told:
            self.connection = None
            counts["told to ask again"] += 1
            time.sleep(told.after_s)
            return self.ask(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            if is_kept and isinstance(error, CLOSED):
                counts["closed while idle"] += 1
                return self.ask(method, path, body)
            failed.append(f"{asked:.1f}: {method} {path}: {type(error).__name__}: {error}")
            return None
        ended = time.monotonic()
        answers.append(ended)
        took.append(ended - started)
        has_answered.set()
        return answer

    def _answer(self, method: str, path: str, body: str | None) -> Any:
        if self.connection is None:
            counts["connections"] += 1
            self.connection = http.client.HTTPSConnection(
                address, int(port), timeout=TIMEOUT_S, context=context
            )
        self.connection.request(method, path, body, patch if body else headers)
        response = self.connection.getresponse()
        content = response.read()
        if response.will_close:
            self.connection = None
        if response.status in {429, 503} and (after := response.headers["Retry-After"]):
            raise AskAgain(float(after))
        if response.status != 200:
            raise http.client.HTTPException(f"status {response.status}: {content[:200]!r}")
        return json.loads(content)


def keep(number: int) -> None:
    """Read and write over one connection, and see that what was written is there."""
    client, mine, written = Client(), f"{MAPS}/{name}-{number}", 0
    while not is_over.wait(KEPT_EVERY_S):
        if client.ask("PATCH", mine, json.dumps({"data": {"n": str(written + 1)}})):
            written += 1
        found = client.ask("GET", mine)
        if found and found["data"]["n"] != str(written):
            lost.append(f"{mine}: {found['data']['n']} and not {written}")
        client.ask("GET", f"{MAPS}?limit=5")


def begin_anew() -> None:
    """Read over a new connection each time."""
    while not is_over.wait(NEW_EVERY_S):
        client = Client()
        client.ask("GET", f"{MAPS}/{name}-0")
        if client.connection:
            client.connection.close()


def look_at_the_slice() -> None:
    """See that the API's own Service leads to somebody all the time."""
    client = Client()
    while not is_over.wait(SLICE_EVERY_S):
        found = client.ask("GET", SLICE)
        if found and not any(one["addresses"] for one in found.get("endpoints") or []):
            lost.append("the API's EndpointSlice is empty")


threads = [threading.Thread(target=keep, args=(number,)) for number in range(KEPT)]
threads += [threading.Thread(target=begin_anew), threading.Thread(target=look_at_the_slice)]
for thread in threads:
    thread.start()
has_answered.wait()
print("answered", flush=True)
while sys.stdin.readline():
    print(len(took), flush=True)
is_over.set()
for thread in threads:
    thread.join()
answers.sort()
pause_s = max((later - one for one, later in pairwise(answers)), default=0.0)
figures = {"answered": len(took), "slowest_s": max(took), "pause_s": pause_s}
print(json.dumps({**figures, "failed": failed, "lost": lost, **counts}))
