"""What leaves the process: it opens for its own caller, at its own place, and for nobody else."""

import pytest

from gateway.store.sealing import seal, unseal

KEY = bytes(range(32))
CONTENT = b"Ada Lovelace, ada@example.com" * 20


def test_what_is_sealed_opens_again() -> None:
    """With the same key and under the same name."""
    sealed = seal(CONTENT, key=KEY, name=b"a")

    assert unseal(sealed, key=KEY, name=b"a", max_bytes=1000) == CONTENT


def test_what_is_sealed_is_small_and_says_nothing() -> None:
    """It is compressed, and neither the text nor a part of it can be seen."""
    sealed = seal(CONTENT, key=KEY, name=b"a")

    assert len(sealed) < len(CONTENT) / 4
    assert b"Ada" not in sealed


def test_the_same_is_never_sealed_alike() -> None:
    """Equal entries cannot be told from others."""
    assert seal(CONTENT, key=KEY, name=b"a") != seal(CONTENT, key=KEY, name=b"a")


@pytest.mark.parametrize(
    ("key", "name", "max_bytes"),
    [(bytes(32), b"a", 1000), (KEY, b"b", 1000), (KEY, b"a", len(CONTENT) - 1)],
)
def test_another_key_name_or_size_does_not_open_it(key: bytes, name: bytes, max_bytes: int) -> None:
    """Another caller's entry, one moved to another place, or one that would fill the memory."""
    sealed = seal(CONTENT, key=KEY, name=b"a")

    assert unseal(sealed, key=key, name=name, max_bytes=max_bytes) is None


@pytest.mark.parametrize("change", [b"", b"x", bytes(range(200))])
def test_garbage_does_not_open(change: bytes) -> None:
    """Whatever somebody else wrote there is as good as nothing."""
    assert unseal(change, key=KEY, name=b"a", max_bytes=1000) is None


def test_a_changed_bit_is_noticed() -> None:
    """In the nonce, in the text, in the tag."""
    sealed = seal(CONTENT, key=KEY, name=b"a")

    for place in (0, 20, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[place] ^= 1
        assert unseal(bytes(changed), key=KEY, name=b"a", max_bytes=1000) is None
