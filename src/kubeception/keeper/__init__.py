"""The host service that brings the control plane back when it cannot help itself.

A kubelet keeps no copy of the pods that an API gave it, so after a power cut nobody would start the
API server that could start the API server. The keeper does what a person would: bootstrap again.
"""
