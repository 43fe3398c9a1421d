"""A cached object for the tests of caching."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """An object to cache, with a size."""

    size_bytes: int = 10
