"""A nonce is good once, for a while, and only the last one."""

from kubeception.join.nonce import Nonce, is_same


def test_it_is_good_once() -> None:
    nonce = Nonce()
    given = nonce.renew()

    assert is_same(nonce.take(), given)
    assert not is_same(nonce.take(), given)


def test_only_the_last_one_counts() -> None:
    nonce = Nonce()
    before, given = nonce.renew(), nonce.renew()

    assert before != given
    assert nonce.take() == given


def test_it_ends_after_ten_seconds() -> None:
    now = [100.0]
    nonce = Nonce(clock=lambda: now[0])
    given = nonce.renew()
    now[0] += 9.9
    assert nonce.take() == given
    given = nonce.renew()
    now[0] += 10.0

    assert not is_same(nonce.take(), given)


def test_none_is_like_no_other() -> None:
    assert not is_same("", "")
