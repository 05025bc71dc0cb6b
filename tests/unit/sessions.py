"""A run that reaches a folder instead of a host, and a clock that tests turn by hand."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.fixed import CONFIG, FACTS, NOW

from kubeception.config import Config
from kubeception.host.gateway import Clock, Host
from kubeception.phases import pki
from kubeception.resources import Resource
from kubeception.resources.pod_folder import PodFolder
from kubeception.session import Session


@dataclass
class Hands:
    """Time that passes only when somebody sleeps, or says so."""

    start: datetime = NOW
    passed_s: float = 0.0
    slowness: float = 1.0
    spent_s: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.passed_s = round(self.passed_s + seconds, 3)

    def clock(self) -> Clock:
        return Clock(
            now=lambda: self.start + timedelta(seconds=self.passed_s),
            monotonic=lambda: self.passed_s,
            sleep=self.sleep,
            slowness=lambda: self.slowness,
            spent=lambda: self.spent_s,
        )


def session_of(root: Path, *, config: Config = CONFIG, hands: Hands | None = None) -> Session:
    """Return a run whose host is a folder."""
    return Session(config, Host(root=root, clock=(hands or Hands()).clock()))


def keys_and_certificates() -> list[Resource]:
    """Return what its phase wants of them on a host, but for pods' copies, which need root."""
    return [one for one in pki.plan(CONFIG, FACTS) if not isinstance(one, PodFolder)]
