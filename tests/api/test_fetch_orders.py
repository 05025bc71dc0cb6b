"""From where a host fetches a bundle: who may say so, and whom the host believes.

Tried as somebody who has the controller's token, or a worker's kubelet's, against a real API.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.api.rig import Rig
from tests.api.rights import error_of
from tests.api.test_policies import connected, kubelet, with_token

from kubeception.errors import ApiError, KubeceptionError
from kubeception.gather import node_name
from kubeception.keeper import errand, fetch
from kubeception.keeper.errand import Asked
from kubeception.kube.client import Api, Object, TokenFile
from kubeception.kube.kinds import RBAC
from kubeception.render import cluster_controller, cluster_upgrade, flannel, objects, own_pod, proxy
from kubeception.render.cluster_upgrade import (
    GROUP,
    KIND,
    ORDER_NOTE,
    PLURAL,
    READERS,
    Errand,
    Order,
    of_order,
)
from kubeception.session import Session
from kubeception.source import Source

OLD, NEW, OTHER = "1.36.4-0123", "1.37.1-0123", "1.37.2-0123"
SOURCE = Source("http://192.0.2.1/new", "ab" * 32)
EVIL = Source("http://192.0.2.66/evil", "66" * 32)
OWN = "kubeception-upgrade-sources"
SAID = "only administrators say which bundle hosts fetch"
FORBIDDEN, INVALID = 403, 422
PEOPLES = "people"
# As whoever gives all these away by mistake: by RBAC nobody of ours has more than some of them.
WIDE = "fetch-orders-wide"


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> None:
    """All that bootstrap applies, and a namespace of people's."""
    rig.apply_everything()
    with rig.session() as session:
        session.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PEOPLES}})
        rig.until(
            "its account",
            lambda: session.api.get("ServiceAccount", "default", namespace=PEOPLES) is not None,
        )
        rig.until("the kind to be served", lambda: _is_served(session.api))


def _is_served(api: Api) -> bool:
    try:
        api.list(KIND)
    except ApiError:
        return False
    return True


@pytest.fixture(autouse=True)
def clean(session: Session) -> Iterator[None]:
    yield
    for kind in (KIND, "Node"):
        for one in session.api.list(kind):
            session.api.delete(kind, one["metadata"]["name"])


@pytest.fixture
def controllers(rig: Rig, tmp_path: Path) -> Iterator[Api]:
    """The API with the controller's own token."""
    yield from with_token(rig, tmp_path, cluster_controller.NAME)


@pytest.fixture
def widely(rig: Rig, session: Session) -> Iterator[None]:
    """Everybody in the cluster may do anything to ClusterUpgrades, by RBAC."""
    role = objects.cluster_role(WIDE, [objects.rule(GROUP, PLURAL, "*")])
    made = [role]
    for group in ("system:serviceaccounts", "system:nodes"):
        subject = {"apiGroup": RBAC, "kind": "Group", "name": group}
        name = f"{WIDE}-{group.removeprefix('system:')}"
        made.append(objects.cluster_role_binding(name, role=WIDE, subject=subject))
    for one in made:
        session.api.apply(one)
    yield
    for one in reversed(made):
        session.api.delete(one["kind"], one["metadata"]["name"])


def an_order(session: Session, name: str = "to-new", **more: Any) -> Object:
    """Have a person ask for a release, and from where; return the object."""
    wanted = {"nodes": (node_name(session),), "release": NEW, "source": SOURCE, **more}
    return session.api.create(named(Order(**wanted), name))


def named(order: Order, name: str) -> Object:
    return {**of_order(order), "metadata": {"name": name}}


def asked_by(api: Api, node: str, *, run: str, order: str, release: str = NEW) -> Asked | None:
    """Write on a Node what the controller does, and more; return what a keeper reads there."""
    notes = {Errand.FETCH.note: f"{run}/{release}", ORDER_NOTE: order}
    found = api.merge("Node", node, {"metadata": {"annotations": notes}})
    return errand.asked(found["metadata"]["annotations"])


def told(session: Session, wanted: Asked) -> str:
    """Return why this host fetches nothing, as it says and as it does."""
    why = fetch.obstacle(session, wanted)
    assert why is not None
    with pytest.raises(KubeceptionError) as caught:
        list(fetch.commands(session, wanted))
    assert why in caught.value.message
    return why


@pytest.fixture
def node(session: Session) -> str:
    """The Node of this host."""
    name = node_name(session)
    session.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    return name


def refusal(call: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value


def test_a_host_fetches_what_its_order_says(session: Session, controllers: Api, node: str) -> None:
    made = an_order(session)
    wanted = asked_by(controllers, node, run=made["metadata"]["uid"], order="to-new")
    assert wanted

    assert fetch.obstacle(session, wanted) is None
    [command] = fetch.commands(session, wanted)
    assert command[1:] == ("bundle", "fetch", SOURCE.url, "--sha256", SOURCE.sha256)


def test_the_controller_makes_no_order_with_a_source(controllers: Api, session: Session) -> None:
    error = refusal(lambda: controllers.create(named(Order(release=NEW, source=EVIL), "mine")))

    assert (error.status, SAID in error.message, OWN in error.message) == (INVALID, True, True)
    controllers.create(named(Order(release=NEW), "mine"))  # as the way back is


@pytest.mark.parametrize("has_source", [False, True])
def test_nor_gives_it_one_that_is_there(
    controllers: Api, session: Session, *, has_source: bool
) -> None:
    made = an_order(session, source=SOURCE if has_source else None)
    evil = {"url": EVIL.url, "sha256": EVIL.sha256}

    refused = refusal(lambda: controllers.set_fields(made, {"/spec/source": evil}))
    assert refused.status == FORBIDDEN
    # What it may write, the status, takes nothing else along.
    both = {"/spec/source": evil, "/status": {"phase": "Running"}}
    found = controllers.set_fields(made, both, status=True)
    assert found["status"] == {"phase": "Running"}
    assert cluster_upgrade.source_of(found) == (SOURCE if has_source else None)


@pytest.mark.usefixtures("widely")
@pytest.mark.parametrize(
    "who", [cluster_controller.NAME, own_pod.COMPONENT, flannel.ACCOUNT, proxy.NAME, "w1"]
)
def test_nobody_of_the_clusters_own_names_a_source_whatever_rbac_gives_him(
    rig: Rig, session: Session, tmp_path: Path, who: str
) -> None:
    with ExitStack() as stack:
        if who == "w1":
            api = stack.enter_context(closing(kubelet(rig, tmp_path, who)))
        else:
            token = rig.kubectl("-n", objects.NAMESPACE, "create", "token", who).stdout
            (tmp_path / "token").write_text(token)
            own = connected(rig, TokenFile(tmp_path / "token"))
            api = stack.enter_context(closing(own))
        rig.until("its right to count", lambda: _may(api, session))
        theirs = an_order(session)

        made = refusal(lambda: api.create(named(Order(release=NEW, source=EVIL), "mine")))
        assert (made.status, SAID in made.message) == (INVALID, True)
        evil = {"/spec/source/sha256": EVIL.sha256}
        assert refusal(lambda: api.set_fields(theirs, evil)).status == INVALID
        plain = api.create(named(Order(release=NEW), "plain"))
        added = {"/spec/source": {"url": EVIL.url, "sha256": EVIL.sha256}}
        assert refusal(lambda: api.set_fields(plain, added)).status == INVALID
        # All else of it is as RBAC has it.
        api.set_fields(theirs, {"/spec/paused": True})
        api.delete(KIND, "to-new")
        again = refusal(lambda: api.create(named(Order(release=NEW, source=SOURCE), "to-new")))
        assert (again.status, SAID in again.message) == (INVALID, True)


def _may(api: Api, session: Session) -> bool:
    try:
        api.create(named(Order(release=OLD), "tried"))
    except ApiError as error:
        if error.status != FORBIDDEN:
            raise
        return False
    session.api.delete(KIND, "tried")
    return True


@pytest.mark.usefixtures("widely")
def test_who_is_not_of_the_clusters_own_may_where_rbac_gives_it(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    token = rig.kubectl("-n", PEOPLES, "create", "token", "default").stdout
    (tmp_path / "token").write_text(token)
    with closing(connected(rig, TokenFile(tmp_path / "token"))) as api:
        rig.until("its right to count", lambda: _may(api, session))
        api.create(named(Order(release=NEW, source=SOURCE), "theirs"))


def _is_forbidden(call: Callable[[], object]) -> bool:
    why = error_of(call)
    return why is not None and why.status == FORBIDDEN


def test_a_kubelet_reads_an_order_by_its_name_and_makes_none(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    made = an_order(session)
    with closing(kubelet(rig, tmp_path, "w1")) as api:
        found = api.get(KIND, "to-new")
        assert found
        assert found["spec"] == made["spec"]
        plain = named(Order(release=NEW), "mine")
        listing = partial(api.list, KIND)
        rig.until("what others gave it to be gone", lambda: _is_forbidden(listing))
        for call in (
            lambda: api.list(KIND),
            lambda: api.create(plain),
            lambda: api.set_fields(made, {"/spec/paused": True}),
            lambda: api.set_fields(made, {"/status": {"phase": "Failed"}}, status=True),
            lambda: api.delete(KIND, "to-new"),
        ):
            assert refusal(call).status == FORBIDDEN


def test_what_a_node_says_of_a_source_is_not_read(
    session: Session, controllers: Api, node: str
) -> None:
    """Not even under the name that an order has."""
    made = an_order(session)
    run = made["metadata"]["uid"]
    for order in (
        *(f"{EVIL.sha256} {EVIL.url}", EVIL.url, ""),
        *("../clusterupgrades/to-new", "to-new/status", "to-new?x=y", "to-new#x", "%2e%2e", ".."),
    ):
        assert asked_by(controllers, node, run=run, order=order) is None
    for release in ("../x", "a/b", "/opt", "--root", ".."):
        wanted = asked_by(controllers, node, run=run, order="to-new", release=release)
        assert wanted is None


def test_an_order_that_was_made_in_anothers_place_is_not_believed(
    session: Session, controllers: Api, node: str
) -> None:
    run = an_order(session)["metadata"]["uid"]
    controllers.delete(KIND, "to-new")
    again = controllers.create(named(Order((node,), release=OTHER), "to-new"))
    wanted = asked_by(controllers, node, run=run, order="to-new")
    assert wanted
    assert told(session, wanted) == "ClusterUpgrade to-new is another one"

    own = asked_by(controllers, node, run=again["metadata"]["uid"], order="to-new", release=OTHER)
    assert own
    assert told(session, own) == "ClusterUpgrade to-new names no source"


@pytest.mark.parametrize(
    ("more", "release", "said"),
    [
        ({}, OTHER, f"ClusterUpgrade to-new leads to {NEW}"),
        ({"nodes": ("w9",)}, NEW, "ClusterUpgrade to-new is not for node {node}"),
        ({"source": None}, NEW, "ClusterUpgrade to-new names no source"),
        ({"release": None, "source": None}, NEW, "ClusterUpgrade to-new leads to no release"),
    ],
)
def test_anothers_order_is_none_for_this_host(
    session: Session, controllers: Api, node: str, more: Any, release: str, said: str
) -> None:
    run = an_order(session, **more)["metadata"]["uid"]
    wanted = asked_by(controllers, node, run=run, order="to-new", release=release)

    assert wanted
    assert told(session, wanted) == said.format(node=node)


def test_an_old_order_is_good_for_its_own_bundle_until_it_is_aborted_or_gone(
    session: Session, controllers: Api, node: str
) -> None:
    """All that its replay brings is what a person had asked for, onto hosts that he had named."""
    made = an_order(session)
    run = made["metadata"]["uid"]
    done = {"phase": "Succeeded"}
    made = controllers.set_fields(made, {"/status": done}, status=True)
    wanted = asked_by(controllers, node, run=run, order="to-new")
    assert wanted
    [command] = fetch.commands(session, wanted)
    assert command[3:] == (SOURCE.url, "--sha256", SOURCE.sha256)

    session.api.set_fields(made, {"/spec/aborted": True})
    assert told(session, wanted) == "ClusterUpgrade to-new was aborted"
    # What says so is no status, which the controller could take back.
    assert (
        refusal(
            lambda: controllers.set_fields(
                session.api.get(KIND, "to-new") or {}, {"/spec/aborted": False}
            )
        ).status
        == FORBIDDEN
    )
    session.api.delete(KIND, "to-new")
    assert told(session, wanted) == "there is no ClusterUpgrade to-new"


def test_an_order_for_all_nodes_is_for_this_one_too(
    session: Session, controllers: Api, node: str
) -> None:
    run = an_order(session, nodes=())["metadata"]["uid"]
    wanted = asked_by(controllers, node, run=run, order="to-new")

    assert wanted
    assert fetch.obstacle(session, wanted) is None


def test_a_host_that_may_not_read_its_order_says_so(
    rig: Rig, session: Session, controllers: Api, node: str
) -> None:
    run = an_order(session)["metadata"]["uid"]
    wanted = asked_by(controllers, node, run=run, order="to-new")
    assert wanted
    session.api.delete("ClusterRoleBinding", READERS)
    try:
        rig.until("the right to be gone", lambda: fetch.obstacle(session, wanted) is not None)
        assert str(fetch.obstacle(session, wanted)).startswith("may not read its ClusterUpgrade: ")
    finally:
        rig.apply_everything()
        rig.until("the right to count", lambda: fetch.obstacle(session, wanted) is None)
