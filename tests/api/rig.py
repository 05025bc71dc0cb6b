"""A real etcd, API server and controller-manager as processes, with our certificates and flags.

What a host has at `/` lies in a folder here, and every port is a free one of loopback. The programs
end with the test run, also when it is killed.
"""

import contextlib
import logging
import os
import random
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tests.fixed import CONFIG, FACTS, HOST, on_host

from kubeception.conditions import Condition, apiserver_ready, namespace_there, wait_for
from kubeception.config import Config
from kubeception.config.model import ApiServer
from kubeception.engine import carry_out
from kubeception.etcd.client import EtcdClient
from kubeception.host.gateway import Host
from kubeception.host.process import Completed, run
from kubeception.phases import control_plane
from kubeception.phases.pki import PKI
from kubeception.render import apiserver, controllers, etcd, revision
from kubeception.render.objects import Object
from kubeception.report import Steps
from kubeception.session import Session

log = logging.getLogger("kubeception.rig")

START_S = 60.0
END_S = 10.0
# Below those that Linux gives to outgoing connections, and like no port of a host's own.
UNUSED = range(11_000, 20_000)


@dataclass(frozen=True)
class Ports:
    """Free ports of loopback."""

    api: int
    etcd: int
    etcd_peer: int
    etcd_metrics: int
    controller_manager: int

    @classmethod
    def free(cls) -> "Ports":
        """Find some that no outgoing connection will get before they are listened on.

        All are held until the last one is found, so that no two are the same.
        """
        found: list[int] = []
        with contextlib.ExitStack() as held:
            while len(found) < len(fields(cls)):
                port = random.choice(UNUSED)
                with contextlib.suppress(OSError):  # somebody listens there
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
                    found.append(port)
        return cls(*found)


@dataclass
class Program:
    """A program that runs until it is ended, with its output in a file."""

    name: str
    argv: Sequence[str]
    log: Path
    environment: dict[str, str]
    running: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, argv: Sequence[str], log: Path, environment: dict[str, str] | None = None
    ) -> "Program":
        """Start it; the kernel ends it when this process ends in whatever way."""
        environment = environment or {}
        with log.open("ab") as sink:
            running = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={"PATH": "/usr/bin:/bin", **environment},
            )
        return cls(Path(argv[0]).name, argv, log, environment, running)

    def again(self) -> "Program":
        """Start another one of the same."""
        return self.start(self.argv, self.log, self.environment)

    def problem(self) -> str | None:
        """Say that it has ended, with its last words."""
        if (code := self.running.poll()) is None:
            return None
        last = " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])
        return f"{self.name} ended with exit code {code}: {last}"

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let it do nothing for the length of the block."""
        self.running.send_signal(signal.SIGSTOP)
        try:
            # A busy machine stops its threads one after the other.
            os.waitid(os.P_PID, self.running.pid, os.WSTOPPED)
            yield
        finally:
            self.running.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a warning."""
        self.running.kill()
        self.running.wait()

    def end(self) -> None:
        """End it, in peace if it can."""
        self.running.terminate()
        try:
            self.running.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Rig:
    """The running programs, and how to reach them."""

    root: Path
    bin: Path
    config: Config
    ports: Ports
    programs: dict[str, Program]

    def session(self, *, force_conflicts: bool = False) -> Session:
        """Return a run that reaches them; for use in a `with` block."""
        return Session(
            self.config,
            Host(root=self.root),
            force_conflicts=force_conflicts,
            api_port=self.ports.api,
            etcd_port=self.ports.etcd,
        )

    def apply_everything(self) -> None:
        """Have accounts, rights, policies, namespaces and all the rest, as bootstrap makes them."""
        with self.session(force_conflicts=True) as session:
            for wanted in control_plane.plan(CONFIG, FACTS):
                if wanted.drift(session):
                    wanted.apply(session)

    @property
    def etcd(self) -> EtcdClient:
        """The member, as its own health checker."""
        return self.session().etcd

    def spare_port(self) -> int:
        """Return a port on which nobody answers, and that no outgoing connection will get."""
        while True:
            port = random.choice(UNUSED)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port

    def until(self, what: str, holds: Callable[[], bool], *, successes: int = 1) -> None:
        """Wait until something holds."""
        condition = Condition(
            what, lambda _: None if holds() else "not yet", timeout_s=30, successes=successes
        )
        wait_for(condition, self.session(), lambda _: None)

    def carry_out(self, said: str) -> None:
        """Do by kubectl what a line says at its end, as an administrator would."""
        found = re.search(r"kubectl (.+)$", said)
        assert found is not None, said
        self.kubectl(*shlex.split(found[1]))

    def kubectl(
        self, *words: str, user: str = "admin", check: bool = True, stdin: str | None = None
    ) -> Completed:
        """Do something as a user of the cluster would, by one of our kubeconfigs."""
        access = f"--kubeconfig={self.root}/etc/kubernetes/{user}.conf"
        return run([self.bin / "kubectl", access, *words], check=check, timeout=30, stdin=stdin)

    def local(self, text: str) -> str:
        """Return a text with a host's paths and ports as they are here."""
        moved = text.replace("/etc/kubernetes", f"{self.root}/etc/kubernetes")
        moved = moved.replace("/var/lib/etcd", f"{self.root}/var/lib/etcd")
        here = {2379: self.ports.etcd, 2380: self.ports.etcd_peer, 2381: self.ports.etcd_metrics}
        for there, port in {**here, 6443: self.ports.api}.items():
            moved = re.sub(rf":{there}\b", f":{port}", moved)
        # Another address of loopback, beside 127.0.0.1 on the same port.
        return moved.replace(str(HOST.address), "127.0.0.2")

    def command(self, spec: Object, *more: str) -> list[str]:
        """Return the command of a rendered pod's container, as it is here."""
        program, *flags = spec["containers"][0]["command"]
        return [str(self.bin / program), *map(self.local, flags), *more]


@contextlib.contextmanager
def running(root: Path, binaries: Path) -> Iterator[Rig]:
    """Run all three for the length of the block."""
    ports = Ports.free()
    extra = {
        "etcd-servers": f"https://127.0.0.1:{ports.etcd}",
        # Lets a second one come up beside the first, so that one can be killed under load.
        "permit-port-sharing": "true",
    }
    config = Config(apiserver=ApiServer(extra_args=extra))
    rig = Rig(root, binaries, config, ports, {})
    try:
        with rig.session() as session, Steps(log) as steps:
            carry_out([PKI], session, gather=lambda: on_host(rig.config), steps=steps)
            for access in root.glob("etc/kubernetes/*.conf"):
                access.write_text(rig.local(access.read_text()))
            _start_etcd(rig, session)
            _start_apiserver(rig, session)
            _start_controller_manager(rig)
        yield rig
    finally:
        for program in reversed(rig.programs.values()):
            program.end()


def _start_etcd(rig: Rig, session: Session) -> None:
    lines = rig.local(etcd.environment(rig.config, HOST)).splitlines()
    settings = dict(line.split("=", 1) for line in lines if line.startswith("ETCD_"))
    environment = {name: value.strip('"') for name, value in settings.items()}
    # The tests are about the protocol; nothing of theirs has to survive a power cut.
    argv = [str(rig.bin / "etcd"), "--unsafe-no-fsync"]
    rig.programs["etcd"] = Program.start(argv, rig.root / "etcd.log", environment)
    _wait(rig, session, Condition("etcd to serve", lambda _: rig.etcd.problem(), timeout_s=START_S))


def _start_apiserver(rig: Rig, session: Session) -> None:
    spec = revision.bootstrap_pod(on_host(rig.config))["spec"]
    argv = [
        word
        for word in rig.command(spec, f"--secure-port={rig.ports.api}")
        # A hosted one admits by webhooks and policies, too.
        if not word.startswith(f"--{apiserver.DISABLED}=")
    ]
    rig.programs["kube-apiserver"] = Program.start(argv, rig.root / "kube-apiserver.log")
    _wait(rig, session, apiserver_ready(rig.ports.api))
    _wait(rig, session, namespace_there())


def _start_controller_manager(rig: Rig) -> None:
    of_cluster = on_host(rig.config).cluster
    pods = controllers.deployment(controllers.CONTROLLER_MANAGER, of_cluster)["spec"]
    port = f"--secure-port={rig.ports.controller_manager}"
    # No kubelet renews what a test says of a node.
    argv = rig.command(pods["template"]["spec"], port, "--controllers=*,-node-lifecycle-controller")
    name = controllers.CONTROLLER_MANAGER.name
    rig.programs[name] = Program.start(argv, rig.root / f"{name}.log")


def _wait(rig: Rig, session: Session, condition: Condition) -> None:
    """Wait for a condition, and no longer than all programs run."""

    def problem(session: Session) -> str | None:
        ended = [why for program in rig.programs.values() if (why := program.problem())]
        if ended:
            raise RuntimeError("; ".join(ended))
        return condition.problem(session)

    wait_for(Condition(condition.what, problem, timeout_s=START_S), session, lambda _: None)
