"""Seal entries that are stored outside this process: without the keys they cannot be read.

zstd, then AES-256-GCM (NIST SP 800-38D) with a key per caller, derived from the configured secret
and from the caller's credentials, neither of which is stored. The entry's name is authenticated
with it, so that an entry moved to another name does not open.
"""

import os

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_LEVEL = 1


def seal(content: bytes, *, key: bytes, name: str) -> bytes:
    """Compress and encrypt; `key` has 32 bytes."""
    nonce = os.urandom(_NONCE_BYTES)
    compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
    return nonce + AESGCM(key).encrypt(nonce, compressed, name.encode())


def unseal(sealed: bytes, *, key: bytes, name: str, max_bytes: int) -> bytes | None:
    """Return the content; None for garbage, another key or name, or more than `max_bytes`."""
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        compressed = AESGCM(key).decrypt(nonce, ciphertext, name.encode())
        if zstandard.frame_content_size(compressed) > max_bytes:
            return None
        return zstandard.ZstdDecompressor().decompress(compressed)
    except (InvalidTag, ValueError, zstandard.ZstdError):
        return None
