"""What "ready" means, each named once; phases, `status` and tests wait on the same ones."""

from kubeception.conditions.condition import INTERVAL_S as INTERVAL_S
from kubeception.conditions.condition import Condition as Condition
from kubeception.conditions.condition import all_of as all_of
from kubeception.conditions.condition import current_problem as current_problem
from kubeception.conditions.condition import wait_for as wait_for
from kubeception.conditions.leases import LEASES as LEASES
from kubeception.conditions.leases import dead_holder as dead_holder
from kubeception.conditions.leases import lease_held as lease_held
from kubeception.conditions.leases import somebody_leads as somebody_leads
from kubeception.conditions.nodes import absences as absences
from kubeception.conditions.nodes import node_ready as node_ready
from kubeception.conditions.nodes import node_ready_anew as node_ready_anew
from kubeception.conditions.nodes import node_registered as node_registered
from kubeception.conditions.services import CRASHES as CRASHES
from kubeception.conditions.services import apiserver_ready as apiserver_ready
from kubeception.conditions.services import door_leads_to as door_leads_to
from kubeception.conditions.services import etcd_has_room as etcd_has_room
from kubeception.conditions.services import etcd_serves as etcd_serves
from kubeception.conditions.services import unit_active as unit_active
from kubeception.conditions.services import unless_it_crashes as unless_it_crashes
from kubeception.conditions.workloads import namespace_there as namespace_there
from kubeception.conditions.workloads import pod_gone as pod_gone
from kubeception.conditions.workloads import pod_serves as pod_serves
from kubeception.conditions.workloads import pods_run as pods_run
from kubeception.conditions.workloads import rolled_out as rolled_out
