"""`python -m kubeception`."""

from kubeception.cli import main

main()
