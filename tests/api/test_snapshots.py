"""A real etcd's snapshot is whole and proven, or there is none."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from msgspec import structs
from tests.api.apart import apart
from tests.api.rig import Program, Rig
from tests.fixed import HOST

from kubeception import restoring
from kubeception.errors import KubeceptionError, Locked, PreflightError
from kubeception.etcd import data
from kubeception.host import files, lock
from kubeception.host.process import Completed, run
from kubeception.kept import snapshots, taking
from kubeception.kept.snapshots import Kind, Snapshot
from kubeception.restoring import Prepared
from kubeception.session import Session
from kubeception.versions import BUILT_IN


@pytest.fixture(autouse=True)
def programs(rig: Rig) -> None:
    folder = rig.root / "usr/local/bin"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "etcdutl").exists():
        (folder / "etcdutl").symlink_to(rig.bin / "etcdutl")


@pytest.fixture
def taken(session: Session) -> Iterator[Snapshot]:
    made = taking.take(session, Kind.MANUAL)
    yield made
    made.path.unlink(missing_ok=True)
    snapshots.record_of(made.path).unlink(missing_ok=True)


def test_it_is_good_and_says_whose_it_is(rig: Rig, session: Session, taken: Snapshot) -> None:
    of, _ = rig.etcd.progress()

    assert snapshots.damage(taken) is None
    assert taken.record is not None
    assert (taken.record.cluster, taken.record.member) == (of.cluster, of.member)
    assert taken.record.authority == taking.authority(session)
    revision, keys = taking.status(session, taken.path)
    assert taken.record.revision == revision
    assert keys > 100
    assert snapshots.last_good(session.layout.snapshots, taken.record.authority, BUILT_IN) == taken


def test_nobody_but_root_reads_it(session: Session, taken: Snapshot) -> None:
    modes = [taken.path, snapshots.record_of(taken.path), session.layout.snapshots]

    assert [oct(path.stat().st_mode & 0o777) for path in modes] == ["0o600", "0o600", "0o700"]


def test_what_was_written_before_is_in_it(rig: Rig, session: Session) -> None:
    metadata = {"generateName": "in-the-snapshot-", "namespace": "default"}
    words = {"words": "all-of-them"}
    session.api.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": words}
    )

    made = taking.take(session, Kind.MANUAL, to=rig.root / "words.db")

    assert b"all-of-them" in made.path.read_bytes()


def test_a_page_that_is_another_is_found_within(session: Session, taken: Snapshot) -> None:
    content = bytearray(taken.path.read_bytes())
    content[2 * 4096 : 4 * 4096] = os.urandom(2 * 4096)
    taken.path.write_bytes(content)

    assert "SHA-256" in str(snapshots.damage(taken))
    with pytest.raises(KubeceptionError, match="is damaged: "):
        taking.status(session, taken.path)


def test_what_is_there_already_stays(session: Session, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("a person's")
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere")

    for path in (there, link):
        with pytest.raises(KubeceptionError, match="is there already"):
            taking.take(session, Kind.MANUAL, to=path)

    assert there.read_text() == "a person's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.db", "there.db"]


def test_one_that_has_no_room_is_not_begun(session: Session, tmp_path: Path) -> None:
    needed = session.etcd.database_size() + taking.LEFT_FREE

    @apart
    def on_a_disk_of(size: int, says: str | None) -> None:
        run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", tmp_path])
        if says is None:
            taking.take(session, Kind.MANUAL, to=tmp_path / "it.db")
            return
        with pytest.raises(KubeceptionError, match=says) as caught:
            taking.take(session, Kind.MANUAL, to=tmp_path / "it.db")
        assert caught.value.hint == f"df -h {tmp_path}"
        assert list(tmp_path.iterdir()) == []

    on_a_disk_of(needed - (1 << 20), "MiB are free; a snapshot takes")
    on_a_disk_of(needed + (16 << 20), None)


def test_a_disk_that_fills_up_meanwhile_is_told_and_left_as_it_was(
    session: Session, tmp_path: Path
) -> None:
    @apart
    def on_a_small_disk() -> None:
        run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", tmp_path])
        with (
            pytest.raises(KubeceptionError, match="no space left on device"),
            files.private_folder(tmp_path / "it.db") as place,
        ):
            taking.fetch(session, place / "db")
        assert list(tmp_path.iterdir()) == []

    on_a_small_disk()


def test_two_at_once_are_one(session: Session) -> None:
    with (
        lock.hold(session.layout.snapshots_lock, "the other one"),
        pytest.raises(Locked, match="the other one"),
    ):
        taking.take(session, Kind.MANUAL)


def test_an_etcd_that_is_not_there_gives_none(rig: Rig, tmp_path: Path) -> None:
    with rig.session() as session:
        session.etcd_port = rig.spare_port()
        with pytest.raises(KubeceptionError, match="etcd on port"):
            taking.take(session, Kind.MANUAL, to=tmp_path / "it.db")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def prepared(rig: Rig, session: Session, taken: Snapshot) -> Iterator[Prepared]:
    made = restoring.prepare(session, taken, HOST)
    yield made
    shutil.rmtree(made.place)


def test_restored_data_are_a_new_clusters(rig: Rig, session: Session, prepared: Prepared) -> None:
    of, _ = rig.etcd.progress()

    assert data.stored(prepared.place) == prepared.of
    assert prepared.of.cluster not in {of.cluster, ""}
    assert prepared.token != HOST.new_token
    modes = {path.stat().st_mode & 0o077 for path in (prepared.place, prepared.place / "member")}
    assert modes == {0}


def test_revisions_go_on_above_all_that_were_and_older_ones_are_compacted(
    rig: Rig, session: Session, taken: Snapshot, prepared: Prepared, tmp_path: Path
) -> None:
    client, peer = (f"http://127.0.0.1:{rig.spare_port()}" for _ in range(2))
    argv = [
        *(str(rig.bin / "etcd"), "--name", HOST.node, "--data-dir", str(prepared.place)),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer),
    ]

    def ask(*words: str) -> Completed:
        return run([rig.bin / "etcdctl", "--endpoints", client, *words], check=False)

    etcd = Program.start(argv, tmp_path / "log")
    try:
        rig.until("etcd to serve", lambda: ask("endpoint", "health").code == 0)
        status = json.loads(ask("endpoint", "status", "-w", "json").stdout)[0]["Status"]["header"]
        assert taken.record is not None
        assert status["revision"] >= taken.record.revision + 1_000_000_000
        assert f"{status['cluster_id']:x}" == prepared.of.cluster
        assert f"{status['member_id']:x}" == prepared.of.member
        assert (
            "/registry/namespaces/default" in ask("get", "/registry/namespaces", "--prefix").stdout
        )
        old = ask("get", "/registry/namespaces/default", "--rev", str(taken.record.revision))
        assert "required revision has been compacted" in old.stderr
    finally:
        etcd.end()


def test_what_is_damaged_within_is_not_restored_and_leaves_nothing(
    rig: Rig, session: Session, taken: Snapshot
) -> None:
    content = bytearray(taken.path.read_bytes())[:-32]
    content[2 * 4096 : 6 * 4096] = bytes(4 * 4096)
    # The hash is right: whoever made it had a damaged database.
    taken.path.write_bytes(content + hashlib.sha256(content).digest())

    with pytest.raises(KubeceptionError, match="is damaged: "):
        restoring.prepare(session, taken, HOST)

    assert list(rig.root.glob("var/lib/etcd/default.etcd/.*")) == []


def test_what_is_not_to_be_restored_here_is_refused(session: Session, taken: Snapshot) -> None:
    assert taken.record is not None
    record = taken.record
    restoring.require(session, taken)
    others = replace(taken, record=structs.replace(record, authority="0" * 64))
    unknown = replace(taken, record=None)
    newer = replace(taken, record=structs.replace(record, kubernetes="1.99.0"))

    for wrong, words in {
        others: f"is of another cluster, {record.cluster}",
        unknown: "has no record of whose it is",
        newer: "is of Kubernetes 1.99.0",
    }.items():
        with pytest.raises(PreflightError, match=words):
            restoring.require(session, wrong)
    restoring.require(session, others, accepted=record.cluster)
    restoring.require(session, unknown, accepted="unknown")


def blob(content: bytes) -> bytes:
    told = {"result": {"blob": base64.b64encode(content).decode()}}
    return json.dumps(told).encode() + b"\n"


@contextlib.contextmanager
def answering(rig: Rig, answer: bytes) -> Iterator[int]:
    """Listen where an etcd would, with its certificate, and give one answer to everybody."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    pki = rig.config.layout.at(rig.root).pki.etcd_server
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.certificate, pki.key)
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


PAGE = bytes(range(256)) * 16
TORN = {
    "another hash": (blob(PAGE) + blob(bytes(32)), "is not what the SHA-256 at its end says"),
    "no hash": (blob(PAGE), "is not what the SHA-256 at its end says"),
    "nothing": (b"", "is not what the SHA-256 at its end says"),
    "half a line": (blob(PAGE) + blob(PAGE)[:99], "breaks off"),
    "an error": (blob(PAGE) + b'{"error": {"message": "disk failed"}}\n', "disk failed"),
}


@pytest.mark.parametrize("how", TORN)
def test_a_stream_that_is_torn_is_no_snapshot(rig: Rig, tmp_path: Path, how: str) -> None:
    answer, words = TORN[how]
    with answering(rig, answer) as port, rig.session() as session:
        session.etcd_port = port
        with pytest.raises(KubeceptionError, match=words):
            taking.fetch(session, tmp_path / "db")


def test_a_stream_that_is_whole_is_one(rig: Rig, tmp_path: Path) -> None:
    digest = hashlib.sha256(PAGE + PAGE)
    with (
        answering(rig, blob(PAGE) + blob(PAGE) + blob(digest.digest())) as port,
        rig.session() as session,
    ):
        session.etcd_port = port
        assert taking.fetch(session, tmp_path / "db") == digest.hexdigest()
    assert (tmp_path / "db").read_bytes() == PAGE + PAGE + digest.digest()
