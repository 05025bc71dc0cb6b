"""Waiting, and what is waited for."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubeception import pace
from kubeception.errors import ApiError, Hopeless, KubeceptionError, WaitTimeout
from kubeception.host import overload
from kubeception.host.gateway import Clock
from kubeception.session import Session

log = logging.getLogger("kubeception.k8s")

INTERVAL_S = 0.2
# Where the processor is slow, looks without a rest would take it from who is waited for: for each
# second of it that a look has taken there are so many of rest, but for none longer than this.
_REST, _LONGEST_REST_S = 4.0, 2.0


def _silence(_reach: Session) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Condition:
    """Something to wait for: `what` completes "waiting for …", `problem` says why it isn't so yet.

    `successes` are wanted in a row, one every `INTERVAL_S`; a failure starts the count again.
    One that is not `required` is given its time, and then the work goes on without it. What it
    waited for in vain says why by its `last_words`.
    """

    what: str
    problem: Callable[[Session], str | None]
    timeout_s: float = 120.0
    successes: int = 1
    hint: str | None = None
    required: bool = True
    last_words: Callable[[Session], Sequence[str]] = _silence


@dataclass
class Lasting:
    """For how long something has been so, by those who look again and again."""

    since_s: float | None = None

    def lasts_s(self, now_s: float) -> float:
        """Return for how many seconds; it is so now."""
        if self.since_s is None:
            self.since_s = now_s
        return now_s - self.since_s

    def outlasts(self, limit_s: float, clock: Clock) -> bool:
        """Tell whether it is longer so than a limit, which follows a machine that is slow."""
        lasts_s = self.lasts_s(clock.monotonic())
        return lasts_s > limit_s and lasts_s > limit_s * clock.slowness()

    def is_over(self) -> None:
        """Begin anew when it is so again."""
        self.since_s = None


def wait_for(condition: Condition, session: Session, note: Callable[[str], None]) -> None:
    """Wait until a condition holds; `note` hears what is in the way.

    Its time is that of a usual machine: one that is slower when it has passed gets more.

    Raises:
        WaitTimeout: it did not hold in time.
        Hopeless: it never will.
    """
    clock = session.host.clock
    started, limit_s = clock.monotonic(), condition.timeout_s
    in_a_row = 0
    while True:
        spent_s = clock.spent()
        problem = _problem(condition, session)
        rest_s = min(_REST * (clock.spent() - spent_s), _LONGEST_REST_S)
        in_a_row = 0 if problem else in_a_row + 1
        if in_a_row >= condition.successes:
            return
        note(problem or f"{in_a_row} of {condition.successes} in a row")
        if (passed_s := clock.monotonic() - started) > limit_s:
            if not condition.required:
                return
            limit_s = pace.longer_s(condition.timeout_s, passed_s, clock.slowness())
            if passed_s <= limit_s:
                log.warning("this machine is slow just now: waiting for up to %.0f s", limit_s)
                continue
            last = problem or f"only {in_a_row} of {condition.successes} in a row"
            if why := overload.told():
                log.warning("%s", why)
            last_words = _last_words(condition, session)
            raise WaitTimeout(condition.what, last, hint=condition.hint, last_words=last_words)
        clock.sleep(max(INTERVAL_S, rest_s))


def _problem(condition: Condition, session: Session) -> str | None:
    try:
        return condition.problem(session)
    except Hopeless as error:
        last_words = _last_words(condition, session)
        raise Hopeless(error.message, hint=condition.hint, last_words=last_words) from error
    except KubeceptionError as error:
        return error.message


def _last_words(condition: Condition, session: Session) -> Sequence[str]:
    """Return what it said last; where that can't be read, why, beside the failure itself."""
    try:
        return condition.last_words(session)
    except KubeceptionError as error:
        return (f"what it said last can't be read: {error.message}",)


def current_problem(condition: Condition, session: Session) -> str | None:
    """Return why a condition does not hold just now, or None."""
    try:
        return condition.problem(session)
    except KubeceptionError as error:
        return error.message


def all_of(what: str, parts: Sequence[Condition], *, timeout_s: float) -> Condition:
    """Several conditions at once; every one that does not hold yet is named.

    Where no API answers one of them, the others are not asked: each would be patient in vain.
    """

    def problem(session: Session) -> str | None:
        late = []
        for part in parts:
            try:
                if why := part.problem(session):
                    late.append(f"{part.what}: {why}")
            except KubeceptionError as error:
                late.append(f"{part.what}: {error.message}")
                if isinstance(error, ApiError) and error.status == 0:
                    break
        return "; ".join(late) or None

    def last_words(session: Session) -> list[str]:
        late = [part for part in parts if current_problem(part, session)]
        return [words for part in late for words in _last_words(part, session)]

    hint = "kubeception status"
    return Condition(what, problem, timeout_s=timeout_s, hint=hint, last_words=last_words)
