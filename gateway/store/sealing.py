"""Seal what is kept outside this process: who can read it there learns nothing from it.

zstd, then AES-256-GCM (NIST SP 800-38D) with a key of the caller's own, which comes from the
configured secret and from the caller's credentials, neither of which is stored. The name of an
entry is sealed in with it, so that one put in the place of another does not open.
"""

import os

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["seal", "unseal"]

_NONCE_BYTES = 12
_LEVEL = 1


def seal(content: bytes, *, key: bytes, name: str) -> bytes:
    """Compress and encrypt; `key` has 32 bytes."""
    nonce = os.urandom(_NONCE_BYTES)
    compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
    return nonce + AESGCM(key).encrypt(nonce, compressed, name.encode())


def unseal(sealed: bytes, *, key: bytes, name: str, max_bytes: int) -> bytes | None:
    """Return the content, or None: it is garbage, another's, or larger than `max_bytes`."""
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        compressed = AESGCM(key).decrypt(nonce, ciphertext, name.encode())
        if zstandard.frame_content_size(compressed) > max_bytes:
            return None
        return zstandard.ZstdDecompressor().decompress(compressed)
    except (InvalidTag, ValueError, zstandard.ZstdError):
        return None
