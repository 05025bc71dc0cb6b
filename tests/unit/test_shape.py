"""Trees of keys and certificates are compared by what they say, and what is torn is told."""

import random
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fixed import CONFIG, HOST
from tests.shape import difference, shape, torn

from kubeception.config.model import KeyAlgorithm
from kubeception.pki import catalog, issue

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAIR = ("ca.crt", "ca.key")


def make(root: Path) -> Path:
    """Make a CA and the ServiceAccount key, with two more files."""
    ca = next(e for e in catalog.entries(CONFIG, HOST.node, HOST.address) if e.spec.is_ca)
    key, account = (issue.new_key(KeyAlgorithm.ECDSA_P256) for _ in range(2))
    root.mkdir()
    (root / "ca.key").write_bytes(key)
    (root / "ca.crt").write_bytes(issue.certificate(ca.spec, key, signer=None, now=NOW))
    (root / "sa.key").write_bytes(account)
    (root / "sa.pub").write_bytes(issue.public_key(account))
    token = "".join(random.choices("0123456789abcdef", k=32))
    (root / "etcd.env").write_text(f'ETCD_NAME="cp1"\nETCD_INITIAL_CLUSTER_TOKEN="{token}"\n')
    (root / "admin.conf").write_text('# ours\n{\n "users": [{}\n]\n}\n')
    return root


def broken(path: Path, how: str) -> None:
    """Make of a file what a power cut may."""
    content = path.read_bytes()
    half = content[: content.index(b"}\n") + 2] if b"}\n" in content[:-2] else content[:-40]
    path.write_bytes({"empty": b"", "cut off": half, "zeros": bytes(len(content))}[how])


def test_trees_of_other_keys_have_the_same_shape_and_nothing_torn(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one"), make(tmp_path / "other")

    assert (one / "ca.key").read_bytes() != (other / "ca.key").read_bytes()
    assert difference(shape(one), shape(other)) == []
    assert torn(one) == []


def test_a_shape_does_not_depend_on_the_order_in_which_files_were_made() -> None:
    # In memory, where the newest file is listed first.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        one, other = make(Path(folder, "one")), Path(folder, "other")
        other.mkdir()
        for path in one.iterdir():
            shutil.copy2(path, other)
        assert [p.name for p in one.iterdir()] != [p.name for p in other.iterdir()]

        assert difference(shape(one), shape(other)) == []


@pytest.mark.parametrize("how", ["empty", "cut off", "zeros"])
@pytest.mark.parametrize("name", [*PAIR, "sa.key", "sa.pub", "admin.conf"])
def test_a_file_that_is_not_whole_is_told(tmp_path: Path, name: str, how: str) -> None:
    one, other = make(tmp_path / "one"), make(tmp_path / "other")

    broken(other / name, how)

    assert [line.partition(":")[0] for line in torn(other)] == [name]
    assert name in {line.partition(":")[0] for line in difference(shape(one), shape(other))}


@pytest.mark.parametrize(("name", "pair"), [(PAIR[1], PAIR), ("sa.key", ("sa.key", "sa.pub"))])
def test_a_key_of_another_pair_is_told(tmp_path: Path, name: str, pair: tuple[str, ...]) -> None:
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    mixed = make(tmp_path / "mixed")

    (mixed / name).write_bytes((other / name).read_bytes())

    assert torn(mixed) == [f"{name}: the key is another one's"]
    assert {line.partition(":")[0] for line in difference(shape(one), shape(mixed))} == {*pair}


def test_what_is_unfinished_by_its_name_may_be_anything(tmp_path: Path) -> None:
    root = make(tmp_path / "one")

    (root / ".ca.key.kubeception-unfinished").write_text("-----BEGIN PRIV")

    assert torn(root) == []
