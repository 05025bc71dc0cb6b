"""A thread with a network namespace of its own: what is asked there sees what a pod would see.

The namespace ends with the thread, and so with its process: whoever is killed leaves no link.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from kubeception.errors import KubeceptionError

_CLONE_NEWNET = 0x40000000  # sched(7); os.unshare comes with Python 3.12
One = TypeVar("One")


class OwnNetwork:
    """Answers questions in its thread; threads that a question starts are in the same network."""

    def __init__(self) -> None:
        """Begin.

        Raises:
            KubeceptionError: the kernel gives no network of its own.
        """
        self._questions: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        try:
            self.ask(_unshare)
        except OSError as error:
            self.end()
            raise KubeceptionError(f"no network namespace: {error.strerror}") from error

    @property
    def path(self) -> Path:
        """Where other programs find the namespace."""
        return Path(f"/proc/{os.getpid()}/task/{self._thread.native_id}/ns/net")

    def ask(self, question: Callable[[], One]) -> One:
        """Return what a question is answered there."""
        answer: Future[One] = Future()
        self._questions.put((question, answer))
        return answer.result()

    def end(self) -> None:
        """End the thread, and with it the namespace and its links."""
        self._questions.put(None)
        self._thread.join()

    def _answer(self) -> None:
        while asked := self._questions.get():
            question, answer = asked
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001 - it is the asker's
                answer.set_exception(error)


def _unshare() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
