"""Run on a host: ask the API over a new TLS connection every 100 ms until standard input ends.

Prints a line when the first answer is there, and at the end one JSON object: how many were
answered, which failed, and how long the slowest took.
"""

import http.client
import json
import select
import ssl
import sys
import time

PKI = "/etc/kubernetes/pki"

context = ssl.create_default_context(cafile=f"{PKI}/ca.crt")
context.load_cert_chain(f"{PKI}/admin.crt", f"{PKI}/admin.key")
answered, failed, slowest_s = 0, [], 0.0
while not select.select([sys.stdin], [], [], 0)[0]:
    started = time.monotonic()
    try:
        connection = http.client.HTTPSConnection(sys.argv[1], 6443, timeout=5, context=context)
        connection.request("GET", "/api/v1/namespaces/kube-system/configmaps/coredns")
        response = connection.getresponse()
        response.read()
        connection.close()
        if response.status == 200:
            answered += 1
        else:
            failed.append(f"{time.time():.1f}: {response.status}")
    except OSError as error:
        failed.append(f"{time.time():.1f}: {error!r}")
    took_s = time.monotonic() - started
    slowest_s = max(slowest_s, took_s)
    if answered == 1:
        print("answered", flush=True)
    time.sleep(max(0.0, 0.1 - took_s))
print(json.dumps({"answered": answered, "failed": failed, "slowest_s": round(slowest_s, 3)}))
