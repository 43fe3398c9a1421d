"""A cache of objects by key, which live as long as they are in use."""

import gc
import sys

from gateway.store.keyed_cache import KeyedCache


class Thing:
    """An object with a name."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_a_key_has_one_object() -> None:
    """The object of a key is made once."""
    things = KeyedCache(Thing, most=2)

    assert things("a") is things("a")
    assert things("a").name == "a"


def test_the_least_recently_used_object_is_dropped() -> None:
    """Past the limit, the least recently used object is dropped."""
    things = KeyedCache(Thing, most=2)
    for name in ("a", "b", "a", "c"):
        things(name)
    gc.collect()

    assert sorted(thing.name for thing in things.all()) == ["a", "c"]


def test_an_object_in_use_is_kept() -> None:
    """An object in use is kept past the limit, so a key never has two."""
    things = KeyedCache(Thing, most=1)
    thing = things("a")
    things("b")

    assert things("a") is thing
    assert thing in things.all()


def test_all_objects_can_be_read_on_another_thread() -> None:
    """An object that is made at any step of reading them breaks nothing."""
    things = KeyedCache(Thing, most=9)
    first, made = {things("a"), things("b")}, list[Thing]()
    sys.setprofile(lambda *_: made.append(things(f"{len(made)}")) if len(made) < 99 else None)
    try:
        found = things.all()
    finally:
        sys.setprofile(None)

    assert made
    assert first <= {*found}
