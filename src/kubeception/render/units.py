"""What units of ours have in common."""

# A proxy that a host has for all its units is for what the runtime pulls: nobody in a cluster asks
# another one of it by a proxy, and none leads there.
UNSET_PROXY = "HTTP_PROXY HTTPS_PROXY http_proxy https_proxy"
