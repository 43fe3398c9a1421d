"""Documents that a client names by an id instead of sending them.

* Automatic persisted queries, by the SHA-256 of the text: a client sends the hash alone, and the
  text with it once if the hash is unknown. Source: Apollo's protocol,
  https://www.apollographql.com/docs/apollo-server/performance/apq.
* Trusted documents, by the ids of a manifest that the client's build has written.
"""

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from cachetools import TTLCache

from gateway.errors import (
    BadRequestError,
    PersistedQueryNotFoundError,
    PersistedQueryNotSupportedError,
)
from gateway.settings import Settings
from gateway.store.shared import SharedCache, SharedKey
from gateway.web.read.manifests import bare

_ID_PARAMETERS = ("documentId", "doc_id", "id")
_STORED_S = 24 * 60 * 60.0
_STORED_BYTES = 16 * 2**20
_LONGEST_TEXT = 100_000
_SHARED_BYTES = 16 * 2**20
"""The most that a process adds to the shared cache within `_STORED_S`."""


Store = Callable[[str], Awaitable[None]]
"""Stores the text that was sent, to be found by its hash."""


class DocumentsById:
    """Finds the text of a document by its id.

    Automatic persisted queries are stored only if they are enabled and clients may send any
    document. `shared` gives them to other processes, sealed with a key derived from the cache's
    secret.
    """

    def __init__(
        self, settings: Settings, manifest: Mapping[str, str], shared: SharedCache | None = None
    ) -> None:
        is_persisting = settings.persisted_queries and not settings.trusted_documents_only
        most_bytes = _STORED_BYTES if is_persisting else 0
        self._texts: TTLCache[str, str] = TTLCache(most_bytes, _STORED_S, getsizeof=_size_bytes)
        self._shared = shared
        self._shared_bytes, self._shared_since_s = 0, float("-inf")
        secret = settings.cache_secret.get_secret_value().encode()
        self._secret = hmac.digest(secret, b"persisted queries", "sha256")
        self.trust(manifest)

    def trust(self, manifest: Mapping[str, str]) -> None:
        """Replace the manifest."""
        self._manifest = manifest

    async def find(
        self, query: str | None, data: Mapping[str, object], extensions: Mapping[str, object]
    ) -> tuple[str | None, Store | None]:
        """Return the text that is sent or named by id, if any, and a function that stores it.

        Call that function only after SuperOffice has accepted the client: others could fill the
        store.

        Raises:
            PersistedQueryNotFoundError: the id is unknown.
            PersistedQueryNotSupportedError: a hash alone, not in the manifest; no query is stored.
            BadRequestError: the id is malformed, or not the hash of the text beside it.
        """
        persisted = extensions.get("persistedQuery")
        if persisted is not None:
            return await self._by_hash(query, _hash(persisted))
        name = next((data[key] for key in _ID_PARAMETERS if data.get(key)), None)
        if query is not None or name is None:
            return query, None
        is_id = isinstance(name, str | int)  # converting any other type may take long
        text = self._manifest.get(bare(str(name))) if is_id else None
        if text is None:
            raise PersistedQueryNotFoundError("PersistedQueryNotFound")
        return text, None

    async def _by_hash(self, query: str | None, sha256: str) -> tuple[str, Store | None]:
        for name in (bare(sha256), bare(sha256).lower()):  # other ids may have capitals
            if query is None and name in self._manifest:
                return self._manifest[name], None
        if query is None and not self._texts.maxsize:
            raise PersistedQueryNotSupportedError("PersistedQueryNotSupported")
        if query is not None and hashlib.sha256(query.encode()).hexdigest() != sha256.lower():
            raise BadRequestError("`sha256Hash` is not the SHA-256 of the query beside it.")
        # Not the hash itself: others can read names in Redis, and hash a text that they suspect.
        name = hmac.digest(self._secret, sha256.lower().encode(), "sha256").hex()
        key = SharedKey(f"persisted-query:{name}", self._secret)
        if (text := self._texts.get(key.name)) is not None:
            return text, None
        if query is not None:
            is_stored = self._texts.maxsize and len(query) <= _LONGEST_TEXT
            return query, partial(self._store, key) if is_stored else None
        is_hash = len(sha256) == 64  # no other text can be stored: spare Redis the lookup
        found = await self._shared.get(key) if self._shared and is_hash else None
        if found is None:
            raise PersistedQueryNotFoundError("PersistedQueryNotFound")
        text = self._texts[key.name] = found.content.decode()
        return text, None

    async def _store(self, key: SharedKey, query: str) -> None:
        self._texts[key.name] = query
        if self._shared is not None and self._may_share(len(query)):
            await self._shared.put(key, query.encode(), ttl_s=_STORED_S)

    def _may_share(self, size: int) -> bool:
        now_s = time.monotonic()
        if now_s >= self._shared_since_s + _STORED_S:
            self._shared_bytes, self._shared_since_s = 0, now_s
        self._shared_bytes += size
        return self._shared_bytes <= _SHARED_BYTES


def _size_bytes(text: str) -> int:
    return 2 * len(text) + 200


def _hash(persisted: object) -> str:
    match persisted:
        case {"version": 1, "sha256Hash": str(sha256)} if sha256:
            return sha256
    raise BadRequestError(
        '`extensions.persistedQuery` has to be {"version": 1, "sha256Hash": "…"}.'
    )
