"""Where a bundle lies on a web server: the URL of its folder, and the SHA-256 of its list.

The digest stands for the whole bundle, so neither the server nor the way there has to be trusted.
"""

import re
from dataclasses import dataclass
from typing import Self

LONGEST_URL = 1024
# No user and no password, which everybody could read where the URL stands; and nothing that means
# something to a shell, or to systemd.
URLS = (
    r"https?://([0-9A-Za-z]([0-9A-Za-z._-]*[0-9A-Za-z])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"(/[0-9A-Za-z._~+=,@-]+)*/?"
)
DIGESTS = "[0-9a-f]{64}"


@dataclass(frozen=True)
class Source:
    """One bundle on one server."""

    url: str
    sha256: str

    @classmethod
    def of_texts(cls, url: str, sha256: str) -> Self | None:
        """Return the one that two texts name, if they do."""
        is_one = is_url(url) and re.fullmatch(DIGESTS, sha256)
        return cls(url, sha256) if is_one else None

    def of(self, path: str) -> str:
        """Return the URL of a file of the bundle."""
        return f"{self.url.rstrip('/')}/{path}"


def is_url(text: str) -> bool:
    """Tell whether something is the URL of a folder that a bundle may come from."""
    return len(text) <= LONGEST_URL and re.fullmatch(URLS, text) is not None
