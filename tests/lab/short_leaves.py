"""Run on a host, with kubeception's own modules: leave every leaf so many seconds to live.

The kubelet gets one of those that it fetches itself as well. A second argument says in how many
seconds they begin to hold. Prints when the last of them ends.
"""

import sys
from dataclasses import replace
from datetime import timedelta

from kubeception.cli.options import loaded
from kubeception.gather import gather
from kubeception.host import files
from kubeception.layout import Pair
from kubeception.phases import pki, renew
from kubeception.pki import catalog, issue
from kubeception.session import Session


def shorten(session: Session, lifetime: timedelta, ahead: timedelta) -> None:
    """Issue all of them anew, for the keys that are there."""
    facts, now = gather(session), session.host.clock.now() + ahead
    for entry, ca in catalog.leaves(session.config, facts.host.node, facts.host.address):
        key = session.host.at(entry.at.key).read_bytes()
        spec = replace(entry.spec, lifetime=lifetime)
        made = issue.certificate(spec, key, signer=signer(session, ca), now=now)
        files.write(session.host.at(entry.at.certificate), made)
    for copies in pki.copies(facts):
        copies.apply(session)
    own = renew.kubelets_own(session.config, facts)
    key = issue.new_key(own.algorithm)
    spec = replace(own.spec, lifetime=lifetime)
    made = issue.certificate(spec, key, signer=signer(session, own.ca), now=now)
    dated = own.current.with_name("kubelet-client-2026-01-01-00-00-00.pem")
    files.write(session.host.at(dated), made + key, mode=0o600)
    files.link(session.host.at(own.current), dated)
    print(int((now + lifetime).timestamp()), flush=True)


def signer(session: Session, ca: Pair) -> issue.Signer:
    """Return a CA of the host's."""
    return issue.Signer(
        session.host.at(ca.certificate).read_bytes(), session.host.at(ca.key).read_bytes()
    )


if __name__ == "__main__":
    with Session(loaded()) as at_hand:
        shorten(at_hand, *(timedelta(seconds=int(it)) for it in (*sys.argv[1:], "0")[:2]))
