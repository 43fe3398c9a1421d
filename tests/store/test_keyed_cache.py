"""Objects that are kept while they are of use."""

import gc

from gateway.store.keyed_cache import KeyedCache


class Thing:
    """Something with a name, of which it is known how many there are."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_a_key_has_one_object() -> None:
    """It is made once."""
    things = KeyedCache(Thing, most=2)

    assert things("a") is things("a")
    assert things("a").name == "a"


def test_what_was_not_asked_for_lately_goes() -> None:
    """The one whose last time is the longest ago."""
    things = KeyedCache(Thing, most=2)
    for name in ("a", "b", "a", "c"):
        things(name)
    gc.collect()

    assert sorted(thing.name for thing in things.all()) == ["a", "c"]


def test_what_somebody_holds_stays() -> None:
    """However many came after it: there are never two for a key."""
    things = KeyedCache(Thing, most=1)
    held = things("a")
    things("b")

    assert things("a") is held
    assert held in things.all()
