"""Statuses of a host as tests show them, written out."""

from dataclasses import replace

from kubeception.admin.status import CheckResult, FirstToExpire, Revisions, Status, Versions

REFUSED = "port 6443: [Errno 111] Connection refused"

CHECKS = (
    CheckResult("host", "etcd.service to run", None),
    CheckResult("host", "kubelet.service to run", None),
    CheckResult("certificates", "every certificate to be valid", None),
    CheckResult("door", "the door to lead to port 6445", None),
    CheckResult("Leases", "Lease kube-controller-manager to be held", None),
    CheckResult("Leases", "Lease kube-scheduler to be held", None),
    CheckResult("cluster", "DaemonSet kube-apiserver to be ready", None),
    CheckResult("cluster", "node cp1 to be Ready", None),
)
HEALTHY = Status(
    node="cp1",
    address="192.0.2.10",
    door=6445,
    keeper="nothing: all is well, since 2026-03-01T11:58:02Z",
    versions=Versions("1.2.3", "1.2.3", "3.4.5", "2.3.4", kubeception="0.0"),
    certificates=FirstToExpire("/etc/kubernetes/pki/apiserver.crt", "2027-03-01T12:00:00Z", 365),
    revisions=Revisions("6952725361f2b823", "2026-02-01T09:00:00Z"),
    opened=(),
    checks=CHECKS,
)
BROKEN = replace(
    HEALTHY,
    door=0,
    keeper="wait: no API answers, since 2026-03-01T12:00:00Z",
    versions=Versions(None, None, "3.4.5", None, kubeception="0.0"),
    certificates=replace(HEALTHY.certificates, days=17),
    revisions=replace(
        HEALTHY.revisions,
        put_back="67f2591cab19b814",
        put_back_since="2026-03-01T11:00:00Z",
        because="revision 67f2591cab19b814: it has restarted 3 times",
    ),
    opened=("ValidatingWebhookConfiguration policy",),
    checks=tuple(
        replace(check, problem=REFUSED) if check.group in {"Leases", "cluster"} else check
        for check in CHECKS
    ),
)
