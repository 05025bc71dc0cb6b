"""What the kernel is to have and to allow: modules, settings that others make, limits."""

from collections.abc import Iterator

from kubeception.diagnosis import kernel_modules
from kubeception.host import sysctl, watches
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import kernel
from kubeception.resources.kernel_value import VALUES, Forwarding


def watched_files(seen: HostState) -> Iterator[Finding]:
    """Want one more file to be watched: a kubelet that may not ends as it starts."""
    for one in watches.look(seen.session.host):
        what = f"{one}: no kubelet starts, and no log is followed"
        yield Finding(f"Sysctl-{one.setting}", what, one.hint)


def modules(seen: HostState) -> Iterator[Finding]:
    """Want what the network of pods is made of.

    Where there is a cluster the rest may go on; of one that is yet to be joined nothing is known.
    """
    if not seen.is_root:  # it would refuse everything
        return
    is_sure = not (seen.layout.cluster.exists() or seen.is_without_ranges)
    for one in kernel_modules.lacking(seen.session):
        tell = Finding if is_sure else warning
        yield tell(f"Kernel-{one.module}", str(one), one.hint)


def settings(seen: HostState) -> Iterator[Finding]:
    """Want no file to have the last word that says another one; the kernel's value is mended."""
    links = Forwarding(seen.address).values() if seen.address else ()
    for key in (one.key for one in (*VALUES, *links)):
        by = sysctl.set_by(seen.session.host, key)
        if by and by.value != kernel.ON:
            name, pattern = sysctl.shown(key), by.words.replace("*", "[*]")
            yield warning(
                f"Sysctl-{name}",
                f"{by.file} sets {name} to {by.value} at each boot, and the cluster needs"
                f" {kernel.ON}",
                f"sed -i 's|^[ -]*{pattern}[ =]|#&|' {by.file}; sysctl -w {name}={kernel.ON}",
            )
