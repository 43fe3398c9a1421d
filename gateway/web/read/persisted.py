"""Documents that a client names by an id instead of sending them.

* Automatic persisted queries, by the SHA-256 of the text: a client sends the hash alone, and the
  text with it once if the hash is unknown. Source: Apollo's protocol,
  https://www.apollographql.com/docs/apollo-server/performance/apq.
* Trusted documents, by the ids of a manifest that the client's build has written.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, parse

from gateway.errors import (
    BadRequestError,
    PersistedQueryNotFoundError,
    PersistedQueryNotSupportedError,
    SettingsError,
)
from gateway.store.memory import BoundedMemoryCache
from gateway.store.shared import Place, SharedCache

_ID_PARAMETERS = ("documentId", "doc_id", "id")
_STORED_S = 24 * 60 * 60.0
_LONGEST = 100_000
_SHARED_BYTES = 16 * 2**20
"""What a process adds to the shared cache at most within `_STORED_S`."""


Store = Callable[[], Awaitable[None]]
"""Stores a text, to be found by its hash."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str

    @property
    def size_bytes(self) -> int:
        return 2 * len(self.text) + 200


class Documents:
    """Finds the text of a document by its id.

    `cache` stores automatic persisted queries; without one they are not supported. `shared` passes
    them on to other processes, sealed with a key derived from `secret`.
    """

    def __init__(
        self,
        cache: BoundedMemoryCache | None,
        manifest: Mapping[str, str],
        *,
        shared: SharedCache | None = None,
        secret: bytes = b"",
    ) -> None:
        self._cache = cache
        self._shared = shared
        self._shared_bytes, self._shared_since_s = 0, float("-inf")
        self._key = hmac.digest(secret, b"persisted queries", "sha256")
        self.trust(manifest)

    def trust(self, manifest: Mapping[str, str]) -> None:
        """Replace the manifest."""
        self._manifest = {_bare(name): text for name, text in manifest.items()}

    async def find(
        self, query: str | None, data: Mapping[str, object], extensions: Mapping[str, object]
    ) -> tuple[str | None, Store | None]:
        """Return the text that is sent or named, None where there is neither; and how to store it.

        Store it once SuperOffice has accepted the client: a stranger could fill the store.

        Raises:
            PersistedQueryNotFoundError: the id is unknown.
            PersistedQueryNotSupportedError: the id is not in the manifest, and there is no
                cache.
            BadRequestError: the id is malformed, or not the hash of the text beside it.
        """
        persisted = extensions.get("persistedQuery")
        if persisted is not None:
            return await self._by_hash(query, _hash(persisted))
        name = next((data[key] for key in _ID_PARAMETERS if data.get(key)), None)
        if query is not None or name is None:
            return query, None
        is_id = isinstance(name, str | int)  # to write anything else as a text may take long
        text = self._manifest.get(_bare(str(name))) if is_id else None
        if text is None:
            raise PersistedQueryNotFoundError("PersistedQueryNotFound")
        return text, None

    async def _by_hash(self, query: str | None, sha256: str) -> tuple[str, Store | None]:
        if query is None and _bare(sha256) in self._manifest:
            return self._manifest[_bare(sha256)], None
        if self._cache is None:
            raise PersistedQueryNotSupportedError("PersistedQueryNotSupported")
        key = f"persisted-query:{sha256.lower()}"
        if query is not None and hashlib.sha256(query.encode()).hexdigest() != sha256.lower():
            raise BadRequestError("`sha256Hash` is not the SHA-256 of the query beside it.")
        stored: _Text | None = await self._cache.get(key)
        if stored is not None:
            return stored.text, None
        if query is None:
            query = await self._from_others(key)
            if query is None:
                raise PersistedQueryNotFoundError("PersistedQueryNotFound")
            await self._cache.set(key, _Text(query), ttl=_STORED_S)
            return query, None
        store = partial(self._store, self._cache, key, query)
        return query, store if len(query) <= _LONGEST else None

    async def _store(self, cache: BoundedMemoryCache, key: str, query: str) -> None:
        await cache.set(key, _Text(query), ttl=_STORED_S)
        if self._shared is not None and self._may_share(len(query)):
            await self._shared.put(self._place(key), query.encode(), ttl_s=_STORED_S)

    def _may_share(self, size: int) -> bool:
        now_s = time.monotonic()
        if now_s >= self._shared_since_s + _STORED_S:
            self._shared_bytes, self._shared_since_s = 0, now_s
        self._shared_bytes += size
        return self._shared_bytes <= _SHARED_BYTES

    async def _from_others(self, key: str) -> str | None:
        if self._shared is None:
            return None
        found = await self._shared.get(self._place(key))
        return None if found is None else found.content.decode()

    def _place(self, key: str) -> Place:
        return Place(key, self._key)


def _bare(name: str) -> str:
    """Remove the prefix that the GraphQL over HTTP draft and some manifests write before a hash."""
    return name.removeprefix("sha256:")


def _hash(persisted: object) -> str:
    match persisted:
        case {"version": 1, "sha256Hash": str(sha256)} if sha256:
            return sha256
    raise BadRequestError(
        '`extensions.persistedQuery` has to be {"version": 1, "sha256Hash": "…"}.'
    )


def read_manifest(path: Path) -> dict[str, str]:
    """Read a manifest of trusted documents: each id and its text.

    It is the JSON that GraphQL Code Generator and the Relay compiler write, `{"id": "text"}`, or
    Apollo's: `{"format": "apollo-persisted-query-manifest", "operations": [{"id", "body"}]}`.

    Raises:
        SettingsError: the file cannot be read, or is none of these.
    """
    setting = f"GATEWAY_TRUSTED_DOCUMENTS={path}"
    try:
        parsed = json.loads(path.read_text("utf-8-sig"))
    except OSError as exc:
        raise SettingsError(f"{setting}: {exc.strerror or 'it cannot be read'}") from exc
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"{setting}: it is not JSON") from exc
    match parsed:
        case {"format": "apollo-persisted-query-manifest", "operations": list(operations)}:
            documents: list[Any] = [
                (o.get("id"), o.get("body")) if isinstance(o, dict) else (None, None)
                for o in operations
            ]
        case dict():
            documents = [*parsed.items()]
        case _:
            documents = [(None, None)]
    if not all(isinstance(part, str) for item in documents for part in item):
        raise SettingsError(
            f'{setting}: it has to be a JSON object such as {{"id": "query …"}}, or a manifest '
            "as Apollo writes it"
        )
    return dict(documents)


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the names of the operations in documents; what is not GraphQL has none."""
    names = set()
    for text in texts:
        with suppress(GraphQLError):
            definitions = parse(text).definitions
            operations = [d for d in definitions if isinstance(d, OperationDefinitionNode)]
            names |= {operation.name.value for operation in operations if operation.name}
    return frozenset(names)
