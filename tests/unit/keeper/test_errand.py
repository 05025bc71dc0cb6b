"""What a Node sends its host to do, what there is left to do of it, and what the Node is told."""

import pytest

from kubeception.keeper.errand import Asked, Errands, Work, asked, due
from kubeception.render.cluster_upgrade import BUNDLES_NOTE, ORDER_NOTE, Errand

HAS = {BUNDLES_NOTE: "old new"}
ORDER = "upgrade-1.37.1"


def asking(errand: Errand, name: str = "new", **more: str) -> dict[str, str]:
    order = {ORDER_NOTE: ORDER} if errand is Errand.FETCH else {}
    return {**HAS, **order, errand.note: f"0a-1b/{name}", **more}


def wants(errand: Errand) -> Asked:
    """Return what that asks for."""
    return Asked("0a-1b", "new", errand, ORDER if errand is Errand.FETCH else "")


def left(
    said: dict[str, str], work: Work | None = None, answer: str = "", *, obstacle: str | None = None
) -> Errands:
    """Return what is left to do, where a unit is at this, and something may be in the way."""
    return due(said, HAS, standing=lambda _: (work, answer), obstacle=lambda _: obstacle)


def nobody(_wanted: Asked) -> tuple[Work | None, str]:
    raise AssertionError("nothing is asked for")


@pytest.mark.parametrize("errand", Errand)
@pytest.mark.parametrize(
    "said", ["", "new", "/new", "0a/", "../x/new", "0a/../new", "0a/a b", "keeper/new", "0a/new\n"]
)
def test_what_asks_for_nothing_is_no_request(errand: Errand, said: str) -> None:
    """It becomes the name of a unit, and of a file or a folder."""
    assert asked({errand.note: said, ORDER_NOTE: ORDER}) is None


@pytest.mark.parametrize(
    "order",
    [
        *("", "..", ".", "-a", "a/b", "../nodes/w2", "a%2fb", "a?b", "a#b", "a b", "A", "a\n"),
        *("https://192.0.2.1/new", "ab" * 32 + " http://192.0.2.1", "a" * 254),
    ],
)
def test_a_bundle_is_fetched_by_the_name_of_a_clusterupgrade_alone(order: str) -> None:
    """It becomes a part of the path by which the API is asked."""
    assert asked({**asking(Errand.FETCH), ORDER_NOTE: order}) is None


@pytest.mark.parametrize("order", ["a", "upgrade-x7k2p", "to-1.37.1", "a" * 253])
def test_as_the_api_has_names(order: str) -> None:
    wanted = asked({**asking(Errand.FETCH), ORDER_NOTE: order})

    assert wanted == Asked("0a-1b", "new", Errand.FETCH, order)


@pytest.mark.parametrize("errand", Errand)
def test_each_errand_has_a_unit_of_its_own(errand: Errand) -> None:
    wanted = asked(asking(errand))

    assert wanted == wants(errand)
    assert wanted.unit == f"kubeception-{errand}-0a-1b.service"


def test_a_host_says_what_it_has() -> None:
    has = tuple(HAS.items())

    assert due({}, HAS, standing=nobody, obstacle=lambda _: None) == Errands(notes=has)
    assert due(HAS, HAS, standing=nobody, obstacle=lambda _: None) == Errands()
    assert due({}, {BUNDLES_NOTE: ""}, standing=nobody, obstacle=lambda _: None) == Errands()


@pytest.mark.parametrize("errand", Errand)
@pytest.mark.parametrize("work", Work)
def test_what_is_asked_for_is_done_and_waited_for(errand: Errand, work: Work) -> None:
    assert left(asking(errand), work) == Errands(wants(errand), work)


@pytest.mark.parametrize("errand", Errand)
@pytest.mark.parametrize("answer", ["0a-1b/new", "0a-1b/new: it broke"])
def test_its_end_is_told_once(errand: Errand, answer: str) -> None:
    wanted = wants(errand)

    told = left(asking(errand), None, answer)

    assert told == Errands(wanted, notes=((errand.answer, answer),))
    after = {**asking(errand), errand.answer: answer}
    assert due(after, HAS, standing=nobody, obstacle=lambda _: "gone") == Errands(wanted)


def test_what_can_not_be_done_yet_is_waited_for() -> None:
    assert left(asking(Errand.RELEASE), Work.DUE, obstacle="") == Errands(Asked("0a-1b", "new"))


@pytest.mark.parametrize("errand", Errand)
@pytest.mark.parametrize("before", ["0a-1c/new", "0a-1b/older", "0a-1b/new2"])
def test_what_was_told_of_another_is_no_answer(errand: Errand, before: str) -> None:
    said = {**asking(errand), errand.answer: before}

    assert left(said, Work.DUE) == Errands(wants(errand), Work.DUE)


@pytest.mark.parametrize("errand", Errand)
def test_what_can_not_be_done_is_told_at_once(errand: Errand) -> None:
    told = left(asking(errand), Work.DUE, obstacle="there is none")

    assert told.work is None
    assert told.notes == ((errand.answer, "0a-1b/new: there is none"),)


@pytest.mark.parametrize("errand", Errand)
def test_what_is_in_the_way_by_now_is_nothing_to_what_has_begun(errand: Errand) -> None:
    wanted = wants(errand)

    assert left(asking(errand), Work.RUNNING, obstacle="gone") == Errands(wanted, Work.RUNNING)
    told = left(asking(errand), None, str(wanted), obstacle="gone")
    assert told.notes == ((errand.answer, "0a-1b/new"),)
