"""Run on a host: write ConfigMaps as fast as the API takes them, one line for each acknowledged."""

import http.client
import json
import ssl
import sys

PKI = "/etc/kubernetes/pki"

context = ssl.create_default_context(cafile=f"{PKI}/ca.crt")
context.load_cert_chain(f"{PKI}/admin.crt", f"{PKI}/admin.key")
connection = http.client.HTTPSConnection("127.0.0.1", 6443, timeout=10, context=context)
number = 0
while True:
    name = f"{sys.argv[1]}-{number}"
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    connection.request(
        "POST",
        "/api/v1/namespaces/default/configmaps",
        json.dumps(wanted),
        {"Content-Type": "application/json"},
    )
    response = connection.getresponse()
    response.read()
    if response.status == 201:
        print(name, flush=True)
    number += 1
