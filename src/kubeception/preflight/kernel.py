"""What the kernel is to allow: files that set it to something else after ours, and its limits."""

from collections.abc import Iterator

from kubeception.host import sysctl
from kubeception.host import watches as file_watches
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import kernel
from kubeception.resources.kernel_value import VALUES, Forwarding


def watches(seen: HostState) -> Iterator[Finding]:
    """Want one more file to be watched: a kubelet that may not ends as it starts."""
    if found := file_watches.shortage(seen.session.host):
        what = f"{found}: no kubelet starts, and no log is followed"
        yield Finding(f"Sysctl-{found.setting}", what, found.mend)


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
