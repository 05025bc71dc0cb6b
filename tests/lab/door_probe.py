"""Ask the API at an address over a new TLS connection, often, until standard input ends.

`door_probe.py ADDRESS PKI PATH EVERY_S TIMEOUT_S`, with the folder of the administrator's
certificate, what is asked for, how often, and for how long an answer is waited for; runs on a host,
or in the network of a lab.

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

pki, every_s, timeout_s = sys.argv[2], float(sys.argv[4]), float(sys.argv[5])
context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
context.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")
seen: list[tuple[float, float, str]] = []


def ask() -> None:
    asked = time.time()
    started = time.monotonic()
    why = ""
    try:
        connection = http.client.HTTPSConnection(
            sys.argv[1], 6443, timeout=timeout_s, context=context
        )
        connection.request("GET", sys.argv[3])
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
        connection.close()
        if response.status != 200:
            why = f"status {response.status}: {body[:400]}"
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
    next_s = max(next_s + every_s, time.monotonic())
    if not has_answered and any(not why for _, _, why in seen):
        has_answered = True
        print("answered", flush=True)
for thread in threads:
    thread.join()
print(json.dumps(sorted(seen)))
