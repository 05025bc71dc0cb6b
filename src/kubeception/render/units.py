"""What units of ours have in common."""

from kubeception.layout import IMAGE_ENVIRONMENT, PYTHON_VARIABLES

# A proxy that a host has for all its units is for what the runtime pulls: nobody in a cluster asks
# another one of it by a proxy, and none leads there.
UNSET_PROXY = "HTTP_PROXY HTTPS_PROXY http_proxy https_proxy"
# Where nothing starts our program but systemd; a host with Python has a launcher that does it.
UNSET_PYTHON = " ".join(name for name in PYTHON_VARIABLES if name not in IMAGE_ENVIRONMENT)
