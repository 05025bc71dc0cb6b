"""systemd and its logind over D-Bus, the one module that speaks it.

See org.freedesktop.systemd1(5) and org.freedesktop.login1(5). A job's signal may come right after
the call that queued it, so the match for it is set up before any call.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from types import TracebackType
from typing import Any

from jeepney import DBusAddress, MatchRule, MessageType, new_method_call
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import DBusErrorResponse

from kubeception import crash, pace
from kubeception.errors import KubeceptionError, UnitFailed
from kubeception.host import logs

log = logging.getLogger(__name__)

SOCKET = Path("/run/dbus/system_bus_socket")
# On a usual machine; one that is slower gets more.
JOB_TIMEOUT_S = 90.0
_INFINITE = 2**64 - 1  # microseconds

_SERVICE = "org.freedesktop.systemd1"
_MANAGER = DBusAddress(
    "/org/freedesktop/systemd1", bus_name=_SERVICE, interface=f"{_SERVICE}.Manager"
)
_LOGIND = DBusAddress(
    "/org/freedesktop/login1",
    bus_name="org.freedesktop.login1",
    interface="org.freedesktop.login1.Manager",
)
_PROPERTIES = "org.freedesktop.DBus.Properties"


@dataclass(frozen=True)
class UnitState:
    """What systemd knows of a unit now.

    `file` is where its unit file lies, or lay. `started_s` is when it last became active, in
    seconds since the epoch, 0 for never; `restarts` is how often systemd has started it again by
    itself. `command` is what it runs, as written, and `environment` names the files with its
    variables, `variables` those that the unit itself sets. `user` is whom it runs as, "" for root,
    and `pid` its main process, 0 for none.
    """

    load: str
    file: str
    active: str
    enabled: str
    started_s: float
    invocation: str
    needs_reload: bool
    result: str
    restarts: int
    command: tuple[str, ...]
    environment: tuple[Path, ...]
    user: str
    pid: int = 0
    variables: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether there is a unit file of that name."""
        return self.load == "loaded"

    @property
    def starts_at_boot(self) -> bool:
        """Whether it is enabled for good, or is so by another unit or a generator."""
        return self.enabled in {"enabled", "static", "linked", "alias", "generated"}

    def __str__(self) -> str:
        words = self.active
        if self.result not in {"", "success"}:
            words += f", {self.result}"
        return words + (f", started again {self.restarts} times" if self.restarts else "")


class Systemd:
    """One connection to the system manager; opened at first use."""

    def __init__(self, socket: Path = SOCKET, *, root: Path | None = None) -> None:
        """Take the bus's socket; `root` is where journalctl lies, from within a container."""
        self._socket = socket
        self._root = root
        self._open: DBusConnection | None = None
        self._has_enabled = False

    def __enter__(self) -> "Systemd":
        """Give itself; the connection opens at first use."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Have systemd know what starts at boot, if that has changed; and close the connection."""
        try:
            if self._has_enabled:
                self.reload()
        except KubeceptionError as problem:  # what was to be done is done
            log.warning("%s (systemctl daemon-reload)", problem.message)
        finally:
            if self._open is not None:
                self._open.close()
                self._open = None

    def apart(self) -> "Systemd":
        """Return another connection to it: threads that share one take each other's answers."""
        return Systemd(self._socket, root=self._root)

    def state(self, unit: str) -> UnitState:
        """Return what systemd knows of a unit; one that has no file is `not-found`."""
        (path,) = self._call("LoadUnit", "s", unit)
        everything = self._all_properties(path, f"{_SERVICE}.Unit")
        service = (
            self._all_properties(path, f"{_SERVICE}.Service") if unit.endswith(".service") else {}
        )
        return UnitState(
            load=everything["LoadState"],
            file=everything["FragmentPath"],
            active=everything["ActiveState"],
            enabled=everything["UnitFileState"],
            started_s=everything["ActiveEnterTimestamp"] / 1e6,
            invocation=bytes(everything["InvocationID"]).hex(),
            needs_reload=everything["NeedDaemonReload"],
            result=service.get("Result", ""),
            restarts=service.get("NRestarts", 0),
            command=tuple(service["ExecStart"][0][1]) if service.get("ExecStart") else (),
            environment=tuple(Path(path) for path, _ in service.get("EnvironmentFiles", ())),
            user=service.get("User", ""),
            pid=service.get("MainPID", 0),
            variables=tuple(one.partition("=")[0] for one in service.get("Environment", ())),
        )

    def main_pid(self, unit: str) -> int:
        """Return a unit's main process, 0 for none, at a fraction of what its whole state costs."""
        (path,) = self._call("LoadUnit", "s", unit)
        return int(self._property(path, f"{_SERVICE}.Service", "MainPID"))

    def booted_s(self) -> float:
        """Return when this host's systemd started, in seconds since the epoch."""
        started = self._property(_MANAGER.object_path, f"{_SERVICE}.Manager", "UserspaceTimestamp")
        return int(started) / 1e6

    def start(self, unit: str) -> None:
        """Start a unit and wait until its job is done; nothing happens if it runs."""
        self._job("StartUnit", unit)

    def run_apart(self, unit: str, said: str, *commands: Sequence[str], stays: bool = True) -> None:
        """Have a unit run commands to their ends, one after the other, and go on at once.

        One that `stays` is there until the host goes down: `active` once all have ended well. One
        that has failed always is.
        """
        crash.before("run apart", unit)
        is_ignored = False  # a failure
        properties = [
            ("Description", ("s", said)),
            ("Type", ("s", "oneshot")),
            ("RemainAfterExit", ("b", stays)),
            ("ExecStart", ("a(sasb)", [(one[0], list(one), is_ignored) for one in commands])),
        ]
        self._call("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", properties, [])

    def restart(self, unit: str) -> None:
        """Stop and start a unit and wait until its job is done."""
        self._job("RestartUnit", unit, more_s=self._stops_within_s(unit))

    def stop(self, unit: str) -> None:
        """Stop a unit and wait until its job is done."""
        self._job("StopUnit", unit, more_s=self._stops_within_s(unit))

    def kill(self, unit: str) -> None:
        """Kill a unit's main process, which may hang."""
        crash.before("kill", unit)
        self._call("KillUnit", "ssi", unit, "main", SIGKILL)

    def enable(self, unit: str) -> tuple[Path, ...]:
        """Have a unit start at boot; return the links that say so, which systemd does not sync.

        Until the next boot these count for little, so that systemd reads them once, at the end: to
        read all units again takes it longer than most programs take to start. Where a run is killed
        before, it does so with its next reload or boot.
        """
        crash.before("enable", unit)
        self._has_enabled = True
        runtime, force = False, True
        _, changes = self._call("EnableUnitFiles", "asbb", [unit], runtime, force)
        return tuple(Path(path) for kind, path, _ in changes if kind == "symlink")

    def disable(self, unit: str) -> None:
        """Have a unit no longer start at boot."""
        crash.before("disable", unit)
        runtime = False
        self._call("DisableUnitFiles", "asb", [unit], runtime)

    def reload(self) -> None:
        """Have systemd read its unit files again."""
        self._has_enabled = False
        crash.before("reload", "systemd")
        self._call("Reload", "")

    def reboot(self) -> None:
        """Have the host reboot in good order, by logind; it goes down some moments later."""
        crash.before("reboot", "the host")
        interactive = False
        self._send(new_method_call(_LOGIND, "Reboot", "b", (interactive,)))

    def _stops_within_s(self, unit: str) -> float:
        """Return after how long systemd kills what does not end; 0 where it never does."""
        (path,) = self._call("LoadUnit", "s", unit)
        limit = int(self._property(path, f"{_SERVICE}.Service", "TimeoutStopUSec"))
        return 0.0 if limit == _INFINITE else limit / 1e6

    def _job(self, method: str, unit: str, *, more_s: float = 0.0) -> None:
        bus = self._connection()
        removed = MatchRule(type="signal", interface=f"{_SERVICE}.Manager", member="JobRemoved")
        with bus.filter(removed, bufsize=512) as signals:
            crash.before(method, unit)
            (job,) = self._call(method, "ss", unit, "replace")
            crash.before(f"see the end of {method}", unit)
            usual_s = JOB_TIMEOUT_S + more_s
            started_s, limit_s = time.monotonic(), usual_s
            while True:
                left_s = started_s + limit_s - time.monotonic()
                try:
                    signal = bus.recv_until_filtered(signals, timeout=max(0.0, left_s))
                except TimeoutError as error:
                    passed_s = time.monotonic() - started_s
                    limit_s = pace.longer_s(usual_s, passed_s, pace.slowness())
                    if passed_s < limit_s:
                        continue
                    raise UnitFailed(
                        unit,
                        f"no result after {passed_s:.0f} s",
                        logs.of_unit(unit, root=self._root),
                    ) from error
                _, path, _, result = signal.body
                if path == job:
                    break
        if result not in {"done", "skipped"}:
            cause = self.state(unit).result
            words = f"job {result}" + (f", {cause}" if cause else "")
            raise UnitFailed(unit, words, logs.of_unit(unit, root=self._root))

    def _property(self, path: str, interface: str, name: str) -> Any:
        at = DBusAddress(path, bus_name=_SERVICE, interface=_PROPERTIES)
        ((_, value),) = self._send(new_method_call(at, "Get", "ss", (interface, name)))
        return value

    def _all_properties(self, path: str, interface: str) -> dict[str, Any]:
        message = new_method_call(
            DBusAddress(path, bus_name=_SERVICE, interface=_PROPERTIES), "GetAll", "s", (interface,)
        )
        (pairs,) = self._send(message)
        return {name: value for name, (_, value) in pairs.items()}

    def _call(self, method: str, signature: str, *arguments: object) -> tuple[Any, ...]:
        message = (
            new_method_call(_MANAGER, method, signature, arguments)
            if signature
            else new_method_call(_MANAGER, method)
        )
        return self._send(message)

    def _send(self, message: Any) -> tuple[Any, ...]:
        try:
            reply = self._connection().send_and_get_reply(message, timeout=25.0)
        except (OSError, EOFError) as error:
            raise KubeceptionError(f"systemd on D-Bus: {error}") from error
        if reply.header.message_type is MessageType.error:
            failure = DBusErrorResponse(reply)
            words = failure.data[0] if failure.data else failure.name
            raise KubeceptionError(f"systemd: {words}")
        body: tuple[Any, ...] = reply.body
        return body

    def _connection(self) -> DBusConnection:
        if self._open is None:
            try:
                self._open = open_dbus_connection(f"unix:path={self._socket}")
            except (OSError, EOFError) as error:
                raise KubeceptionError(
                    f"systemd on D-Bus: {self._socket}: {error}",
                    hint="kubeception runs on hosts whose service manager is systemd",
                ) from error
            rule = MatchRule(
                type="signal",
                sender=_SERVICE,
                interface=f"{_SERVICE}.Manager",
                member="JobRemoved",
                path=_MANAGER.object_path,
            )
            self._open.send_and_get_reply(message_bus.AddMatch(rule))
            self._call("Subscribe", "")
        return self._open
