"""One lab host: its power button, and a way to run things on it."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kubeception.errors import CommandFailed, KubeceptionError, UnitFailed
from kubeception.host import process
from kubeception.host.process import Completed
from kubeception.lab import cgroups, disk, kill_with_parent, network
from kubeception.lab.paths import HostPlace, HostSpec
from kubeception.lab.waiting import wait_for

OFF = "off"
BOOTING = "booting"
UP = ("running", "degraded")  # systemd's words for a finished boot
BOOT_TIMEOUT_S = 180  # a cluster's host may take long to go down

# Nothing is asked of a host meanwhile: it gives each process that it finds at the end, and is not
# the parent of, 10 s to end.
_GOING_DOWN = "still going down"

_SYSTEM_STATE = (
    *("busctl", "get-property", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
    *("org.freedesktop.systemd1.Manager", "SystemState"),
)
_ENVIRONMENT = (
    "HOME=/root",
    "USER=root",
    "LANG=C.UTF-8",
    "KUBECONFIG=/etc/kubernetes/admin.conf",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)
# A process that enters a pid namespace is not yet in it, its children are. nsenter's own fork stops
# itself for good when its child is stopped, which a host that shuts down does to all it finds.
# Ctrl-C is the child's to answer.
_FORK = 'trap : INT QUIT; "$@"; exit $?'
_PUT = 'mkdir -p "${1%/*}" && cat >"$1" && chmod "$2" "$1" && sync "$1"'


class Host:
    """A host of a lab. Nothing is remembered here: every question is asked of the machine."""

    def __init__(self, place: HostPlace) -> None:
        self.place = place
        self.spec = HostSpec.read(place.spec)
        self.name = self.spec.name
        self.role = self.spec.role
        self.address = self.spec.address

    # What it is doing

    def state(self) -> str:
        """Return `off`, `booting` or systemd's own word, such as `running` or `degraded`."""
        if supervisor(self.place) is None:
            return OFF
        leader = self.leader()
        if leader is None:
            return BOOTING
        try:
            answer = process.run(_inside(leader, _SYSTEM_STATE), check=False, timeout=10)
        except CommandFailed:  # no answer in time
            return BOOTING
        # The answer comes over D-Bus, like everything that kubeception will ask: `s "running"`.
        word = answer.stdout.removeprefix("s").strip().strip('"')
        return word if answer.code == 0 and word != "starting" else BOOTING

    def leader(self) -> int | None:
        """Return the process that is the host's PID 1, as the machine counts."""
        nspawn = _child(supervisor(self.place), "systemd-nspawn")
        # Before this child is systemd it is a piece of nspawn, still half on the machine.
        return _child(nspawn, "systemd")

    def root(self) -> Path:
        """Return the root file system of a host that is on, as the machine sees it."""
        return Path(f"/proc/{self._running()}/root")

    # Its power button

    def start(self) -> None:
        """Switch the host on, unless it is."""
        handle = os.open(self.place.pid, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if supervisor(self.place) is not None:
                return
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.ftruncate(handle, 0)
            network.make(self.place.lab.network)
            _supervise(self.place, handle)
        finally:
            os.close(handle)

    def boot(self) -> None:
        """Switch the host on, unless it is, and wait until its systemd answers on D-Bus."""
        self.start()
        self.wait_up()

    def wait_up(self, *, since: int | None = None) -> None:
        """Wait until the host has booted, with `since` another time than with that leader."""

        def problem() -> str | None:
            if since is not None and self.leader() == since:
                return _GOING_DOWN
            state = self.state()
            if state == OFF:
                raise KubeceptionError(
                    f"{self.name} went off while booting: {self._last_words()}",
                    hint=f"less {self.place.console}",
                )
            return None if state in UP else state

        wait_for(f"{self.name} to boot", problem, timeout_s=BOOT_TIMEOUT_S)

    def wait_off(self) -> None:
        """Wait until the host has switched itself off."""
        wait_for(
            f"{self.name} to go off",
            lambda: _GOING_DOWN if supervisor(self.place) else None,
            timeout_s=BOOT_TIMEOUT_S,
        )

    def reboot(self) -> None:
        """Have the host reboot itself, and wait until it is back."""
        before = self.leader()
        # It may go down before it has said that it will.
        self.run("systemctl", "reboot", check=False)
        self.wait_up(since=before)

    def power_off(self) -> None:
        """Have the host switch itself off, and wait until it has."""
        self.run("systemctl", "poweroff", check=False)
        self.wait_off()

    def power_cut(self) -> None:
        """Take the power away: what was not synced to its disk is lost.

        All stand still at that moment, or a program could yet be told that something is on a disk
        that is not, and pass that on.
        """
        pid = supervisor(self.place)
        if pid is not None:
            cgroups.freeze(self.place.cgroup)
            seen = Path(f"/proc/{pid}/root") / self.place.disk.relative_to("/")
            disk.cut(self.place.image, mounted_at=seen)
        switch_off(self.place)

    # Running things on it

    def command(self, *argv: str, env: Sequence[str] = ()) -> list[str]:
        """Return the machine's command line that runs a command on the host.

        The command gets the terminal, if there is one, and dies with the returned one.
        """
        return _inside(self._running(), argv, env=env)

    def run(
        self,
        *argv: str,
        check: bool = True,
        stdin: str | bytes | None = None,
        timeout_s: float | None = None,
    ) -> Completed:
        """Run a command to its end, or to ours.

        Raises:
            CommandFailed: it ended with another code than 0 and `check` is set.
        """
        command = [*kill_with_parent.WITH_US, *self.command(*argv)]
        done = process.run(command, stdin=stdin, timeout=timeout_s, check=False)
        if check and done.code != 0:
            raise CommandFailed(argv, done.code, done.stderr or done.stdout)
        return Completed(argv, done.code, done.stdout, done.stderr)

    def fail(self, *argv: str, stdin: str | bytes | None = None) -> Completed:
        """Run a command that must end with another code than 0."""
        done = self.run(*argv, check=False, stdin=stdin)
        if done.code == 0:
            raise KubeceptionError(f"{self.name}: {' '.join(argv)} ended with exit code 0")
        return done

    def put(self, path: str | Path, content: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file, through to the disk."""
        self.run("sh", "-c", _PUT, "sh", str(path), f"{mode:o}", stdin=content)

    def get(self, path: str | Path) -> str:
        """Return the content of a file."""
        return self.run("cat", str(path)).stdout

    def wait_for_unit(self, unit: str, *, timeout_s: float = 60) -> None:
        """Wait until a unit is active; fail at once when it can't become so by itself."""

        def problem() -> str | None:
            shown = self.run("systemctl", "show", "-p", "ActiveState,Result,Job", unit).stdout
            values = dict(line.split("=", 1) for line in shown.splitlines())
            state = values["ActiveState"]
            if state == "failed" or (state == "inactive" and not values.get("Job")):
                raise UnitFailed(unit, f"{state}, {values.get('Result', 'no job queued')}")
            return None if state == "active" else state

        wait_for(f"{unit} on {self.name}", problem, timeout_s=timeout_s)

    def _running(self) -> int:
        """Return the leader of a host that must be on."""
        leader = self.leader()
        if leader is None:
            raise KubeceptionError(
                f"{self.name} is {self.state()}",
                hint=f"kubeception lab boot --name {self.place.lab.name} {self.name}",
            )
        return leader

    def _last_words(self) -> str:
        lines = self.place.console.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def supervisor(place: HostPlace) -> int | None:
    """Return the process that keeps a host on, or None for a host that is off."""
    try:
        file = place.pid.open()
    except FileNotFoundError:
        return None
    with file:

        def answer() -> int | None:
            try:
                # Free, whatever the file says: no pid of an earlier boot can deceive us.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                return int(file.read() or 0)
            return None

        # It holds the lock from its birth on, and writes its pid a moment later.
        wait_for(f"the pid in {place.pid}", _unless_zero(answer), timeout_s=20, pause_s=0.01)
        return answer()


def switch_off(place: HostPlace) -> None:
    """Kill a host, if it is on, and wait until nothing of it runs or is mounted."""
    pid = supervisor(place)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)  # nspawn dies with it, and the host with nspawn
    cgroups.clear(place.cgroup)
    wait_for(
        f"{place.name} to be off",
        lambda: "its disk is in use" if supervisor(place) or disk.in_use(place.image) else None,
        timeout_s=120,
        pause_s=0.01,
    )


def _supervise(place: HostPlace, lock: int) -> None:
    """Start a supervisor that no terminal and no end of this process ends."""
    with place.console.open("ab") as console:
        subprocess.run(
            [
                *("setsid", "--fork", "nsenter", f"--net={place.lab.network}"),
                *("unshare", "--mount", "--propagation", "slave"),
                *(sys.executable, "-m", "kubeception.lab.supervisor"),
                *(place.lab.name, place.name, str(lock)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd="/",
            pass_fds=[lock],
            check=True,
        )


def _inside(leader: int, argv: Sequence[str], *, env: Sequence[str] = ()) -> list[str]:
    entered = [
        *("nsenter", "--all", "--no-fork", f"--target={leader}"),
        *("sh", "-c", _FORK, "sh", *kill_with_parent.WITH_US),
        *("env", "--ignore-environment", "--chdir=/root", *_ENVIRONMENT, *env, *argv),
    ]
    return cgroups.entering(cgroups.of(leader), entered)


def _child(pid: int | None, name: str) -> int | None:
    """Return the first child of a process, if that is what it now runs."""
    if pid is None:
        return None
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found = bool(children) and Path(f"/proc/{children[0]}/comm").read_text().strip() == name
    except OSError:  # ended meanwhile
        return None
    return int(children[0]) if found else None


def _unless_zero(answer: Callable[[], int | None]) -> Callable[[], str | None]:
    return lambda: "not written" if answer() == 0 else None
