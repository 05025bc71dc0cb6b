"""Hosts as preflight finds them, made of a folder."""

from pathlib import Path

from tests.fixed import CONFIG, FACTS
from tests.unit.reaching import Hands, reach_of

from kubeception.phases import pki
from kubeception.preflight.finding import Check
from kubeception.preflight.scene import Scene
from kubeception.reach import Reach


def scene_of(reach: Reach) -> Scene:
    """Return a host that is a folder, with no systemd and no API to ask."""
    return Scene(reach, node=FACTS.node, address=FACTS.address)


def host_with_pki(root: Path, *, hands: Hands | None = None) -> Reach:
    """Return a host on which every certificate and key has been made."""
    reach = reach_of(root, hands=hands)
    for wanted in pki.plan(CONFIG, FACTS):
        wanted.apply(reach)
    return reach


def said(check: Check, scene: Scene) -> list[str]:
    """Return what a check finds, with what each finding is."""
    return [f"{finding.severity} {finding}" for finding in check(scene)]
