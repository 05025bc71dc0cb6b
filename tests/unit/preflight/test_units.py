"""What keeps units of ours from starting is told, whatever kind of host it is."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fixed import CONFIG
from tests.unit.preflight.host_states import said, scene_of
from tests.unit.sessions import session_of

from kubeception.gather import UNITS, is_foreign
from kubeception.host import files
from kubeception.preflight import units
from kubeception.render import containerd, etcd, keeper, kubelet

ETC, RUN = Path("/etc/systemd/system"), Path("/run/systemd/system")


@pytest.mark.parametrize(("folder", "option"), [(ETC, ""), (RUN, "--runtime ")])
def test_a_masked_unit_is_told_and_is_not_the_hosts_own(
    folder: Path, option: str, tmp_path: Path
) -> None:
    session = session_of(tmp_path)
    seen = scene_of(session)
    assert said(units.masked, seen) == []
    session.host.at(folder).mkdir(parents=True)
    for unit in (*UNITS, keeper.UNIT):
        session.host.at(folder / unit).symlink_to("/dev/null")

    assert not any(is_foreign(session, unit) for unit in UNITS)
    found = {one.check: one for one in units.masked(seen)}
    assert found.keys() == {
        *("Service-etcd", "Service-containerd", "Service-kubelet", "Service-kubeception-keeper")
    }
    told = found["Service-kubelet"]
    assert (
        told.problem == f"{kubelet.UNIT} is masked, by {folder / kubelet.UNIT}: it can't be started"
    )
    assert told.hint == f"systemctl unmask {option}{kubelet.UNIT}"
    on_worker = {one.problem.split()[0] for one in units.masked(replace(seen, is_worker=True))}
    assert etcd.UNIT not in on_worker
    assert len(on_worker) == 3


def test_a_mask_below_a_unit_that_is_there_counts_for_nothing(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    files.write(session.host.at(ETC / etcd.UNIT), "[Service]\nExecStart=/usr/bin/etcd\n")
    session.host.at(RUN).mkdir(parents=True)
    session.host.at(RUN / etcd.UNIT).symlink_to("/dev/null")

    assert said(units.masked, scene_of(session)) == []
    assert is_foreign(session, etcd.UNIT)


OWN = CONFIG.layout.containerd.settings
OF_OTHERS = containerd.OF_OTHERS / "docker.toml"


@pytest.mark.parametrize(
    ("path", "text", "foreign", "problem"),
    [
        (OF_OTHERS, 'disabled_plugins = ["cri"]\n', (), "disables containerd's plugin cri,"),
        (
            OF_OTHERS,
            'disabled_plugins = ["own", "io.containerd.grpc.v1.cri"]\n',
            (),
            "disables containerd's plugin io.containerd.grpc.v1.cri,",
        ),
        (OF_OTHERS, "[plugins\n", (), "containerd does not start with it: "),
        (OF_OTHERS, 'disabled_plugins = ["own"]\n', (), None),
        (OWN, 'disabled_plugins = ["cri"]\n', (), None),  # a run of ours writes it anew
        (OWN, 'disabled_plugins = ["cri"]\n', (containerd.UNIT,), "disables containerd's plugin"),
    ],
)
def test_settings_by_which_containerd_serves_no_kubelet_are_told(
    tmp_path: Path, path: Path, text: str, foreign: tuple[str, ...], problem: str | None
) -> None:
    session = session_of(tmp_path)
    files.write(session.host.at(path), text)
    seen = replace(scene_of(session), foreign=frozenset(foreign))

    found = list(units.runtime_has_settings(seen))

    assert len(found) == (problem is not None)
    for one in found:
        assert one.problem.startswith(str(path))
        assert problem and problem in one.problem
        assert one.hint.endswith("; systemctl try-restart containerd.service") is bool(foreign)
    files.write(session.host.at(CONFIG.layout.units / containerd.UNIT), "[Service]\n")
    for one in units.runtime_has_settings(seen):
        assert one.hint.endswith("; systemctl try-restart containerd.service")
