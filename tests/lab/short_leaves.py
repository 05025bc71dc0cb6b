"""Run on a host, with kubeception's own modules: leave every leaf so many seconds to live.

The kubelet gets one of those that it fetches itself as well. Prints when the last of them ends.
"""

import sys
from dataclasses import replace
from datetime import timedelta

from kubeception.cli.options import loaded
from kubeception.gather import gather
from kubeception.host import files
from kubeception.layout import Pair
from kubeception.phases import renew
from kubeception.pki import catalog, issue
from kubeception.reach import Reach


def shorten(reach: Reach, lifetime: timedelta) -> None:
    """Issue all of them anew, for the keys that are there."""
    facts, now = gather(reach), reach.host.clock.now()
    for entry, ca in catalog.leaves(reach.config, facts.host.node, facts.host.address):
        key = reach.host.at(entry.at.key).read_bytes()
        spec = replace(entry.spec, lifetime=lifetime)
        made = issue.certificate(spec, key, signer=signer(reach, ca), now=now)
        files.write(reach.host.at(entry.at.certificate), made)
    own = renew.kubelets_own(reach.config, facts)
    key = issue.new_key(own.algorithm)
    spec = replace(own.spec, lifetime=lifetime)
    made = issue.certificate(spec, key, signer=signer(reach, own.ca), now=now)
    dated = own.current.with_name("kubelet-client-2026-01-01-00-00-00.pem")
    files.write(reach.host.at(dated), made + key, mode=0o600)
    files.link(reach.host.at(own.current), dated)
    print(int((now + lifetime).timestamp()), flush=True)


def signer(reach: Reach, ca: Pair) -> issue.Signer:
    """Return a CA of the host's."""
    return issue.Signer(
        reach.host.at(ca.certificate).read_bytes(), reach.host.at(ca.key).read_bytes()
    )


if __name__ == "__main__":
    with Reach(loaded()) as at_hand:
        shorten(at_hand, timedelta(seconds=int(sys.argv[1])))
