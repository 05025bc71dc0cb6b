"""`make recovery`: how the control plane gets over each fault; its figures go to docs/recovery.md.

The faults and how they are watched are those of tests/lab.
"""
