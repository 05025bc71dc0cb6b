"""A file of somebody else's that keeps a program of ours from its work."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileOfOthers:
    """Where it lies, what it does to ours, and the command that ends that."""

    path: Path
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"
