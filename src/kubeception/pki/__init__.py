"""Certificates and keys: the table of all of them, and how they are issued; touches no file."""
