"""A bundle says what is in it, and `verify` finds whatever isn't so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kubeception.bundle import contents
from kubeception.errors import KubeceptionError
from kubeception.versions import LISTING

MakeBundle = Callable[[str], Path]


def test_a_whole_bundle_is_what_it_says(make_bundle: MakeBundle) -> None:
    folder = make_bundle("3.7.3")

    assert contents.verify(folder) == contents.load(folder)


def test_its_version_stands_for_its_content(make_bundle: MakeBundle) -> None:
    one, other = (contents.load(make_bundle(version)).version for version in ("3.7.3", "3.7.4"))

    assert one != other
    assert {one.partition("-")[0], other.partition("-")[0]} == {"1.37.1"}


def test_a_flipped_bit_is_found(make_bundle: MakeBundle) -> None:
    folder = make_bundle("3.7.3")
    path = folder / "lib/dependencies.tar"
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content)

    with pytest.raises(KubeceptionError, match=r"dependencies\.tar: the content differs"):
        contents.verify(folder)


def test_all_damage_is_named_at_once(make_bundle: MakeBundle) -> None:
    folder = make_bundle("3.7.3")
    (folder / "bin/etcd").unlink()
    (folder / "bin/cni/bridge").write_text("longer than it was\n" * 9)

    with pytest.raises(KubeceptionError) as caught:
        contents.verify(folder)

    assert caught.value.message.splitlines() == [
        f"{folder}/bin/cni/bridge: 171 bytes instead of 36",
        f"{folder}/bin/etcd: missing",
    ]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"files": [{}]}', '{"files": 1}'])
def test_a_list_that_is_none_is_an_error_with_a_way_out(tmp_path: Path, text: str) -> None:
    (tmp_path / LISTING).write_text(text)

    with pytest.raises(KubeceptionError, match=r"bundle\.json") as caught:
        contents.load(tmp_path)
    assert caught.value.hint


def test_a_folder_without_a_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KubeceptionError, match="no bundle here") as caught:
        contents.load(tmp_path)
    assert caught.value.hint == "kubeception bundle build"
