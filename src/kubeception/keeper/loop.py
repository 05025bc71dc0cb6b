"""The loop: look, judge, act, say so."""

import logging
import signal
import subprocess
import sys
import time

from kubeception import gather, workflows
from kubeception.config.load import load
from kubeception.errors import ConfigError, KubeceptionError, Locked
from kubeception.gather import node_name
from kubeception.host import descendants, door, files
from kubeception.host.notify import notify
from kubeception.keeper import actions, record
from kubeception.keeper.heartbeat import Heartbeat
from kubeception.keeper.hourly import Hourly
from kubeception.keeper.observer import Observer
from kubeception.keeper.trouble import Trouble
from kubeception.keeper.verdict import Action, Observation, Verdict, judge
from kubeception.keeper.watchdog import Watchdog
from kubeception.keeper.worker_observer import WorkerObserver
from kubeception.kube.lease import Lease
from kubeception.session import Session

log = logging.getLogger("kubeception.keeper")

LOOK_EVERY_S = 2.0
# While no API answers; or a new server may fail, and the old one is there to go back to.
LOOK_CLOSELY_S = 0.5
# After a bootstrap that failed: what it lacked may need a moment, and the log a rest. Or after the
# host was asked to go down.
REST_S = 5.0
# After these the host, or what the API says of it, is another one.
_CHANGES = {Action.BOOTSTRAP, Action.JOIN, Action.KILL, Action.TURN_DOOR, Action.TELL}


def run(session: Session) -> None:
    """Look after this host until told to end, or until it has another name or role."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _look_after(session)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it has been heard
        descendants.end()


def _look_after(session: Session) -> None:
    watchdog = Watchdog(session.host.clock)
    watchdog.starts()
    is_worker = session.layout.membership.exists()
    if not is_worker:
        session.client = session.layout.pki.keeper
        _boot(session)
    notify("READY=1")
    node = node_name(session)
    for what, hint in gather.changes(session):
        log.warning("%s (%s)", what, hint)
    watch = WorkerObserver(session, node) if is_worker else Observer(session, node)
    lease = actions.lease_of(session, node)
    beside = (
        Heartbeat(session, node, watch) if isinstance(watch, WorkerObserver) else Hourly(session)
    )
    last: Verdict | None = None
    since = session.host.clock.now()
    trouble: Trouble | None = None
    record.write_trouble(session.layout.keeper, trouble)
    settings = files.changed_ns(session.layout.config)
    while node_name(session) == node and session.layout.membership.exists() is is_worker:
        if (now := files.changed_ns(session.layout.config)) != settings:
            settings = now
            _read_again(session)
        seen = watch.observe()
        verdict = judge(seen)
        # What cleans temporary files may have been there.
        is_swept = record.is_gone(session.layout.keeper)
        if verdict != last:
            log.info("%s: %s", verdict.action, verdict.why)
            since = session.host.clock.now()
        if is_swept or verdict != last:
            last = verdict
            record.write(session.layout.keeper, verdict, since)
        if (found := watch.trouble()) != trouble or is_swept:
            trouble = found
            record.write_trouble(session.layout.keeper, trouble)
        is_done = _act(verdict, seen, session, lease)
        if verdict.action is Action.JOIN and isinstance(watch, WorkerObserver):
            watch.has_joined()
        if verdict.action in _CHANGES:
            watch.forget()
            session.hang_up()  # a certificate may be another one by now
        if verdict.action in {Action.ERRAND, Action.PREPARE, Action.NOTE}:
            watch.has_told(in_vain=not is_done)
        if verdict.action is Action.FREE_SPACE and isinstance(watch, Observer):
            watch.has_freed_space()
        if verdict.action is Action.RESTART_KUBELET:
            watch.has_restarted_the_kubelet()
        if verdict.action is Action.RESTORE_NETWORK:
            watch.has_restored_the_network()
        beside.look(seen, verdict)
        watchdog.alive()
        is_rolling = seen.rollout and seen.rollout.others and not seen.rollout.shut_out
        is_close = seen.api_silent_s > 0 or is_rolling
        often_s = LOOK_CLOSELY_S if is_close else LOOK_EVERY_S
        # systemd ends this process when it goes down; until then there is nothing to do.
        time.sleep(REST_S if verdict.action is Action.REBOOT else often_s)
    log.info("this host is node %s now; starting anew", node_name(session))


def _read_again(session: Session) -> None:
    """Go by the host's configuration as it is now, if it can be read."""
    try:
        session.asked = load(None, root=session.host.root)
    except ConfigError as error:
        log.warning("%s; going by what it was", error.message)
    session.hang_up()


def _act(verdict: Verdict, seen: Observation, session: Session, lease: Lease) -> bool:
    """Do what the verdict says, and tell whether that worked; if not, it is judged anew."""
    rollout = seen.rollout
    try:
        match verdict.action:
            case Action.BOOTSTRAP | Action.JOIN:
                _run(verdict.action)
            case Action.REFUSE:
                actions.put_back_authorities(session)
            case Action.RAISE_DOOR | Action.TURN_DOOR:
                port = rollout.way_back or rollout.port if rollout else 0
                port = seen.ready[0] if seen.ready else port
                actions.turn_door(session, port=port, why=verdict.why)
            case Action.KILL:
                actions.kill(session)
            case Action.FREE_SPACE:
                actions.free_space(session)
            case Action.RESTART_KUBELET:
                actions.restart_kubelet(session)
            case Action.TELL:
                actions.tell_of_the_network(session, node_name(session), seen.trouble)
            case Action.RESTORE_NETWORK:
                actions.restore_network(session, seen.network_due, seen.pods)
            case Action.END_ORPHANS:
                actions.end_orphans(session)
            case Action.REBOOT:
                actions.reboot(session)
            case Action.ERRAND if seen.errands.asked:
                actions.run_errand(session, seen.errands.asked)
            case Action.PREPARE if seen.errands.unprepared:
                actions.prepare(session, seen.errands.unprepared)
            case Action.NOTE:
                actions.note(session, node_name(session), dict(seen.errands.notes))
            case Action.MOVE if rollout:
                actions.move(session, rollout, lease)
            case Action.PROVE if rollout:
                actions.prove(session, rollout, lease)
            case Action.PUT_BACK if rollout:
                actions.put_back(session, rollout, lease, why=verdict.why)
            case _:
                pass
    except KubeceptionError as error:
        log.warning("%s: %s", verdict.action, error.message)
        return False
    return True


def _boot(session: Session) -> None:
    """Where the host has just booted, have the kubelet start with a bootstrap API server.

    Nothing hosted can be alive then: there is no door.
    """
    try:
        if door.read() is None:
            workflows.boot(session)
    except Locked as error:
        log.info("%s: %s", Action.STAND_BACK, error.message)
    except KubeceptionError as error:
        log.warning("at boot: %s", error.message)


def _run(command: Action) -> None:
    """Run a command again, in a process of its own: the keeper stays small, whatever happens."""
    child = subprocess.Popen(
        [sys.executable, "-m", "kubeception", command.value, "--by-keeper"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while (code := _wait(child, LOOK_EVERY_S)) is None:
        notify("WATCHDOG=1")
    log.info("%s: ended with exit code %d", command, code)
    if code:
        notify("WATCHDOG=1")
        time.sleep(REST_S)


def _wait(child: "subprocess.Popen[bytes]", timeout_s: float) -> int | None:
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
