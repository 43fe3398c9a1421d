"""Trusted documents: manifests of three compilers, and every way to send a document's id."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.node import Node
from tests.clients.running import AUTHORIZATION, Run, Running

pytestmark = pytest.mark.socket

HEADERS = {"Authorization": AUTHORIZATION}
WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "sha256Hash": lambda name: {
        "extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}
    },
    "documentId": lambda name: {"documentId": name},
    "documentId with its algorithm": lambda name: {"documentId": f"sha256:{name}"},
    "doc_id": lambda name: {"doc_id": name},
    "id": lambda name: {"id": name},
}


def documents(manifest: Path) -> dict[str, str]:
    """Return a manifest's texts by their ids, without the `sha256:` prefix."""
    parsed = json.loads(manifest.read_text("utf-8"))
    operations = {o["id"]: o["body"] for o in parsed.get("operations", ())} or parsed
    return {name.removeprefix("sha256:"): text for name, text in operations.items()}


@pytest.fixture(scope="module", params=["apollo", "codegen", "relay"])
def manifest(manifests: Mapping[str, Path], request: pytest.FixtureRequest) -> Path:
    """Return the manifest of one of the compilers."""
    return manifests[request.param]


@pytest.fixture(scope="module")
def queue(manifest: Path) -> tuple[str, str]:
    """Return the id and the text of the app's main query."""
    return next(item for item in documents(manifest).items() if "chatSessions(" in item[1])


@pytest.fixture(scope="module")
def strict(run: Run, manifest: Path) -> Iterator[Running]:
    """Return a gateway that runs only the documents of the manifest."""
    with run(trusted_documents=manifest, trusted_documents_only=True) as live:
        yield live


def post(live: Running, body: Any) -> Any:
    """Send a request and return the answer."""
    return httpx.post(live.url, json=body, headers=HEADERS).json()


def codes(answer: Mapping[str, Any]) -> list[str]:
    """Return the codes of an answer that has errors and no data."""
    assert "data" not in answer
    return [error["extensions"]["code"] for error in answer["errors"]]


@pytest.mark.parametrize("way", WAYS)
def test_a_document_is_run_by_its_id(strict: Running, queue: tuple[str, str], way: str) -> None:
    """The id is enough in each field that clients use for it, and variables may come with it."""
    answer = post(strict, {**WAYS[way](queue[0]), "variables": {"limit": 3}})

    assert len(answer["data"]["chatSessions"]) == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_document_is_run_over_get(strict: Running, queue: tuple[str, str], way: str) -> None:
    """The id is accepted in a URL, with extensions and variables as JSON."""
    body = {**WAYS[way](queue[0]), "variables": {"limit": 3}}
    parameters = {
        name: part if isinstance(part, str) else json.dumps(part) for name, part in body.items()
    }
    answer = httpx.get(strict.url, params=parameters, headers=HEADERS).json()

    assert len(answer["data"]["chatSessions"]) == 3


def test_each_document_of_a_batch_is_run_by_its_id(strict: Running, queue: tuple[str, str]) -> None:
    """One batch can use all ways to send an id."""
    answers = post(strict, [way(queue[0]) for way in WAYS.values()])

    assert [len(answer["data"]["chatSessions"]) for answer in answers] == [12] * len(WAYS)


def test_the_text_of_a_trusted_document_is_run(strict: Running, queue: tuple[str, str]) -> None:
    """The text itself is trusted: a client that sends it needs no id."""
    answer = post(strict, {"query": queue[1], "variables": {"limit": 1}})

    assert len(answer["data"]["chatSessions"]) == 1


@pytest.mark.parametrize("suffix", ["", " ", "\n# a remark"])
def test_any_other_text_is_refused(strict: Running, queue: tuple[str, str], suffix: str) -> None:
    """A text that differs by one space is another text."""
    text = queue[1] + suffix if suffix else "{ __typename }"

    assert codes(post(strict, {"query": text})) == ["BAD_REQUEST"]


@pytest.mark.parametrize(
    ("body", "code"),
    [({"query": "{ __typename }"}, "BAD_REQUEST"), ({}, "PERSISTED_QUERY_NOT_SUPPORTED")],
    ids=["text and hash", "hash alone"],
)
def test_a_text_is_not_made_trusted_by_its_hash(
    strict: Running, body: Mapping[str, Any], code: str
) -> None:
    """Automatic persisted queries are off, as they would let any client add a query."""
    sha256 = hashlib.sha256(b"{ __typename }").hexdigest()

    assert codes(post(strict, {**body, **WAYS["sha256Hash"](sha256)})) == [code]


@pytest.mark.parametrize("way", [way for way in WAYS if way != "sha256Hash"])
def test_an_unknown_id_is_not_found(strict: Running, way: str) -> None:
    """An app that is newer than the manifest gets a code for its missing document."""
    assert codes(post(strict, WAYS[way]("f" * 64))) == ["PERSISTED_QUERY_NOT_FOUND"]


def test_any_text_is_run_without_trusted_documents_only(
    run: Run, manifest: Path, queue: tuple[str, str]
) -> None:
    """Without the second setting the manifest only adds ids for queries."""
    with run(trusted_documents=manifest) as live:
        named = post(live, WAYS["id"](queue[0]))
        written = post(live, {"query": "{ chatSessionSummary { total } }"})

    assert len(named["data"]["chatSessions"]) == 12
    assert written == {"data": {"chatSessionSummary": {"total": 12}}}


@pytest.mark.parametrize("version", ["4", "3"])
def test_apollo_sends_the_ids_of_its_manifest(
    node: Node, run: Run, manifests: Mapping[str, Path], version: str
) -> None:
    """Apollo Client with its own manifest sends no text at all."""
    path = manifests["apollo"]
    with (
        run(trusted_documents=path, trusted_documents_only=True) as live,
        node.script("apollo.mjs", version) as apollo,
    ):
        data = apollo("trusted", url=live.url, authorization=AUTHORIZATION, manifest=str(path))

    assert len(data["chatSessions"]) == 12
    assert live.requests == ["POST hash"]
