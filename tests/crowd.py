"""Clients that do too little, by the hundred: each comes back when it is shown out.

Only Python's own modules, so that it runs on lab hosts as well: `crowd.py HOST PORT COUNT` goes on
until its standard input ends, and prints how many connections it made.
"""

import contextlib
import resource
import selectors
import socket
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

Address = tuple[str, int]

# Handshakes cost the service as much as the client: few, beside those that cost the client nothing.
DRIPPING = 15
BEGINNINGS = (
    b"GET /join HTTP/1.1\r\nx: ",
    b"POST /join HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n",
)


def gather(at: Address, count: int, ending: threading.Event) -> int:
    """Be that many slow clients until it ends; return how many connections they made."""
    dripping = DRIPPING * len(BEGINNINGS)
    silent = (count - dripping) // 2
    with ThreadPoolExecutor(2 + dripping) as pool:
        running = [
            pool.submit(_hold, at, silent, b"", ending),
            pool.submit(_hold, at, count - dripping - silent, client_hello(), ending),
            *(pool.submit(_drip, at, head, ending) for head in BEGINNINGS * DRIPPING),
        ]
        return sum(one.result() for one in running)


def client_hello() -> bytes:
    """Return what a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    made = _trusting().wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        made.do_handshake()
    return outgoing.read()


def _hold(at: Address, count: int, says: bytes, ending: threading.Event) -> int:
    """Connect, and say a byte at a time of what there is to say, if anything."""
    chosen = selectors.DefaultSelector()
    said: dict[socket.socket, int] = {}
    made = 0

    def come() -> None:
        nonlocal made
        one = socket.socket()
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(at)
        chosen.register(one, selectors.EVENT_READ)
        said[one] = 0
        made += 1

    def go(one: socket.socket) -> None:
        chosen.unregister(one)
        del said[one]
        one.close()

    for _ in range(count):
        come()
    while not ending.wait(0.05):
        for key, _ in chosen.select(0):  # nothing is ever answered: the other side has closed
            assert isinstance(key.fileobj, socket.socket)
            go(key.fileobj)
            come()
        for one, sent in said.items() if says else ():
            with contextlib.suppress(OSError):
                said[one] = sent + one.send(says[sent : sent + 1])
    for one in list(said):
        go(one)
    return made


def _drip(at: Address, head: bytes, ending: threading.Event) -> int:
    """Send a byte a second after a beginning, on one connection after the other."""
    made = 0
    while not ending.wait(0.05):
        with contextlib.suppress(OSError), socket.create_connection(at, 20) as plain:
            made += 1
            with _trusting().wrap_socket(plain) as tls:
                tls.sendall(head)
                while not ending.wait(1):
                    tls.sendall(b"x")
    return made


def _trusting() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def main(host: str, port: str, count: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ending = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ending.set()

    threading.Thread(target=listen, daemon=True).start()
    print(gather((host, int(port)), int(count), ending))


if __name__ == "__main__":
    main(*sys.argv[1:])
