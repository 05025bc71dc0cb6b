"""A revision of the hosted API server as the API has it, with whatever somebody edited in it.

The port is ours alone: a revision is the same on either port, and everything else is kept as it is,
also in the form in which a kubelet starts it without any API.
"""

import copy
from collections.abc import Iterator
from typing import Any

from kubeception.config.flags import named
from kubeception.endpoints import BOOTSTRAP_PORT
from kubeception.facts import Facts
from kubeception.render import apiserver, objects, pod_folder
from kubeception.render.pod_folder import PodFolder

_PORT = "secure-port"
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
# A kubelet alone can start a pod with these, for they name no object of the API.
_LOCAL_VOLUMES = {"hostPath", "emptyDir", "downwardAPI", "image", "name"}
_API_SOURCES = {"configMapKeyRef", "secretKeyRef", "configMapRef", "secretRef"}


def port_of(template: objects.Object) -> int:
    """Return the port of a pod template, 0 where it says none."""
    found = _value(template, _PORT)
    return int(found) if found and found.isdecimal() else 0


def at_port(template: objects.Object, port: int) -> objects.Object:
    """Return the template on another port, which its flag, its probes and its note say."""
    moved = copy.deepcopy(template)
    notes = moved.setdefault("metadata", {}).setdefault("annotations", {})
    notes[apiserver.PORT_NOTE] = str(port)
    _move(moved["spec"], port)
    return moved


def identity(template: objects.Object) -> str:
    """Return what tells one revision from another, on whichever port it is."""
    same = at_port(template, 0)
    same["metadata"].pop("creationTimestamp", None)
    return objects.digest(same)


def needs_an_api(template: objects.Object) -> str | None:
    """Say why a kubelet alone could not start it, or None."""
    for volume in template["spec"].get("volumes", []):
        if strange := set(volume) - _LOCAL_VOLUMES:
            return f"its volume {volume['name']} is a {min(strange)}"
    for container in _containers(template["spec"]):
        for variable in [*container.get("env", []), *container.get("envFrom", [])]:
            if _API_SOURCES & {*variable, *variable.get("valueFrom", {})}:
                return f"a variable of {container['name']} comes from the API"
    return None


def image_of(template: objects.Object) -> str:
    """Return the API server's image."""
    found: str = _server(template["spec"])["image"]
    return found


def folder(facts: Facts) -> PodFolder:
    """Return which files the API server gets copies of; also what somebody's edit of it names."""
    settings, proven = facts.cluster.settings, facts.host.proven
    words = _words(_server(proven.template["spec"])) if proven else ()
    said = dict(word.removeprefix("--").partition("=")[::2] for _, word in words)
    edited = (path for _, path in named("apiserver", said) if pod_folder.is_key(path, settings))
    return apiserver.folder(settings, edited)


def bootstrap_pod(facts: Facts) -> objects.Object:
    """Return the bootstrap API server: the proven one, else the one that is to be hosted.

    It differs in its port, in its address, and in that nobody else's admission binds it.
    """
    template = dict(facts.host.proven.template) if facts.host.proven else _rendered(facts)
    spec = copy.deepcopy(template["spec"])
    for only_hosted in ("nodeSelector", "affinity", "readinessGates", "serviceAccountName"):
        spec.pop(only_hosted, None)
    spec["automountServiceAccountToken"] = False
    spec["terminationGracePeriodSeconds"] = apiserver.BOOTSTRAP_GRACE_S
    _move(spec, BOOTSTRAP_PORT)
    server = _server(spec)
    flags = apiserver.bootstrap_flags(facts.host)
    refused = flags[apiserver.DISABLED].split(",")
    kept = (_value(template, apiserver.DISABLED) or "").split(",")
    flags[apiserver.DISABLED] = ",".join(sorted({*refused, *kept} - {""}))
    # A plug-in that is both enabled and disabled is an error.
    if asked := _value(template, apiserver.ENABLED):
        flags[apiserver.ENABLED] = ",".join(p for p in asked.split(",") if p not in refused)
    for name, value in flags.items():
        _set(server, name, value)
    labels = {"component": apiserver.BOOTSTRAP_NAME}
    return objects.static_pod(apiserver.BOOTSTRAP_NAME, labels, spec)


def _rendered(facts: Facts) -> objects.Object:
    template: objects.Object = apiserver.daemonset(facts.cluster)["spec"]["template"]
    return template


def _move(spec: objects.Object, port: int) -> None:
    server = _server(spec)
    _set(server, _PORT, str(port))
    for name in _PROBES:
        for kind in ("httpGet", "tcpSocket"):
            if kind in server.get(name, {}):
                server[name][kind]["port"] = port


def _server(spec: objects.Object) -> objects.Object:
    containers: list[objects.Object] = spec["containers"]
    return next((one for one in containers if one["name"] == apiserver.NAME), containers[0])


def _containers(spec: objects.Object) -> Iterator[objects.Object]:
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def _value(template: objects.Object, flag: str) -> str | None:
    """Return what a flag says last, as the program would take it."""
    found = None
    for _, word in _words(_server(template["spec"])):
        if word.startswith(f"--{flag}="):
            found = word.partition("=")[2]
    return found


def _set(server: objects.Object, flag: str, value: str) -> None:
    """Give a flag one value, at the place where it is said."""
    text = f"--{flag}={value}"
    places = [place for place, word in _words(server) if word.startswith(f"--{flag}=")]
    if not places:
        server.setdefault("command", [apiserver.NAME]).append(text)
    for key, index in places:
        server[key][index] = text


def _words(server: objects.Object) -> Iterator[tuple[tuple[str, int], Any]]:
    for key in ("command", "args"):
        for index, word in enumerate(server.get(key) or []):
            yield (key, index), word
