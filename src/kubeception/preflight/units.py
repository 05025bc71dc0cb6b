"""What keeps our units from starting as they are meant to, with what lets them."""

from collections.abc import Iterator

from kubeception.diagnosis import drop_ins, runtime_settings
from kubeception.gather import UNTIL_BOOT, mask_of
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import containerd


def masked(seen: HostState) -> Iterator[Finding]:
    """Want no unit masked that this host runs, be it ours or its own."""
    for unit in drop_ins.units(is_worker=seen.is_worker):
        if link := mask_of(seen.session, unit):
            until_boot = "--runtime " if link.parent == UNTIL_BOOT else ""
            yield Finding(
                f"Service-{unit.removesuffix('.service')}",
                f"{unit} is masked, by {link}: it can't be started",
                f"systemctl unmask {until_boot}{unit}",
            )


def dropped_in(seen: HostState) -> Iterator[Finding]:
    """Want no drop-in with which a unit of ours can't do its work."""
    for one in drop_ins.look(seen.session, foreign=seen.foreign, is_worker=seen.is_worker):
        yield Finding(of_path("FileContent", one.path), str(one), one.hint)


def runtime_has_settings(seen: HostState) -> Iterator[Finding]:
    """Want no settings by which containerd serves no kubelet, or does not start."""
    is_foreign = containerd.UNIT in seen.foreign
    for one in runtime_settings.look(seen.session, is_foreign=is_foreign):
        yield Finding(of_path("FileContent", one.path), str(one), one.hint)
    for odd in runtime_settings.doubtful(seen.session, is_foreign=is_foreign):
        yield warning(of_path("FileContent", odd.path), str(odd), odd.hint)
