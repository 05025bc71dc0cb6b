"""What the pods' network needs of the kernel, tried in a network of its own, which nobody sees.

A kernel loads a module when it is first asked for what it does. Where there is none, nobody says so
but the program that asked, in a pod. Some distributions pack these apart, as Ubuntu for boards; an
update may have removed those of the kernel that still runs; and some hosts load none at all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.host.gateway import Host

LINKS: Mapping[str, tuple[str, ...]] = {
    "bridge": (),
    "veth": ("peer", "name", "kubeception1"),
    "vxlan": ("id", "1", "dstport", "8472"),
}
"""What flannel and its plugins make, with what `ip link add` wants of it."""

_FILTER, _TO = "filter hook forward priority 0", "nat hook prerouting priority -100"
_FROM = "nat hook postrouting priority 100"
RULES: Mapping[str, tuple[str, str]] = {
    "nft_ct": (_FILTER, "ct state new return"),
    "nft_fib_ipv4": (_FILTER, "fib saddr type local return"),
    "nft_masq": (_FROM, "masquerade fully-random"),
    "nft_nat": (_TO, "meta l4proto tcp dnat to 192.0.2.1:80"),
    "nft_numgen": (_FILTER, "meta mark set numgen random mod 2"),
    "nft_reject_ipv4": (_FILTER, "reject"),
}
"""The modules of what kube-proxy and flannel write, each with a chain and a rule that needs it."""

_ALONE = ("unshare", "--net")
_TIMEOUT_S = 10.0
_MODULES = Path("/lib/modules")
# In the words of the kernel's errors; others, such as that it may not be tried, are none of its.
_UNKNOWN = ("Unknown device type", "Operation not supported", "Protocol not supported")
_NO_EXPRESSION = ("No such file or directory", *_UNKNOWN[1:])


@dataclass(frozen=True)
class Lack:
    """A module that the kernel does not have, what for, and how it gets it."""

    module: str
    what: str
    hint: str

    def __str__(self) -> str:
        return f"the kernel {self.what}: it lacks the module {self.module}"


def lacking(
    host: Host, links: Mapping[str, tuple[str, ...]], rules: Mapping[str, tuple[str, str]]
) -> Iterator[Lack]:
    """Yield what it lacks of `LINKS` and `RULES`, as far as that may be tried here."""
    try:
        for kind, more in links.items():
            link = ("ip", "link", "add", "kubeception0", "type", kind, *more)
            if _is_refused(host, link, _UNKNOWN):
                what = f"makes no links of type {kind}, which pods' network is made of"
                yield Lack(kind, what, _brought(host, kind))
        if rules and _is_refused(host, _check(*rules.values()), _NO_EXPRESSION):
            for module, rule in rules.items():
                if _is_refused(host, _check(rule), _NO_EXPRESSION):
                    what = f"takes no rules of nft with `{rule[1]}`, by which Services are reached"
                    yield Lack(module, what, _brought(host, module))
    except KubeceptionError:  # there is no unshare, or it takes too long
        return


def _is_refused(host: Host, argv: tuple[str, ...], words: tuple[str, ...]) -> bool:
    done = host.run((*_ALONE, *argv), check=False, timeout=_TIMEOUT_S)
    # What unshare itself says is that it may not, or that there is no such program: others tell it.
    is_tried = done.code != 0 and not done.stderr.startswith("unshare:")
    return is_tried and any(one in done.stderr for one in words)


def _check(*rules: tuple[str, str]) -> tuple[str, ...]:
    """Return how nft and the kernel are asked whether they take some rules."""
    chains = [
        f"chain number{number} {{ type {chain};\n{rule}\n}}"
        for number, (chain, rule) in enumerate(rules)
    ]
    return ("nft", "--check", "\n".join(("table ip kubeception-try {", *chains, "}")))


def _brought(host: Host, module: str) -> str:
    return brought_by(module, proc=host.proc, modules=host.real(_MODULES))


def brought_by(module: str, *, proc: Path, modules: Path) -> str:
    """Return what brings a module, by whether any may be loaded, and by those that a host has."""
    disabled = proc / "sys/kernel/modules_disabled"
    if not disabled.exists():
        return "boot another kernel: this one was built without it, and loads no modules"
    if disabled.read_text().strip() == "1":
        at_boot = f"echo {module} > /etc/modules-load.d/{module}.conf; reboot"
        return f"{at_boot}: by kernel.modules_disabled none is loaded any more until then"
    release = (proc / "sys/kernel/osrelease").read_text().strip()
    if (modules / release).exists():
        ubuntu, fedora = f"linux-modules-extra-{release}", "kernel-modules-extra"
        debian = "a linux-image that is not the cloud's"
        more = f"{ubuntu} on Ubuntu, {fedora} on Fedora and RHEL, {debian} on Debian"
        return f"modprobe {module}; where there is none install {more}"
    if modules.exists() and any(modules.iterdir()):
        return f"reboot: {_MODULES / release}, the running kernel's, is gone, as by an update"
    return f"modprobe {module}, on the machine whose kernel this host has"
