"""A pause: the keeper stands back for a while. It ends by itself, at the latest with a reboot."""

from datetime import datetime
from pathlib import Path

from kubeception import timestamp
from kubeception.host import files


def begin(folder: Path, until: datetime) -> None:
    """Have the keeper stand back until then."""
    files.write(folder / "paused", f"{until.isoformat(timespec='seconds')}\n")


def end(folder: Path) -> None:
    """Have it go on."""
    files.remove(folder / "paused")


def said(folder: Path, now: datetime) -> str | None:
    """Return until when it stands back, in words, or None."""
    try:
        until = datetime.fromisoformat((folder / "paused").read_text().strip())
    except FileNotFoundError:
        return None
    except ValueError:  # not ours
        return None
    return f"paused until {timestamp.text(until)}" if now < until else None
