"""Encryption of shared entries: each opens for its own caller and under its own name only."""

import pytest

from gateway.store.sealing import seal, unseal

KEY = bytes(range(32))
CONTENT = b"Ada Lovelace, ada@example.com" * 20


def test_a_sealed_entry_can_be_opened() -> None:
    """The same key and name open an entry."""
    sealed = seal(CONTENT, key=KEY, name=b"a")

    assert unseal(sealed, key=KEY, name=b"a", max_bytes=1000) == CONTENT


def test_a_sealed_entry_is_compressed_and_unreadable() -> None:
    """A sealed entry is compressed, and no part of the text is readable."""
    sealed = seal(CONTENT, key=KEY, name=b"a")

    assert len(sealed) < len(CONTENT) / 4
    assert b"Ada" not in sealed


def test_equal_entries_are_sealed_differently() -> None:
    """Equal contents cannot be recognized."""
    assert seal(CONTENT, key=KEY, name=b"a") != seal(CONTENT, key=KEY, name=b"a")


@pytest.mark.parametrize(
    ("key", "name", "max_bytes"),
    [(bytes(32), b"a", 1000), (KEY, b"b", 1000), (KEY, b"a", len(CONTENT) - 1)],
)
def test_another_key_name_or_size_does_not_open_it(key: bytes, name: bytes, max_bytes: int) -> None:
    """An entry of another caller, under another name or above the limit does not open."""
    sealed = seal(CONTENT, key=KEY, name=b"a")

    assert unseal(sealed, key=key, name=name, max_bytes=max_bytes) is None


@pytest.mark.parametrize("change", [b"", b"x", bytes(range(200))])
def test_garbage_does_not_open(change: bytes) -> None:
    """Other programs can write to Redis: their entries are misses, not errors."""
    assert unseal(change, key=KEY, name=b"a", max_bytes=1000) is None


def test_a_changed_bit_is_detected() -> None:
    """A changed bit in the nonce, the text or the tag is detected."""
    sealed = seal(CONTENT, key=KEY, name=b"a")

    for place in (0, 20, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[place] ^= 1
        assert unseal(bytes(changed), key=KEY, name=b"a", max_bytes=1000) is None
