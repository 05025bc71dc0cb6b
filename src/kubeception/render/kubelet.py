"""The kubelet's settings, environment file and, where the host has none, its unit."""

import re
from ipaddress import ip_address
from pathlib import Path

from kubeception.config import Config
from kubeception.endpoints import Address
from kubeception.facts import HostFacts
from kubeception.layout import OUR_MARK
from kubeception.render import objects
from kubeception.render.units import UNSET_PROXY

UNIT = "kubelet.service"
# As distributions call what their units add to its command.
ARGUMENTS = "KUBELET_ARGS"


def settings(config: Config, host: HostFacts) -> str:
    """Return the text of its settings."""
    return OUR_MARK + objects.document(configuration(config, host))


def worker_settings(config: Config, host: HostFacts) -> str:
    """Return the text of a worker's settings."""
    return OUR_MARK + objects.document(worker_configuration(config, host))


def configuration(config: Config, host: HostFacts) -> objects.Object:
    """Return a control-plane host's KubeletConfiguration (kubelet.config.k8s.io/v1beta1)."""
    at = config.layout
    return {
        **_common(config, host),
        # A control-plane container that crashed is wanted back at once, not in minutes; one second
        # is the least that Kubernetes allows (KEP-4603).
        "crashLoopBackOff": {"maxContainerRestartPeriod": "2s"},
        # Graceful node shutdown would mark the control plane's pods Failed, for good.
        "shutdownGracePeriod": "0s",
        "staticPodPath": str(at.kubelet.manifests),
        "tlsCertFile": str(at.pki.kubelet_server.certificate),
        "tlsPrivateKeyFile": str(at.pki.kubelet_server.key),
    }


def worker_configuration(config: Config, host: HostFacts) -> objects.Object:
    """Return a worker's KubeletConfiguration: it has no static pods, and asks for certificates."""
    return {
        **_common(config, host),
        "serverTLSBootstrap": True,
    }


def _common(config: Config, host: HostFacts) -> objects.Object:
    at = config.layout
    wanted: objects.Object = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(at.pki.ca.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd" if host.cgroup_version == 2 else "cgroupfs",
        "clusterDNS": [str(config.net.dns_ip)],
        "clusterDomain": config.net.cluster_domain,
        "containerRuntimeEndpoint": f"unix://{at.containerd.socket}",
        "failSwapOn": False,
        "resolvConf": host.resolv_conf,
        "rotateCertificates": True,
    }
    if host.cgroup_version == 1:
        wanted["failCgroupV1"] = False
    if not host.has_sys_resource:
        wanted["oomScoreAdj"] = 0
    return wanted


def environment(config: Config, host: HostFacts) -> str:
    """Return the flags that its settings have no place for."""
    at = config.layout
    flags = {
        "config": str(at.kubelet.settings),
        "hostname-override": host.node,
        "kubeconfig": str(at.kubernetes.kubelet),
        "node-ip": str(host.address),
        **config.kubelet.extra_args,
    }
    return f'{OUR_MARK}{ARGUMENTS}="{" ".join(objects.flags(flags))}"\n'


def address_in(environment: str) -> Address | None:
    """Return the address that a host goes by, read from the text of its environment file."""
    found = re.search(r"--node-ip=([\d.]+)", environment)
    return ip_address(found[1]) if found else None


def resolver_in(settings: str) -> Path | None:
    """Return the resolver file that a kubelet gives to pods, read from the text of its settings."""
    found = re.search(r'"resolvConf": "([^"]+)"', settings)
    return Path(found[1]) if found else None


def unit(config: Config) -> str:
    """Return the unit."""
    return f"""{OUR_MARK}
[Unit]
Description=kubelet
Documentation=https://kubernetes.io/docs/
After=network-online.target containerd.service
Wants=network-online.target
RequiresMountsFor={config.layout.kubelet.state} {config.layout.pki.folder}
StartLimitIntervalSec=0

[Service]
EnvironmentFile={config.layout.kubelet.environment}
ExecStart={config.layout.launchers}/kubelet ${ARGUMENTS}
Restart=always
RestartSec=1
UnsetEnvironment={UNSET_PROXY}
KillMode=process
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""
