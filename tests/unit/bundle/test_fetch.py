"""A bundle comes from a web server whole, proven and once, whoever answers there."""

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner
from tests.killed import ratchet

from kubeception.bundle import contents, install
from kubeception.bundle.download import following
from kubeception.bundle.fetch import fetch
from kubeception.cli.bundle import bundle as command
from kubeception.config.model import KeyAlgorithm
from kubeception.errors import KubeceptionError
from kubeception.host import lock
from kubeception.pki import issue
from kubeception.pki.catalog import CertificateSpec, Use
from kubeception.source import Source
from kubeception.versions import LISTING

MakeBundle = Callable[[str], Path]
SUM = "ab" * 32


class Answer(BaseHTTPRequestHandler):
    """Answers with a file, or with what a test wants in its place."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        served: Served = server.served
        served.asked.append(self.path)
        if (instead := served.instead.get(self.path)) is not None:
            instead(self)
            self.close_connection = True
            return
        path = served.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        send(self, path.read_bytes())

    def log_message(self, *_: object) -> None:
        pass


def send(to: BaseHTTPRequestHandler, content: bytes, *, length: int | None = None) -> None:
    to.send_response(200)
    to.send_header("Content-Length", str(len(content) if length is None else length))
    to.end_headers()
    to.wfile.write(content)


def redirect(url: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(302)
        to.send_header("Location", url)
        to.send_header("Content-Length", "0")
        to.end_headers()

    return answer


@dataclass
class Served:
    """A folder on a web server of this machine's."""

    folder: Path
    port: int
    instead: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """Where its bundle is."""
        digest = contents.sum_of((self.folder / LISTING).read_bytes())
        return Source(f"http://127.0.0.1:{self.port}", digest)


@contextlib.contextmanager
def serving(folder: Path, *, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        served = Served(folder, server.server_address[1])
        server.served = served  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def served(make_bundle: MakeBundle) -> Iterator[Served]:
    with serving(make_bundle("3.7.3")) as found:
        yield found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "host"


def refused(source: Source, root: Path, *, patience_s: float = 30) -> str:
    """Have a bundle refused of which nothing lies on the host then; return the line for it."""
    with pytest.raises(KubeceptionError) as caught:
        fetch(source, root, patience_s=patience_s)
    assert install.installed(root) == []
    assert caught.value.hint
    assert len(caught.value.message.splitlines()) == 1
    return caught.value.message


def left(root: Path) -> list[str]:
    """Return what has come and lies there still, for the next time."""
    found = (root / "opt/kubeception").glob(f"{install.FETCHED}*/**/*")
    return sorted(path.name for path in found if path.is_file())


def test_a_bundle_lies_on_the_host_then_and_nothing_uses_it(served: Served, root: Path) -> None:
    name, changes = fetch(served.source, root)

    folder = root / "opt/kubeception" / name
    assert contents.verify(folder) == contents.load(served.folder)
    assert (folder / "bin/etcd").stat().st_mode & 0o777 == 0o755
    assert (folder / "bin/etcd").stat().st_nlink == 1
    assert (folder / LISTING).read_bytes() == (served.folder / LISTING).read_bytes()
    assert sorted(p.name for p in (folder / "lib/python").iterdir()) == [
        "dependencies.py",
        "kubeception.py",
    ]
    assert [one.in_use for one in install.installed(root)] == [False]
    assert changes == [f"{folder}: 5 files"]
    assert left(root) == []
    assert sorted(path.name for path in folder.parent.iterdir()) == [name]


def test_the_second_time_nobody_is_asked(served: Served, root: Path) -> None:
    name, _ = fetch(served.source, root)
    served.asked.clear()

    assert fetch(served.source, root) == (name, [])
    assert served.asked == []


def test_nor_where_it_has_come_another_way(served: Served, root: Path) -> None:
    install.install(served.folder, root, linked=True)

    assert fetch(served.source, root)[1] == []
    assert served.asked == []


def test_what_has_come_does_not_come_again(served: Served, root: Path) -> None:
    """Neither what is whole, wherever it was ended, nor what is damaged is taken for the other."""
    first, *_, last = contents.load(served.folder).files
    served.instead[f"/{last.path}"] = lambda to: to.send_error(503)
    assert "the server answers 503" in refused(served.source, root)
    assert len(left(root)) >= 4
    served.instead.clear()
    [at] = (root / "opt/kubeception").glob(f"{install.FETCHED}*")
    (at / first.path).write_bytes(b"x" * first.size)
    served.asked.clear()

    name, _ = fetch(served.source, root)

    assert served.asked == [f"/{LISTING}", f"/{first.path}", f"/{last.path}"]
    contents.verify(root / "opt/kubeception" / name)
    assert left(root) == []


def test_killed_anywhere_it_goes_on_and_ends_well(
    served: Served, tmp_path: Path, root: Path
) -> None:
    steps = ratchet(lambda: fetch(served.source, root), log=tmp_path / "steps")

    assert sum(step.startswith("fetch ") for step in steps) == 5
    assert any(step.startswith("rename to ") for step in steps)
    [one] = install.installed(root)
    contents.verify(root / "opt/kubeception" / one.name)
    assert left(root) == []
    files = [path for path in served.asked if path != f"/{LISTING}"]
    assert len(files) == len({*files}) == 5, "what has come does not come again"


def test_what_has_come_of_another_one_is_removed(
    served: Served, make_bundle: MakeBundle, root: Path
) -> None:
    last = contents.load(served.folder).files[-1]
    served.instead[f"/{last.path}"] = lambda to: to.send_error(503)
    refused(served.source, root)
    [before] = (root / "opt/kubeception").glob(f"{install.FETCHED}*")
    with serving(make_bundle("3.7.4")) as other:
        other.instead[f"/{last.path}"] = lambda to: to.send_error(503)
        refused(other.source, root)
        assert not before.exists(), "its room is needed"
        other.instead.clear()
        fetch(other.source, root)

    assert left(root) == []


def test_of_two_the_second_waits_and_finds_it_there(served: Served, root: Path) -> None:
    here, found = install.for_root(root), list[tuple[str, list[str]]]()
    thread = threading.Thread(target=lambda: found.append(fetch(served.source, root)))
    with lock.in_turn(install.fetching(here)):
        thread.start()
        time.sleep(0.3)
        assert served.asked == []
        install.install(served.folder, root, linked=True, staged=True)
    thread.join()

    assert found[0][1] == []
    assert served.asked == []


def test_what_was_begun_and_is_not_wanted_is_pruned_unless_it_is_under_way(
    served: Served, root: Path
) -> None:
    last = contents.load(served.folder).files[-1]
    served.instead[f"/{last.path}"] = lambda to: to.send_error(503)
    refused(served.source, root)
    path = install.fetching(install.for_root(root))
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert install.prune(root) == []
    assert left(root)

    assert len(install.prune(root)) == 1
    assert left(root) == []


def test_another_bundle_is_refused_before_anything_of_it_is_believed(
    served: Served, root: Path
) -> None:
    wrong = Source(served.source.url, SUM)

    said = refused(wrong, root)

    assert said == (
        f"{wrong.url}/bundle.json: its SHA-256 is {served.source.sha256} instead of {SUM}"
    )
    assert served.asked == ["/bundle.json"]


@pytest.mark.parametrize(
    ("path", "sent", "length", "said"),
    [
        ("bin/etcd", b"#!/bin/sh\n", None, "ends after 10 bytes instead of "),
        ("bin/etcd", b"#!/bin/sh\n", 36, "peer closed connection"),
        ("bin/etcd", b"x" * (1 << 20), None, "is longer than "),
        (LISTING, b" " * (2 << 20), None, "bundle.json: is longer than 1048576 bytes"),
    ],
    ids=["short", "cut off", "long", "an endless list"],
)
def test_a_file_of_another_length_is_refused(
    served: Served, root: Path, path: str, sent: bytes, length: int | None, said: str
) -> None:
    source = served.source
    served.instead[f"/{path}"] = lambda to: send(to, sent, length=length)

    assert said in refused(source, root)
    [*written] = (root / "opt/kubeception").glob(f"{install.FETCHED}*/{path}")
    assert all(one.stat().st_size < 100 for one in written), "more was written than is listed"


def test_a_file_of_another_content_is_refused(served: Served, root: Path) -> None:
    etcd = (served.folder / "bin/etcd").read_bytes()
    served.instead["/bin/etcd"] = lambda to: send(to, etcd.replace(b"3.7.3", b"6.6.6"))

    assert refused(served.source, root).endswith(
        "/bin/etcd: the content is not what the bundle's list says"
    )


def test_a_list_that_leads_elsewhere_is_refused_though_its_sum_is_right(
    served: Served, root: Path
) -> None:
    listed = json.loads((served.folder / LISTING).read_bytes())
    listed["files"][0]["path"] = "bin/../../../../etc/cron.d/x"
    (served.folder / LISTING).write_text(json.dumps(listed))

    said = refused(served.source, root)

    assert 'files[0].path: "bin/../../../../etc/cron.d/x" is not a plain path' in said
    assert served.asked == ["/bundle.json"]


def test_one_for_other_machines_is_refused_before_its_files_come(
    served: Served, root: Path
) -> None:
    listed = json.loads((served.folder / LISTING).read_bytes())
    (served.folder / LISTING).write_text(json.dumps(listed | {"architecture": "s390x"}))

    assert "it is for s390x, and this host is " in refused(served.source, root)
    assert served.asked == ["/bundle.json"]


def test_one_that_has_no_room_is_refused_before_its_files_come(served: Served, root: Path) -> None:
    listed = json.loads((served.folder / LISTING).read_bytes())
    one = listed["files"][0]
    more = [{**one, "path": f"bin/more-{n}", "size": 1 << 30} for n in range(4000)]
    (served.folder / LISTING).write_text(json.dumps(listed | {"files": listed["files"] + more}))

    assert " MB are free, the bundle has 4294967" in refused(served.source, root)
    assert served.asked == ["/bundle.json"]


def test_a_server_that_is_not_there_or_has_nothing_is_told(served: Served, root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refused(Source(f"http://127.0.0.1:{port}", SUM), root) == (
        f"http://127.0.0.1:{port}/bundle.json: Connection refused"
    )
    assert refused(Source("http://nowhere.invalid", SUM), root).startswith(
        "http://nowhere.invalid/bundle.json: "
    )
    assert refused(Source(f"{served.source.url}/none", SUM), root) == (
        f"{served.source.url}/none/bundle.json: the server answers 404 Not Found"
    )


def trickle(to: BaseHTTPRequestHandler, head: bytes) -> None:
    """Send a byte now and then, for ever."""
    to.wfile.write(head)
    with contextlib.suppress(OSError):
        while True:
            to.wfile.write(b"x")
            time.sleep(0.05)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Never: ",
        b"",
    ],
    ids=["content", "headers", "the first line"],
)
def test_a_server_that_sends_a_byte_now_and_then_holds_nobody_up(
    served: Served, root: Path, head: bytes
) -> None:
    source, began = served.source, time.monotonic()
    served.instead["/bundle.json"] = lambda to: trickle(to, head)

    said = refused(source, root, patience_s=0.5)

    assert "/bundle.json: not here after " in said
    assert time.monotonic() - began < 5


def test_redirects_are_followed_but_not_for_ever(served: Served, root: Path) -> None:
    source = served.source
    served.instead["/bin/etcd"] = redirect("/elsewhere/etcd")
    etcd = (served.folder / "bin/etcd").read_bytes()
    served.instead["/elsewhere/etcd"] = lambda to: send(to, etcd)
    fetch(source, root)
    served.instead["/bundle.json"] = redirect("/bundle.json")

    assert "redirected more than 5 times" in refused(source, root.with_name("other"))


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://a:b@127.0.0.1/"])
def test_a_redirect_leads_to_no_other_kind_of_url(served: Served, root: Path, to: str) -> None:
    source = served.source
    served.instead["/bundle.json"] = redirect(to)

    with pytest.raises(KubeceptionError, match="redirected to what is no plain URL"):
        fetch(source, root)


@pytest.mark.parametrize(
    ("at", "to", "kind"),
    [
        ("https://192.0.2.1/a", "https://127.0.0.1:10250/metrics", "loopback"),
        ("http://192.0.2.1/a", "http://localhost:10248/", "loopback"),
        ("http://192.0.2.1/a", "http://0.0.0.0/", "loopback"),
        ("http://192.0.2.1/a", "http://[::1]/", "loopback"),
        ("http://192.0.2.1/a", "http://[::ffff:127.0.0.1]/", "loopback"),
        ("http://192.0.2.1/a", "http://2130706433/", "loopback"),
        ("http://192.0.2.1/a", "http://169.254.169.254/latest/", "link-local"),
        ("http://192.0.2.1/a", "http://[::ffff:169.254.169.254]/", "link-local"),
        ("http://192.0.2.1/a", "http://[fe80::1]/", "link-local"),
        ("http://127.0.0.1/a", "http://169.254.169.254/", "link-local"),
    ],
)
def test_a_server_leads_nobody_to_what_is_the_hosts_own(at: str, to: str, kind: str) -> None:
    with pytest.raises(KubeceptionError, match=f"a {kind} address"):
        asyncio.run(following(httpx2.URL(at), httpx2.URL(to)))


@pytest.mark.parametrize(
    ("at", "to"),
    [
        ("http://192.0.2.1/a", "https://192.0.2.2/b"),
        ("http://192.0.2.1/a", "http://10.0.0.1/b"),
        ("http://192.0.2.1/a", "http://192.0.2.1:8080/b"),
        ("http://127.0.0.1/a", "http://127.0.0.2/b"),
        ("http://127.0.0.1/a", "http://192.0.2.1/b"),
    ],
)
def test_it_leads_anywhere_in_the_network(at: str, to: str) -> None:
    assert asyncio.run(following(httpx2.URL(at), httpx2.URL(to))) == httpx2.URL(to)


@pytest.mark.parametrize("name", ["a..b", ".", "a" * 64])
def test_a_server_that_leads_to_no_name_is_told(served: Served, root: Path, name: str) -> None:
    source = served.source
    served.instead["/bundle.json"] = redirect(f"http://{name}/")

    assert refused(source, root)


def test_a_machines_metadata_is_not_asked_for(served: Served, root: Path) -> None:
    source = served.source
    served.instead["/bundle.json"] = redirect("http://169.254.169.254/latest/meta-data/")

    assert "redirected to 169.254.169.254, a link-local address" in refused(source, root)


@pytest.fixture
def trusted(tmp_path: Path, make_bundle: MakeBundle) -> Iterator[tuple[Served, Path]]:
    """A server by TLS, and the file with the CA that has signed its certificate."""
    ca_key, key = (issue.new_key(KeyAlgorithm.ECDSA_P256) for _ in range(2))
    now = datetime.now(UTC)
    ca = issue.certificate(CertificateSpec("ca", frozenset({Use.CA})), ca_key, signer=None, now=now)
    spec = CertificateSpec("server", frozenset({Use.SERVER}), dns_names=("localhost",))
    own = issue.certificate(spec, key, signer=issue.Signer(ca, ca_key), now=now)
    for name, content in (("ca.pem", ca), ("own.pem", own), ("key.pem", key)):
        (tmp_path / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem", tmp_path / "key.pem")
    with serving(make_bundle("3.7.3"), tls=context) as served:
        yield served, tmp_path / "ca.pem"


def fetched_by_tls(served: Served, root: Path, ca: Path | None) -> str:
    """Fetch in a process whose system trusts a CA, or no such one; return what it says."""
    call = (
        "import sys, pathlib; from kubeception.bundle.fetch import fetch;"
        "from kubeception.source import Source;"
        "fetch(Source(*sys.argv[1:3]), pathlib.Path(sys.argv[3]))"
    )
    source = Source(f"https://localhost:{served.port}", served.source.sha256)
    done = subprocess.run(
        [sys.executable, "-c", call, source.url, source.sha256, root],
        env={**os.environ, "SSL_CERT_FILE": str(ca or os.devnull), "SSL_CERT_DIR": os.devnull},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return "" if done.returncode == 0 else done.stderr


def test_by_tls_the_cas_of_the_system_count(trusted: tuple[Served, Path], root: Path) -> None:
    served, ca = trusted

    assert "its certificate is not trusted here: " in fetched_by_tls(served, root, None)
    assert served.asked == []
    assert fetched_by_tls(served, root, ca) == ""
    assert len(install.installed(root)) == 1


def test_from_https_nobody_is_led_to_http(
    trusted: tuple[Served, Path], tmp_path: Path, root: Path
) -> None:
    served, ca = trusted
    with serving(served.folder) as plain:
        served.instead["/bundle.json"] = redirect(f"{plain.source.url}/bundle.json")
        said = fetched_by_tls(served, root, ca)

    assert f"redirected from https to http ({plain.source.url}/bundle.json)" in said
    assert plain.asked == []
    assert install.installed(root) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://joe:secret@192.0.2.1/x", "there is a user in this URL"),
        ("https://joe@192.0.2.1/x", "there is a user in this URL"),
        ("ftp://192.0.2.1/x", "is no URL of a folder"),
        ("file:///etc", "is no URL of a folder"),
        ("https://192.0.2.1/x?token=1", "is no URL of a folder"),
        ("https://192.0.2.1/x#y", "is no URL of a folder"),
        ("https://192.0.2.1/$(reboot)", "is no URL of a folder"),
        ("https://192.0.2.1/a b", "is no URL of a folder"),
        ("https://192.0.2.1/x\n", "is no URL of a folder"),
        ("https://", "is no URL of a folder"),
        ("https://192.0.2.1/" + "x" * 1024, "is no URL of a folder"),
    ],
)
def test_what_is_no_url_of_a_folder_is_wrong_usage(url: str, said: str) -> None:
    done = CliRunner().invoke(command, ["fetch", url, "--sha256", SUM])

    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", "").split())
    assert "secret" not in done.output


@pytest.mark.parametrize("digest", ["ab", SUM.upper(), SUM + "0", SUM + "\n", ""])
def test_a_sum_to_fetch_by_is_64_hex_digits(digest: str) -> None:
    done = CliRunner().invoke(command, ["fetch", "http://127.0.0.1", "--sha256", digest])

    assert done.exit_code == 2
    assert "is no SHA-256 of 64 hex digits" in done.output


@pytest.mark.parametrize(
    "url",
    ["http://a", "https://files.example:8443/b/1.37.1-1d96a521/", "http://[2001:db8::1]:80/x"],
)
def test_a_source_is_read_as_it_was_written(url: str) -> None:
    source = Source.of_texts(url, SUM)

    assert source == Source(url, SUM)
    assert source is not None
    assert source.of("bin/etcd") == f"{url.rstrip('/')}/bin/etcd"
    for wrong in ("", "-h", f" {url}", f"{url}\n", f"{url}/?x", url.replace("//", "//a:b@")):
        assert Source.of_texts(wrong, SUM) is None
    for wrong in ("", SUM[1:], SUM.upper(), f"{SUM}\n", f"{SUM} --root"):
        assert Source.of_texts(url, wrong) is None
