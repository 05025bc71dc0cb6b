"""What flannel has told the plugins of a host."""

from tests.fixed import CLUSTER

from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.layout import Layout
from kubeception.render import flannel

SETTINGS = Layout.cni.settings / flannel.PLUGIN
SUBNET = (
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\n"
    "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
)


def tell(host: Host) -> None:
    """Have it be there, and whole."""
    files.write(host.at(flannel.SUBNET), SUBNET)
    of_cluster = {one["kind"]: one for one in flannel.everything(CLUSTER)}
    files.write(host.at(SETTINGS), of_cluster["ConfigMap"]["data"][flannel.PLUGIN])
