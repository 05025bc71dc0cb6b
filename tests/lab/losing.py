"""Ways to lose what a cluster lives on, or to find another one's in its place; and the way back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.cluster import kubectl, until

from kubeception.config import Config
from kubeception.facts import Accept
from kubeception.lab import Host

AT = Config().layout
DATA = AT.etcd.data
PKI = AT.pki
AWAY = Path("/root/away")

# A second cluster's data and keys are made on the host itself, by the programs that make the first.
_OTHER_ETCD = f"""
rm -rf /root/other && mkdir /root/other
etcd --name other --data-dir /root/other/data --initial-cluster-token other \\
  --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 \\
  --listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 \\
  --initial-cluster other=http://127.0.0.1:12380 >/dev/null 2>&1 &
until curl -fs http://127.0.0.1:12379/readyz >/dev/null; do sleep 0.1; done
kill %1; wait
mv {DATA} {AWAY} && mv /root/other/data {DATA}
"""
_OTHER_CA = """
cp -a {0} {1}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \\
  -subj /CN=kubernetes -keyout {0}/ca.key -out {0}/ca.crt 2>/dev/null
"""


@dataclass(frozen=True)
class Lost:
    """A loss: how it comes about while etcd is off (or on), what is named, and how it is mended."""

    name: str
    inject: str
    named: Path
    words: str
    accepted_as: Accept | None
    mend: str
    is_of_etcd: bool = True


def table() -> list[Lost]:
    """Return every way."""
    # In place: pods that run have the folder itself mounted.
    pki_back = f"cp -a {AWAY}/. {PKI.folder}/ && rm -rf {AWAY}"
    keep_pki = f"cp -a {PKI.folder} {AWAY}"
    sa, pub = PKI.service_account_key, PKI.service_account_public
    new_key = f"openssl ecparam -name prime256v1 -genkey -noout -out {sa}"
    return [
        Lost(
            "etcd's folder emptied",
            f"mv {DATA} {AWAY} && mkdir {DATA}",
            DATA,
            "there are no data of etcd's",
            Accept.EMPTY_ETCD,
            f"rm -rf {DATA} && mv {AWAY} {DATA}",
        ),
        Lost(
            "an empty disk mounted over it",
            f"mount -t tmpfs tmpfs {AT.etcd.state}",
            DATA,
            "there are no data of etcd's",
            Accept.EMPTY_ETCD,
            f"umount {AT.etcd.state}",
        ),
        Lost(
            "its log gone and its database there",
            f"mv {DATA}/member/wal {AWAY}",
            DATA,
            "there are no data of etcd's",
            Accept.EMPTY_ETCD,
            f"rm -rf {DATA}/member/wal; mv {AWAY} {DATA}/member/wal",
        ),
        Lost(
            "another cluster's data in its place",
            _OTHER_ETCD,
            DATA,
            "these data are of etcd cluster",
            Accept.OTHER_ETCD,
            f"rm -rf {DATA} && mv {AWAY} {DATA}",
        ),
        Lost(
            "the record and the data gone",
            f"mkdir {AWAY} && mv {DATA} {AWAY}/data && mv {AT.member} {AWAY}/member.json",
            DATA,
            "there are no data of etcd's",
            Accept.EMPTY_ETCD,
            f"rm -rf {DATA}; mv {AWAY}/data {DATA}; mv {AWAY}/member.json {AT.member}; "
            f"rmdir {AWAY}",
        ),
        Lost(
            "the record emptied and the data gone",
            f"mv {DATA} {AWAY}; cp {AT.member} /root/member.json; : > {AT.member}",
            DATA,
            "there are no data of etcd's",
            Accept.EMPTY_ETCD,
            f"rm -rf {DATA}; mv {AWAY} {DATA}; mv /root/member.json {AT.member}",
        ),
        Lost(
            "sa.key replaced by another valid key",
            f"{keep_pki} && {new_key}",
            sa,
            f"is another key than that of {pub}",
            Accept.OTHER_SERVICE_ACCOUNT_KEY,
            pki_back,
            is_of_etcd=False,
        ),
        Lost(
            "both halves of it replaced",
            f"{keep_pki} && {new_key} && openssl ec -in {sa} -pubout -out {pub} 2>/dev/null",
            sa,
            f"is another key than that of {AT.member}",
            Accept.OTHER_SERVICE_ACCOUNT_KEY,
            pki_back,
            is_of_etcd=False,
        ),
        Lost(
            "both halves of it gone",
            f"{keep_pki} && rm {sa} {pub}",
            sa,
            f"is missing, while {AT.member} knows of it",
            Accept.NEW_SERVICE_ACCOUNT_KEY,
            pki_back,
            is_of_etcd=False,
        ),
        Lost(
            "a CA and its key gone",
            f"{keep_pki} && rm {PKI.ca.certificate} {PKI.ca.key}",
            PKI.ca.key,
            "is gone, and this host had it",
            Accept.NEW_CA,
            pki_back,
            is_of_etcd=False,
        ),
        Lost(
            "another CA in its place",
            _OTHER_CA.format(PKI.folder, AWAY),
            PKI.ca.certificate,
            f"is not the CA that this host had: {AT.member}",
            Accept.OTHER_CA,
            pki_back,
            is_of_etcd=False,
        ),
        Lost(
            "the key of another CA beside its certificate",
            f"{keep_pki} && cp {PKI.etcd_ca.key} {PKI.front_proxy_ca.key}",
            PKI.front_proxy_ca.certificate,
            f"does not belong to its key, {PKI.front_proxy_ca.key}",
            None,
            pki_back,
            is_of_etcd=False,
        ),
        Lost(
            "the whole folder of keys gone",
            f"{keep_pki} && find {PKI.folder} -type f -delete",
            PKI.ca.key,
            "is gone, and this host had it",
            Accept.NEW_CA,
            pki_back,
            is_of_etcd=False,
        ),
    ]


def run(host: Host, script: str) -> None:
    """Run a shell script on a host."""
    host.run("bash", "-ec", script, timeout_s=60)


def authorities(host: Host) -> str:
    """Return what identifies every CA and the ServiceAccount key that the host has."""
    names = " ".join(f"'{path}'" for path in _keys())
    return host.run("sh", "-c", f"sha256sum {names} 2>/dev/null || true").stdout


def _keys() -> list[Path]:
    cas = (PKI.ca, PKI.etcd_ca, PKI.front_proxy_ca, PKI.join_ca, PKI.kubelet_serving_ca)
    return [path for ca in cas for path in (ca.certificate, ca.key)] + [PKI.service_account_key]


def lose(host: Host, accepted: Accept) -> None:
    """Lose what a person can accept to have lost, in the first way there is, with no way back."""
    run(host, f"rm -rf {AWAY}")
    if accepted is Accept.OLDER_ETCD:
        older_copy(host)
        return
    lost = next(one for one in table() if one.accepted_as is accepted)
    with standing_back(host):
        if lost.is_of_etcd:
            host.run("systemctl", "stop", "etcd")
        run(host, lost.inject)


@contextmanager
def standing_back(host: Host) -> Iterator[None]:
    """Have the keeper stand back for the length of the block: it would start etcd at once."""
    host.run("kubeception", "keeper", "pause")
    yield
    host.run("kubeception", "keeper", "resume")


def older_copy(host: Host) -> Callable[[], None]:
    """Put an older copy of etcd's data in their place, and return the way back."""
    with standing_back(host):
        host.run("systemctl", "stop", "etcd")
        run(host, f"rm -rf {AWAY} && cp -a {DATA} {AWAY}")
        host.run("systemctl", "start", "etcd")
        until(lambda: host.run("kubectl", "get", "ns", check=False).code == 0, timeout_s=60)
        later = [f"written-later-{number}" for number in range(20)]
        kubectl(host, "delete", "configmap", "--ignore-not-found", *later)
        for name in later:
            kubectl(host, "create", "configmap", name)
        host.run("systemctl", "stop", "etcd")
        run(host, f"rm -rf {DATA}.newer && mv {DATA} {DATA}.newer && mv {AWAY} {DATA}")
    return lambda: run(host, f"rm -rf {DATA} && mv {DATA}.newer {DATA}")
