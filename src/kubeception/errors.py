"""Every failure that kubeception expects; anything else is a bug and keeps its traceback.

KubeceptionError          exit 1
├─ ConfigError            exit 2   the configuration has problems
├─ PreflightError         exit 3   the host has problems
├─ WaitTimeout            exit 4   a condition did not come true in time
├─ Hopeless               exit 4   nor will it, however long one waits
├─ JoinRefused            exit 5   the cluster refused this host
├─ CommandFailed          exit 1   a program ended with an error
├─ UnitFailed             exit 1   a systemd unit failed
├─ ApiError               exit 1   the Kubernetes API said no
├─ Locked                 exit 1   somebody else is changing this host
└─ NotConverged           exit 1   a change was made and did not hold
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest


class KubeceptionError(Exception):
    """An expected failure: one line for the user and, if there is one, the next step.

    `last_words` are what the thing that failed said itself.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, hint: str | None = None, last_words: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.last_words = tuple(last_words)

    def lines(self) -> Iterator[str]:
        """Yield what the user is told."""
        for line in self.message.splitlines():
            yield f"error: {line}"
        for words in self.last_words:
            yield f"  {words}"
        if self.hint:
            yield f"hint: {self.hint}"


class _Problems(KubeceptionError):
    """All problems of one kind at once, one line each."""

    def __init__(self, problems: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = tuple(problems)


class ConfigError(_Problems):
    """The configuration has problems, each named with file, line and key."""

    exit_code = 2


class PreflightError(_Problems):
    """The host has problems; each may have a hint of its own.

    `is_final` says that going on in spite of them could lose something, or make it a second time:
    not even the keeper does.
    """

    exit_code = 3

    def __init__(
        self,
        problems: Sequence[str],
        *,
        hint: str | None = None,
        hints: Sequence[str] = (),
        is_final: bool = False,
    ) -> None:
        super().__init__(problems, hint=hint)
        self.hints = tuple(hints)
        self.is_final = is_final

    def lines(self) -> Iterator[str]:
        """Yield each problem with its hint under it."""
        for problem, hint in zip_longest(self.problems, self.hints):
            yield f"error: {problem}"
            if hint:
                yield f"hint: {hint}"
        if self.hint:
            yield f"hint: {self.hint}"


class WaitTimeout(KubeceptionError):
    """A condition did not come true in time; says what was seen last."""

    exit_code = 4

    def __init__(
        self, what: str, last: str, *, hint: str | None = None, last_words: Sequence[str] = ()
    ) -> None:
        super().__init__(f"timed out waiting for {what}: {last}", hint=hint, last_words=last_words)
        self.what = what
        self.last = last


class Hopeless(KubeceptionError):
    """A condition will not come true by waiting."""

    exit_code = 4


class JoinRefused(KubeceptionError):
    """The cluster refused to take this host in."""

    exit_code = 5


class CommandFailed(KubeceptionError):
    """A program ended with an error; says how, in its own last words."""

    def __init__(self, argv: Sequence[str], code: int, stderr: str) -> None:
        last = stderr.strip().splitlines()[-5:]
        words = ": " + " | ".join(last) if last else ""
        super().__init__(f"{argv[0]} ended with exit code {code}{words}")
        self.argv = tuple(argv)
        self.code = code
        self.stderr = stderr


class UnitFailed(KubeceptionError):
    """A systemd unit failed to reach the state that was asked for."""

    def __init__(self, unit: str, result: str, journal: Sequence[str] = ()) -> None:
        super().__init__(
            f"{unit} failed: {result}", hint=f"journalctl -u {unit} -n 50", last_words=journal
        )
        self.unit = unit
        self.result = result


class ApiError(KubeceptionError):
    """The Kubernetes API refused a request or could not be reached.

    `status` is the HTTP status, 0 where no answer came.
    """

    def __init__(self, status: int, reason: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.reason = reason


class Locked(KubeceptionError):
    """Another process holds the lock of this host or folder."""


class NotConverged(KubeceptionError):
    """A change was applied and the thing still differs from what is wanted."""

    def __init__(self, thing: str, drift: str) -> None:
        super().__init__(f"{thing}: still differs after the change: {drift}")
