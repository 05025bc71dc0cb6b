"""The user's configuration: frozen structs, defaults, and all problems at once."""

from kubeception.config.model import Config

__all__ = ["Config"]
