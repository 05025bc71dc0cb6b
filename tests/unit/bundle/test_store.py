"""What was made once is found again, and only if it is whole."""

import os
from pathlib import Path

import pytest

from kubeception.bundle.store import Recipe, Store, key


def writes(text: str, name: str = "etcd", made_from: str = "") -> Recipe:
    def work(folder: Path) -> None:
        (folder / "program").write_text(text)

    return Recipe(name, key(made_from or text), work)


def test_what_was_made_is_found_again(tmp_path: Path) -> None:
    made = Store(tmp_path).make(writes("one"))

    assert Store(tmp_path).get(writes("one")) == made
    assert made["program"].path.read_text() == "one"


def test_another_key_is_another_entry(tmp_path: Path) -> None:
    Store(tmp_path).make(writes("one"))

    assert Store(tmp_path).get(writes("two")) is None


@pytest.mark.parametrize("parts", [("a", "bc"), ("ab", "c"), (["a"], "bc"), ("abc",), ()])
def test_keys_of_other_parts_differ(parts: tuple[object, ...]) -> None:
    assert key(*parts) != key("abc", "")


def test_a_file_that_was_touched_is_not_trusted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.make(writes("one"))["program"].path

    path.write_text("two")
    os.utime(path, ns=(0, 0))

    assert store.get(writes("one")) is None
    assert store.make(writes("one"))["program"].path.read_text() == "one"


def test_a_file_that_is_gone_is_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.make(writes("one"))["program"].path.unlink()

    assert store.get(writes("one")) is None


def test_work_that_dies_in_the_middle_leaves_no_entry(tmp_path: Path) -> None:
    def dies(folder: Path) -> None:
        (folder / "program").write_text("half")
        raise KeyboardInterrupt

    recipe = Recipe("etcd", key("one"), dies)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path).make(recipe)

    assert Store(tmp_path).get(recipe) is None
    assert not list(tmp_path.iterdir())


def test_old_entries_go_when_a_new_one_comes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = store.make(writes("other", name="etcd-tools"))
    for number in range(6):
        store.make(writes(str(number)))

    assert store.get(writes("5"))
    assert store.get(writes("0")) is None
    assert store.get(writes("other", name="etcd-tools")) == other
