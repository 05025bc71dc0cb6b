"""Which resolver file a kubelet goes by, and whether a run would have it go by another."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fixed import CONFIG, HOST

from kubeception import standstill
from kubeception.host.gateway import Host
from kubeception.host.systemd import Systemd
from kubeception.render import kubelet
from kubeception.session import Session

USUAL, RESOLVED = "etc/resolv.conf", "run/systemd/resolve/resolv.conf"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(CONFIG, Host(tmp_path, Systemd(tmp_path / "nobody-answers")))


def told(session: Session, path: str, *there: str) -> str | None:
    """Say what is wrong where a kubelet goes by a path, and these files are there."""
    text = kubelet.settings(CONFIG, replace(HOST, resolv_conf=path))
    for at, content in (("var/lib/kubelet/config.yaml", text), *((one, "") for one in there)):
        (session.host.root / at).parent.mkdir(parents=True, exist_ok=True)
        (session.host.root / at).write_text(content)
    found, stale = standstill.look(session), standstill.stale_resolver(session)
    assert not (found and stale)
    return str(found or stale or "") or None


@pytest.mark.parametrize("path", [USUAL, RESOLVED])
def test_a_resolver_file_that_a_run_would_choose_is_right(session: Session, path: str) -> None:
    assert told(session, f"/{path}", path) is None


def test_one_that_is_gone_lets_no_pod_start(session: Session) -> None:
    assert told(session, f"/{RESOLVED}", USUAL) == (
        f"no pod can start: the kubelet's resolver file /{RESOLVED} is gone,"
        f" and /{USUAL} is right (kubeception bootstrap)"
    )


def test_a_worker_joins_again_for_that(session: Session) -> None:
    session.layout.membership.parent.mkdir(parents=True)
    session.layout.membership.touch()

    assert (told(session, f"/{RESOLVED}", USUAL) or "").endswith(" (kubeception join)")


def test_one_that_is_stale_is_told(session: Session) -> None:
    assert told(session, f"/{USUAL}", USUAL, RESOLVED) == (
        f"the kubelet's resolver file is /{USUAL}, and /{RESOLVED} is right now"
        " (kubeception bootstrap)"
    )


def test_a_file_of_somebodys_own_stays(session: Session) -> None:
    assert told(session, "/etc/own.conf", USUAL, "etc/own.conf") is None


def test_where_the_host_has_none_at_all_no_run_would_help(session: Session) -> None:
    assert told(session, f"/{USUAL}") is None


def test_a_host_without_a_kubelet_has_nothing_to_compare(session: Session) -> None:
    assert standstill.look(session) is standstill.stale_resolver(session) is None
