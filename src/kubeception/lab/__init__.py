"""Real systemd hosts on one machine, to try kubeception on and to test it.

What a cluster is made of does not belong here: a lab only gives hosts, and runs on them the very
commands that a real host gets.
"""

from kubeception.lab.host import Host
from kubeception.lab.lab import Lab

__all__ = ["Host", "Lab"]
