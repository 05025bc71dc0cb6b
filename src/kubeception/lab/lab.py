"""A lab: which hosts there are, and what they share."""

import contextlib
import logging
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kubeception.bundle import install, packages
from kubeception.bundle.components import SOURCES
from kubeception.config import Config
from kubeception.errors import CommandFailed, JoinRefused, KubeceptionError, Locked
from kubeception.host import files
from kubeception.host.lock import hold
from kubeception.host.process import Completed
from kubeception.lab import cache, cgroups, disk, images, kill_with_parent, network, rootfs
from kubeception.lab.host import Host, switch_off
from kubeception.lab.paths import CONTROL_PLANE, MAX_WORKERS, WORKER, HostPlace, HostSpec, Place
from kubeception.report import Steps

log = logging.getLogger(__name__)

# Debian package → the program of it that we use.
PACKAGES = {
    "systemd-container": "systemd-nspawn",
    "iproute2": "ip",
    "e2fsprogs": "mkfs.ext4",
    "mount": "mount",
    "util-linux": "nsenter",
}


# What a join writes last of what makes a host a node.
_JOINED = Config().layout.kubelet.renewed_client
_JOIN_S = 240.0
_JOIN_AT_ONCE = 8

# A control-plane host needs 31, and the usual limit is 128.
_INOTIFY_INSTANCES = 8192


class Lab:
    """The hosts of one name on this machine."""

    def __init__(self, name: str = "lab") -> None:
        self.place = Place(name)
        self.name = name

    def hosts(self) -> list[Host]:
        """Return the hosts that were made, control plane first, by number."""
        specs = self.place.state.glob("[!.]*/host.json")
        found = [Host(HostPlace(self.place, path.parent.name)) for path in specs]
        return sorted(found, key=lambda host: (host.role != CONTROL_PLANE, _number(host.name)))

    def host(self, name: str) -> Host:
        """Return the host of a name.

        Raises:
            KubeceptionError: there is none.
        """
        for host in self.hosts():
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts()) or "none"
        raise KubeceptionError(
            f"lab {self.name} has no host {name!r}; there are: {names}",
            hint=f"kubeception lab up --name {self.name}",
        )

    def up(self, *, workers: int = 0, bundle: Path | None = None) -> list[Host]:
        """Make and boot what is missing: a control-plane host and workers, with a bundle on them.

        Without a bundle new hosts are bare. Hosts that are there keep what they have; one with
        another bundle, or none, gets this one beside it, as a real host would.
        """
        if not 0 <= workers <= MAX_WORKERS:
            raise KubeceptionError(f"{workers} workers: a lab has 0 to {MAX_WORKERS}")
        with self._changing("up"), Steps(log) as steps:
            packages.ensure(PACKAGES)
            _raise_limit()
            with steps.step("debian tree"):
                lower = [cache.tree()]
            filled = None
            if bundle is not None:
                with steps.step("bundle's files"):
                    lower.insert(0, cache.layer(bundle))
                with steps.step("bundle's images"):
                    filled = cache.containerd(bundle)
            with steps.step("hosts"):
                roles = [(CONTROL_PLANE, 1), *((WORKER, n + 1) for n in range(workers))]
                for role, number in roles:
                    spec = HostSpec.of(role, number, lower=lower)
                    _make(HostPlace(self.place, spec.name), spec, filled)
                hosts = self.hosts()
                for host in hosts:
                    host.start()
                for host in hosts:
                    host.wait_up()
                    host.put("/etc/hosts", rootfs.hosts_file([host.spec for host in hosts]))
                    if bundle is not None:
                        # On one that was made with it there is nothing to do.
                        install.install(bundle, host.root())
        return hosts

    def bootstrap(self) -> None:
        """Give the control-plane host the lab's configuration and bootstrap it.

        What it prints goes where our own output goes.
        """
        host = self.host("cp1")
        host.put("/etc/kubeception/config.toml", (SOURCES / "distros" / "lab.toml").read_text())
        argv = ("kubeception", "bootstrap")
        command = [*kill_with_parent.WITH_US, *host.command(*argv, env=_passed_on())]
        code = subprocess.run(command, check=False).returncode
        if code:
            raise CommandFailed(argv, code, "")

    def join(self) -> None:
        """Have the workers join, each by the command that the control plane prints for it.

        One that has joined is asked to look after itself, which changes nothing where all is well.
        """
        first = self.host("cp1")
        workers = [host for host in self.hosts() if host.role == WORKER]

        def paste(host: Host, flag: str) -> Completed:
            printed = first.run("kubeception", "token", "create", flag, host.name).stdout
            # In place of the shell, with which it would not end if we are killed.
            script = printed.replace("\nkubeception", "\nexec kubeception")
            return host.run("sh", stdin=script, check=False, timeout_s=_JOIN_S)

        def one(host: Host) -> None:
            with steps.step(host.name, "joining"):
                if host.run("test", "-e", str(_JOINED), check=False).code == 0:
                    host.run("kubeception", "join", timeout_s=_JOIN_S)
                    return
                done = paste(host, "--node")
                if (
                    done.code == JoinRefused.exit_code
                ):  # a join that was never finished has its name
                    done = paste(host, "--rejoin")
                if done.code:
                    raise CommandFailed(("kubeception", "join"), done.code, done.stderr)

        with Steps(log) as steps, ThreadPoolExecutor(_JOIN_AT_ONCE) as pool:
            list(pool.map(one, workers))

    def down(self) -> None:
        """Remove the hosts and all that the lab made on this machine."""
        with self._changing("down"):
            named = {path.parent.name for path in self.place.state.glob("[!.]*/host.json")}
            named |= {path.stem for path in self.place.run.glob("*.pid")}
            for name in named:
                switch_off(HostPlace(self.place, name))
            network.remove(self.place.network)
            cgroups.clear(self.place.cgroup)
            cgroups.remove_if_empty(self.place.cgroup.parent)
            files.remove_tree(self.place.state)
            files.remove_tree(self.place.run)

    @contextlib.contextmanager
    def _changing(self, verb: str) -> Iterator[None]:
        """Hold the lab's lock."""
        with hold(self.place.lock, f"kubeception lab {verb} --name {self.name}"):
            # `down` removes the lock with the lab: what we hold then is nobody's lock any more.
            if not self.place.lock.exists():
                raise Locked(f"lab {self.name} was being taken down", hint="run this again")
            yield


def _make(place: HostPlace, spec: HostSpec, filled: Path | None) -> None:
    """Make a host that is off, in one rename, unless it is there."""
    if place.spec.exists():
        return
    with files.whole_folder(place.state, synced=False) as folder:
        partial = HostPlace(place.lab, folder.name)
        for part in (partial.upper, partial.work, partial.root, partial.disk, partial.containerd):
            part.mkdir()
        rootfs.rootfs(partial.upper, spec)
        disk.make(partial.image)
        if filled:
            images.clone(filled, partial.containerd)
        spec.write(partial.spec)


def _raise_limit() -> None:
    """Let the kernel give out more inotify instances: all hosts share the machine's."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if int(limit.read_text()) < _INOTIFY_INSTANCES:
        limit.write_text(str(_INOTIFY_INSTANCES))


def _passed_on() -> list[str]:
    """Return the variables that decide how a command shows its progress."""
    names = ("TERM", "COLUMNS", "NO_COLOR", "CI", "KUBECEPTION_LOG")
    return [f"{name}={os.environ[name]}" for name in names if name in os.environ]


def _number(name: str) -> int:
    return int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
