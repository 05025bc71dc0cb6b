"""Moments as Kubernetes writes them."""

from datetime import UTC, datetime


def text(at: datetime) -> str:
    """Return a moment in UTC, to the second (RFC 3339), such as 2018-07-18T01:23:46Z."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
