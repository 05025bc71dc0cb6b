"""A virtual machine: QEMU emulates its processors, and only this machine's loopback reaches it."""

import contextlib
import json
import shlex
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.vm.disk import Disk
from kubeception.errors import CommandFailed, KubeceptionError
from kubeception.host import process
from kubeception.host.process import Completed
from kubeception.lab import kill_with_parent
from kubeception.lab.waiting import wait_for

CORES, MEMORY_MIB = 2, 4096
# Emulated, on a machine that has other things to do.
BOOTS_WITHIN_S = 900.0
_ANSWER_S = 60.0
_MONITOR_S = 20.0
# How ssh ends where it, and not the command, has failed.
_SSH_FAILED = 255
_DEFAULTS = {
    "BatchMode": "yes",
    "ConnectTimeout": "30",
    "IdentitiesOnly": "yes",
    "LogLevel": "ERROR",
    "ServerAliveInterval": "60",
    "StrictHostKeyChecking": "yes",
}


@dataclass(frozen=True)
class Machine:
    """A virtual machine that is on."""

    disk: Disk
    port: int
    monitor: Path
    qemu: "subprocess.Popen[bytes]"

    def run(self, *argv: str, check: bool = True, timeout_s: float = 600.0) -> Completed:
        """Run a command there.

        Raises:
            CommandFailed: it ended with another code than 0 and `check` is set, or ran out of time.
        """
        return process.run(self._ssh(argv), check=check, timeout=timeout_s)

    def run_logged(self, *argv: str, log: IO[str], timeout_s: float) -> str:
        """Run a command there whose log goes to a file meanwhile, and return what it printed.

        Raises:
            CommandFailed: it ended with another code than 0, or ran out of time.
        """
        try:
            done = subprocess.run(
                self._ssh(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(argv, 124, f"not finished after {timeout_s:g} s") from error
        if done.returncode:
            raise CommandFailed(argv, done.returncode, f"{log.name} has what it said")
        return done.stdout

    def wait_up(self, *, but: str = "") -> str:
        """Wait until its boot has finished, and return the boot's id, another one than `but`.

        Raises:
            WaitTimeout: it has not.
            KubeceptionError: QEMU has ended.
        """
        boot = ""

        def problem() -> str | None:
            nonlocal boot
            if self.qemu.poll() is not None:
                raise KubeceptionError(f"QEMU has ended with {self.qemu.returncode}")
            try:
                said = self.run(
                    "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running",
                    check=False,
                    timeout_s=_ANSWER_S,
                )
            except CommandFailed as error:
                return error.message
            if said.code == _SSH_FAILED:
                return said.stderr.strip()
            boot, state = (*said.stdout.split(), "")[:2]
            if boot == but:
                return "it has not gone down yet"
            return None if state in {"running", "degraded"} else f"systemd says {state!r}"

        wait_for("the machine to boot", problem, timeout_s=BOOTS_WITHIN_S, pause_s=1.0)
        return boot

    def reset(self) -> None:
        """Press its reset button: what it has not synced to its disk is lost."""
        self._ask("system_reset")

    def _ssh(self, argv: tuple[str, ...]) -> list[str]:
        options = {
            **_DEFAULTS,
            "IdentityFile": str(self.disk.key),
            "UserKnownHostsFile": str(self.disk.known_hosts),
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        command = argv[0] if len(argv) == 1 else shlex.join(argv)
        return ["ssh", "-F", "none", *words, "-p", str(self.port), "root@127.0.0.1", command]

    def _ask(self, command: str) -> None:
        """Have QEMU's monitor do something (QMP: one JSON value a line)."""
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(_MONITOR_S)
            end.connect(str(self.monitor))
            with end.makefile("rw") as lines:
                lines.readline()  # its greeting
                for name in ("qmp_capabilities", command):
                    lines.write(json.dumps({"execute": name}) + "\n")
                    lines.flush()
                    while "event" in (answer := json.loads(lines.readline())):
                        pass
                    if "error" in answer:
                        raise KubeceptionError(f"QEMU: {name}: {answer['error']['desc']}")


@contextlib.contextmanager
def on(disk: Disk, *, console: Path) -> Iterator[Machine]:
    """Start a machine on a disk; it is off, and its processes are gone, after the block."""
    monitor, port = disk.image.with_name("monitor"), _free_port()
    argv = [
        *kill_with_parent.WITH_US,
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
        # Where there is KVM a machine would be as fast as this one; emulated it shows our limits.
        *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off"),
        *("-smp", str(CORES), "-m", str(MEMORY_MIB)),
        *("-kernel", str(disk.kernel), "-initrd", str(disk.initrd)),
        *("-append", "root=/dev/vda rw console=ttyS0 panic=10"),
        # QEMU outlives a reset, so what the machine has synced needn't get to the real disk.
        *("-drive", f"file={disk.image},if=virtio,format=raw,cache=unsafe"),
        *("-netdev", f"user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=net0", "-device", "virtio-rng-pci"),
        *("-serial", f"file:{console}", "-qmp", f"unix:{monitor},server=on,wait=off"),
    ]
    qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        yield Machine(disk, port, monitor, qemu)
    finally:
        qemu.kill()
        qemu.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port
