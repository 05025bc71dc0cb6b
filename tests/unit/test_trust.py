"""What checks connections is made once, and anew where one of its files is another by now."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fixed import CONFIG, HOST

from kubeception import trust
from kubeception.config.model import KeyAlgorithm
from kubeception.pki import catalog, issue


def written(folder: Path, name: str) -> tuple[Path, Path]:
    entry = next(e for e in catalog.entries(CONFIG, HOST.node, HOST.address) if e.spec.is_ca)
    key = issue.new_key(KeyAlgorithm.ECDSA_P256)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    at = folder / f"{name}.crt", folder / f"{name}.key"
    at[0].write_bytes(issue.certificate(entry.spec, key, signer=None, now=now))
    at[1].write_bytes(key)
    return at


def believed(context: ssl.SSLContext) -> list[bytes]:
    return context.get_ca_certs(binary_form=True)


def test_it_is_made_once(tmp_path: Path) -> None:
    ca, _ = written(tmp_path, "ca")

    assert trust.context(ca) is trust.context(ca)


def test_one_with_a_certificate_of_its_own_is_another(tmp_path: Path) -> None:
    ca, _ = written(tmp_path, "ca")
    own, key = written(tmp_path, "own")

    assert trust.context(ca, own, key) is not trust.context(ca)


@pytest.mark.parametrize("is_in_place", [True, False])
def test_a_ca_that_is_another_by_now_is_read_anew(tmp_path: Path, is_in_place: bool) -> None:
    ca, _ = written(tmp_path, "ca")
    other, _ = written(tmp_path, "other")
    before, expected = believed(trust.context(ca)), believed(trust.context(other))

    if is_in_place:
        ca.write_bytes(other.read_bytes())
    else:
        other.rename(ca)

    assert before != expected
    assert believed(trust.context(ca)) == expected


def test_a_key_that_is_another_by_now_is_read_anew(tmp_path: Path) -> None:
    ca, _ = written(tmp_path, "ca")
    own, key = written(tmp_path, "own")
    trust.context(ca, own, key)
    other = written(tmp_path, "other")

    other[1].rename(key)

    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        trust.context(ca, own, key)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"ca\.crt: no such file$"):
        trust.context(tmp_path / "ca.crt")
