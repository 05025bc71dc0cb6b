"""Every problem of this host at once, each named and with a hint; reads only.

Only what surely breaks is an error. What a run would mend by itself is none at all.
"""

from kubeception.preflight.checks import look, require
from kubeception.preflight.finding import Finding, Severity

__all__ = ["Finding", "Severity", "look", "require"]
