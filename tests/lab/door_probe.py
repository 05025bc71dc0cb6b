"""Ask the API at an address over a new TLS connection every 100 ms until standard input ends.

`door_probe.py ADDRESS PKI`, with the folder of the administrator's certificate; runs on a host, or
in the network of a lab.

Each request has a thread of its own: one that hangs must not hide what becomes of the next ones.
Prints a line when the first answer is there, and at the end one JSON list: for each request when it
was asked, for how long it took, and why it failed (nothing for an answer).
"""

import http.client
import json
import select
import ssl
import sys
import threading
import time

EVERY_S = 0.1
TIMEOUT_S = 5

pki = sys.argv[2]
context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
context.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")
seen: list[tuple[float, float, str]] = []


def ask() -> None:
    asked = time.time()
    started = time.monotonic()
    why = ""
    try:
        connection = http.client.HTTPSConnection(
            sys.argv[1], 6443, timeout=TIMEOUT_S, context=context
        )
        connection.request("GET", "/api/v1/namespaces/kube-system/configmaps/coredns")
        response = connection.getresponse()
        response.read()
        connection.close()
        if response.status != 200:
            why = f"status {response.status}"
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
    seen.append((asked, round(time.monotonic() - started, 3), why))


threads = []
has_answered = False
next_s = time.monotonic()
while not select.select([sys.stdin], [], [], max(0.0, next_s - time.monotonic()))[0]:
    threads.append(threading.Thread(target=ask))
    threads[-1].start()
    # After a moment without the processor no flood makes up for it.
    next_s = max(next_s + EVERY_S, time.monotonic())
    if not has_answered and any(not why for _, _, why in seen):
        has_answered = True
        print("answered", flush=True)
for thread in threads:
    thread.join()
print(json.dumps(sorted(seen)))
