"""How programs of the control plane pass for the minor before, so that it can be gone back to."""

from kubeception.config.cluster import ClusterSettings

FLAG = "emulated-version"


def flags(settings: ClusterSettings) -> dict[str, str]:
    """Return the flag for that, none where they are what they are (KEP-4330)."""
    return {FLAG: settings.emulates} if settings.emulates else {}
