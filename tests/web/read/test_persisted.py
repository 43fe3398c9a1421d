"""Persisted queries by hash, and trusted documents by id."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import Settings, create_app
from gateway.errors import PersistedQueryNotFoundError, SettingsError
from gateway.store.shared import SharedKey
from gateway.web.read import persisted
from gateway.web.read.manifests import read_manifest
from gateway.web.read.persisted import DocumentsById
from tests.support import CREDENTIALS, UPSTREAM_URL, Gateway, RestSide, gateway_over
from tests.web.asking import GRAPHQL_JSON, Json, first_error, get, post_json

QUERY = "{ chatSessions { chatSessionId } }"
DATA = {"data": {"chatSessions": [{"chatSessionId": 1}]}}
NOT_FOUND = ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
NOT_SUPPORTED = ("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")


def sha256(text: str) -> str:
    """Return the hash that identifies a query."""
    return hashlib.sha256(text.encode()).hexdigest()


def extensions_of(sha256_hash: str) -> Json:
    """Return the extensions with the hash of a persisted query."""
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256_hash}}


async def test_an_unknown_hash_gets_persisted_query_not_found(gateway: Gateway) -> None:
    """An unknown hash gets the error on which clients send the full query."""
    answer = await post_json(gateway, {"extensions": extensions_of(sha256(QUERY))})

    assert answer.status_code == 200
    assert first_error(answer) == NOT_FOUND
    assert "data" not in answer.json()


async def test_an_unknown_hash_gets_200(gateway: Gateway) -> None:
    """An unknown hash gets 200: Apollo iOS sends the query only after a 2xx."""
    answer = await post_json(gateway, {"extensions": extensions_of("0")}, accept=GRAPHQL_JSON)

    assert (answer.status_code, first_error(answer)) == (200, NOT_FOUND)


async def test_a_query_sent_with_its_hash_is_answered(gateway: Gateway) -> None:
    """A query with its hash, the protocol's second request, is answered."""
    answer = await post_json(gateway, {"query": QUERY, "extensions": extensions_of(sha256(QUERY))})

    assert answer.json() == DATA


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stored_query_is_found_by_its_hash(gateway: Gateway, method: str) -> None:
    """A query that was stored is found by its hash over POST and GET."""
    extensions = extensions_of(sha256(QUERY))
    await post_json(gateway, {"query": QUERY, "extensions": extensions})

    if method == "POST":
        answer = await post_json(gateway, {"extensions": extensions})
    else:
        params = {"extensions": json.dumps(extensions)}
        answer = await gateway.http.get("/graphql", params=params, headers=CREDENTIALS)

    assert answer.json() == DATA


async def test_a_query_in_a_url_is_stored(gateway: Gateway) -> None:
    """A query that arrives in a URL with its hash is stored, too."""
    extensions = extensions_of(sha256(QUERY))
    await get(gateway, QUERY, extensions=json.dumps(extensions))

    assert (await post_json(gateway, {"extensions": extensions})).json() == DATA


async def test_a_hash_is_case_insensitive(gateway: Gateway) -> None:
    """A hash may have upper or lower case digits."""
    await post_json(gateway, {"query": QUERY, "extensions": extensions_of(sha256(QUERY).upper())})

    assert (await post_json(gateway, {"extensions": extensions_of(sha256(QUERY))})).json() == DATA


async def test_a_wrong_hash_is_refused(gateway: Gateway) -> None:
    """A query with the hash of another query is refused and not stored."""
    answer = await post_json(
        gateway, {"query": "{ a }", "extensions": extensions_of(sha256(QUERY))}
    )

    assert first_error(answer) == (
        "BAD_REQUEST",
        "`sha256Hash` is not the SHA-256 of the query beside it.",
    )
    assert (
        first_error(await post_json(gateway, {"extensions": extensions_of(sha256(QUERY))}))
        == NOT_FOUND
    )


@pytest.mark.parametrize(
    "persisted",
    [
        5,
        "x",
        [],
        {},
        {"version": 1},
        {"version": 1, "sha256Hash": ""},
        {"version": 1, "sha256Hash": 5},
        {"version": 2, "sha256Hash": "0" * 64},
        {"sha256Hash": "0" * 64},
    ],
    ids=lambda value: f"{value!r:.60}",
)
async def test_a_malformed_hash_is_refused(gateway: Gateway, persisted: Any) -> None:
    """A malformed hash is refused with an example of the right form."""
    body = {"query": QUERY, "extensions": {"persistedQuery": persisted}}
    answer = await post_json(gateway, body)

    assert first_error(answer) == (
        "BAD_REQUEST",
        '`extensions.persistedQuery` has to be {"version": 1, "sha256Hash": "…"}.',
    )


@pytest.mark.parametrize("extensions", [{}, {"persistedQuery": None}, {"tracing": True}], ids=repr)
async def test_other_extensions_are_ignored(gateway: Gateway, extensions: Json) -> None:
    """Extensions other than persisted queries are ignored."""
    answer = await post_json(gateway, {"query": QUERY, "extensions": extensions})

    assert answer.json() == DATA


async def test_persisted_queries_can_be_switched_off(rest: RestSide) -> None:
    """With persisted queries switched off, clients learn not to retry; a text is run in any case.

    Apollo iOS and Apollo Kotlin send the hash beside the text, perhaps to another process.
    """
    async with gateway_over(rest, persisted_queries=False) as gateway:
        extensions = extensions_of(sha256(QUERY))
        beside = await post_json(gateway, {"query": QUERY, "extensions": extensions})
        alone = await post_json(gateway, {"extensions": extensions})

    assert beside.json() == DATA
    assert first_error(alone) == NOT_SUPPORTED


async def test_stored_queries_are_limited_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store is full, the least recently used query is dropped."""
    monkeypatch.setattr(persisted, "_STORED_BYTES", 1_000)
    documents = DocumentsById(Settings(upstream_url=UPSTREAM_URL), {})
    queries = [f"{{ {letter * 100} }}" for letter in "abc"]
    for query in queries[:2]:
        await store_query(documents, query)
    await documents.find(None, {}, extensions_of(sha256(queries[0])))

    await store_query(documents, queries[2])

    assert (await documents.find(None, {}, extensions_of(sha256(queries[0]))))[0] == queries[0]
    with pytest.raises(PersistedQueryNotFoundError):
        await documents.find(None, {}, extensions_of(sha256(queries[1])))


async def store_query(documents: DocumentsById, query: str) -> bool:
    """Store a query by its hash if possible, and return whether it was."""
    text, store = await documents.find(query, {}, extensions_of(sha256(query)))
    assert text == query
    if store is not None:
        await store(query)
    return store is not None


@pytest.mark.parametrize(("length", "is_stored"), [(100_000, True), (100_001, False)])
async def test_a_very_long_query_is_not_stored(length: int, is_stored: bool) -> None:
    """A query above 100,000 characters is run, but not stored."""
    documents = DocumentsById(Settings(upstream_url=UPSTREAM_URL), {})

    assert await store_query(documents, "#" * length) is is_stored


class FakeSharedCache:
    """Plays the shared cache, and records the size of each entry."""

    def __init__(self) -> None:
        self.put_bytes: list[int] = []
        self.names: list[str] = []

    async def get(self, key: SharedKey) -> None:
        """Record the name of an entry."""
        self.names.append(key.name)

    async def put(self, key: SharedKey, content: bytes, *, ttl_s: float) -> None:
        """Record the size of an entry."""
        self.put_bytes.append(len(content))


async def test_a_process_shares_a_limited_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process shares each query once, and no more bytes than its limit."""
    monkeypatch.setattr(persisted, "_SHARED_BYTES", 1_000)
    shared: Any = FakeSharedCache()
    documents = DocumentsById(Settings(upstream_url=UPSTREAM_URL), {}, shared)
    for number in range(9):
        for _ in range(3):
            await store_query(documents, f"#{number}".ljust(300))

    assert shared.put_bytes == [300] * 3

    monkeypatch.setattr(persisted, "_STORED_S", 0)  # as if that time were over
    await store_query(documents, "#9".ljust(300))
    assert len(shared.put_bytes) == 4


@pytest.mark.parametrize("digits", [1, 63, 64, 65, 2**20])
async def test_only_a_hash_is_looked_up_in_the_shared_cache(digits: int) -> None:
    """Another text in the place of a hash is unknown: as a key it could fill Redis' memory."""
    shared: Any = FakeSharedCache()
    documents = DocumentsById(Settings(upstream_url=UPSTREAM_URL), {}, shared)

    with pytest.raises(PersistedQueryNotFoundError):
        await documents.find(None, {}, extensions_of("a" * digits))

    assert len(shared.names) == (digits == 64)
    assert not any("a" * 20 in name for name in shared.names)  # others can hash what they suspect


NOT_STORED: dict[str, tuple[str, Json, int]] = {
    "without credentials": (QUERY, {}, 200),
    "that SuperOffice does not accept": (QUERY, CREDENTIALS, 401),
    "without sessions": ("{ __typename }", CREDENTIALS, 200),
    "that is not valid": ("{ nope }", CREDENTIALS, 200),
    "that is not GraphQL": ("#" * 90_000, CREDENTIALS, 200),
}


@pytest.mark.parametrize(("query", "headers", "status"), NOT_STORED.values(), ids=NOT_STORED)
async def test_no_query_is_stored_for_an_unauthenticated_client(
    rest: RestSide, query: str, headers: Json, status: int
) -> None:
    """A query is stored only after SuperOffice has answered it."""
    rest.answer = lambda request: httpx.Response(status, json=rest.body)
    async with gateway_over(rest) as gateway:
        for _ in range(2):
            body = {"query": query, "extensions": extensions_of(sha256(query))}
            await gateway.http.post("/graphql", json=body, headers=headers)
        answer = await post_json(gateway, {"extensions": extensions_of(sha256(query))})

    assert first_error(answer) == NOT_FOUND


MANIFESTS: list[Json] = [
    {"q1": QUERY, "q2": "{ other: __typename }"},
    {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [
            {"id": "q1", "name": "A", "type": "query", "body": QUERY},
            {"id": "q2", "name": "B", "type": "query", "body": "{ other: __typename }"},
        ],
    },
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest of two documents."""
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(MANIFESTS[0]), "utf-8")
    return path


@pytest.mark.parametrize("manifest", MANIFESTS, ids=["codegen and relay", "apollo"])
async def test_each_kind_of_manifest_is_read(
    rest: RestSide, tmp_path: Path, manifest: Json
) -> None:
    """GraphQL Code Generator and Relay write one format, Apollo another."""
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest), "utf-8")
    async with gateway_over(rest, trusted_documents=path) as gateway:
        answer = await post_json(gateway, {"documentId": "q2"})

    assert answer.json() == {"data": {"other": "Query"}}


@pytest.mark.parametrize(
    "body",
    [
        {"documentId": "q1"},
        {"documentId": "sha256:q1"},
        {"doc_id": "q1"},
        {"id": "q1"},
        {"documentId": None, "id": "q1"},
        {"extensions": extensions_of("q1")},
        {"query": QUERY},
        {"query": QUERY, "extensions": extensions_of(sha256(QUERY))},
    ],
    ids=lambda value: f"{value!r:.60}",
)
async def test_a_trusted_document_is_found_by_any_id_field_or_its_text(
    rest: RestSide, manifest: Path, body: Json
) -> None:
    """A trusted document runs by its id in any of the known fields, or by its text."""
    async with gateway_over(
        rest, trusted_documents=manifest, trusted_documents_only=True
    ) as gateway:
        assert (await post_json(gateway, body)).json() == DATA


async def test_a_trusted_document_is_found_by_its_hash_in_capitals() -> None:
    """As a stored query is."""
    documents = DocumentsById(Settings(upstream_url=UPSTREAM_URL), {sha256(QUERY): QUERY})

    assert await documents.find(None, {}, extensions_of(sha256(QUERY).upper())) == (QUERY, None)


async def test_a_trusted_document_is_found_by_documentid_in_a_url(
    rest: RestSide, manifest: Path
) -> None:
    """By GET, browsers can cache its answer."""
    async with gateway_over(rest, trusted_documents=manifest) as gateway:
        params = {"documentId": "q1"}
        answer = await gateway.http.get("/graphql", params=params, headers=CREDENTIALS)

    assert answer.json() == DATA


@pytest.mark.parametrize("body", [{"documentId": "q3"}, {"id": 5}, {"doc_id": {"q1": 1}}], ids=repr)
async def test_an_unknown_document_is_not_found(rest: RestSide, manifest: Path, body: Json) -> None:
    """An id that is not in the manifest, of any type, is not found."""
    async with gateway_over(rest, trusted_documents=manifest) as gateway:
        assert first_error(await post_json(gateway, body)) == NOT_FOUND


async def test_a_text_beside_an_id_is_run(rest: RestSide, manifest: Path) -> None:
    """If any document may run, a text takes precedence over an id."""
    async with gateway_over(rest, trusted_documents=manifest) as gateway:
        answer = await post_json(gateway, {"documentId": "q2", "query": QUERY})

    assert answer.json() == DATA


@pytest.mark.parametrize("query", ["{ a: __typename }", "{ __typename }\n", "{"])
@pytest.mark.parametrize("has_hash", [False, True])
async def test_with_trusted_documents_only_nothing_else_is_run(
    rest: RestSide, manifest: Path, query: str, has_hash: bool
) -> None:
    """A text that differs from a trusted document, if only in white space, is refused."""
    extensions = extensions_of(sha256(query)) if has_hash else {}
    async with gateway_over(
        rest, trusted_documents=manifest, trusted_documents_only=True
    ) as gateway:
        answer = await post_json(gateway, {"query": query, "extensions": extensions})

    assert first_error(answer) == (
        "BAD_REQUEST",
        "Only trusted documents are run here, and this query is not among them.",
    )


async def test_with_trusted_documents_only_nothing_is_stored(
    rest: RestSide, manifest: Path
) -> None:
    """A hash that the manifest does not contain is refused, even after its text was run."""
    extensions = extensions_of(sha256(QUERY))
    async with gateway_over(
        rest, trusted_documents=manifest, trusted_documents_only=True
    ) as gateway:
        await post_json(gateway, {"query": QUERY, "extensions": extensions})
        assert first_error(await post_json(gateway, {"extensions": extensions})) == NOT_SUPPORTED


def write_manifest(manifest: Path, **documents: str) -> None:
    """Write a manifest of documents by their ids."""
    manifest.write_text(json.dumps(documents))


@pytest.mark.parametrize("only", [True, False])
async def test_a_changed_document_is_not_answered_from_the_cache(
    rest: RestSide, manifest: Path, only: bool
) -> None:
    """The cached answer of a changed document is not used, by id or by text."""
    before, after = "{ chatSessions { chatSessionId } }", "{ chatSessions { topicId } }"
    write_manifest(manifest, a=before)
    async with gateway_over(
        rest, trusted_documents=manifest, trusted_documents_only=only, cache_ttl=60
    ) as gateway:
        assert await gateway.ask(before)
        first = await post_json(gateway, {"documentId": "a"})
        write_manifest(manifest, a=after)
        gateway.app.state.reload()

        again = await post_json(gateway, {"documentId": "a"})
        by_text = await gateway.post(before)
    assert list(first.json()["data"]["chatSessions"][0]) == ["chatSessionId"]
    assert list(again.json()["data"]["chatSessions"][0]) == ["topicId"]
    assert ("errors" in by_text.json()) is only


def apollo(operations: Any) -> bytes:
    """Return a manifest in Apollo's format."""
    manifest = {"format": "apollo-persisted-query-manifest", "operations": operations}
    return json.dumps(manifest).encode()


SHAPE = 'it has to be a JSON object such as {"id": "query …"}, or a manifest as Apollo writes it'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b'{"q": "\xff"}', "it is not JSON"),
        (b'{"q": ' + b"[" * 100_000, "it is not JSON"),
        (b"[" * 100_000, SHAPE),
        (b"null", SHAPE),
        (b'["{ a }"]', SHAPE),
        (b'{"q": 1}', SHAPE),
        (b'{"q": {"body": "{ a }"}}', SHAPE),
        (apollo({}), SHAPE),
        (apollo(["{ a }"]), SHAPE),
        (apollo([{"id": "q"}]), SHAPE),
        (apollo([{"body": "{ a }"}]), SHAPE),
        (apollo([{"id": ["q"], "body": "{ a }"}]), SHAPE),
    ],
)
def test_an_invalid_manifest_is_an_error(tmp_path: Path, content: bytes, reason: str) -> None:
    """An invalid manifest stops the start, with its path and the reason in one line."""
    path = tmp_path / "manifest.json"
    path.write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        create_app(Settings.load(upstream_url=UPSTREAM_URL, trusted_documents=str(path)))

    assert str(caught.value) == f"GATEWAY_TRUSTED_DOCUMENTS={path}: {reason}"


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    """A missing manifest stops the start, with the operating system's reason."""
    path = tmp_path / "nowhere.json"

    with pytest.raises(SettingsError) as caught:
        read_manifest(path)

    assert str(caught.value) == f"GATEWAY_TRUSTED_DOCUMENTS={path}: No such file or directory"


def test_a_manifest_may_be_empty(tmp_path: Path) -> None:
    """With an empty manifest there are no trusted documents."""
    path = tmp_path / "manifest.json"
    path.write_bytes(b"{}")

    assert not read_manifest(path)


def test_trusted_documents_only_requires_trusted_documents() -> None:
    """A gateway that would refuse every document does not start."""
    with pytest.raises(SettingsError, match="GATEWAY_TRUSTED_DOCUMENTS"):
        create_app(Settings(upstream_url="http://rest.invalid", trusted_documents_only=True))
