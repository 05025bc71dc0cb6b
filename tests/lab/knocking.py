"""Run on a host: connect to the door every 100 ms until standard input ends.

Prints, as JSON, when the first connection was taken, and when one was refused after that.
"""

import json
import select
import socket
import sys
import time

first_s = None
refused = []
while not select.select([sys.stdin], [], [], 0.1)[0]:
    try:
        socket.create_connection(("127.0.0.1", 6443), timeout=5).close()
    except ConnectionRefusedError:
        if first_s is not None:
            refused.append(time.time())
    else:
        first_s = first_s or time.time()
print(json.dumps([first_s, refused]))
