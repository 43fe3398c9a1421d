"""Trusted documents that cannot run are reported at the start, after a reload, and by doctor."""

import json
from pathlib import Path

import pytest
from graphql import GraphQLError

from gateway.web.read import document_check
from gateway.web.read.document_check import DocumentCheck
from tests.observe.logged import logged
from tests.support import RestSide, gateway_over
from tests.waiting import until

GOOD = "query Good { __typename }"
OLD = "query Old { xyzzy }"
WARNING = (
    "2 of 3 trusted documents cannot run: old (Cannot query field 'xyzzy' on type 'Query'.), "
    "none (Syntax Error: Unexpected Name 'nonsense'.)"
)


def write(path: Path, **documents: str) -> Path:
    """Write a manifest."""
    path.write_text(json.dumps(documents))
    return path


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a manifest, which is checked without pauses."""
    monkeypatch.setattr(document_check, "_PAUSE_S", 0)
    return write(tmp_path / "documents.json", good=GOOD, old=OLD, none="nonsense")


@pytest.mark.parametrize("only", [True, False])
async def test_documents_that_cannot_run_are_logged(
    rest: RestSide, manifest: Path, only: bool
) -> None:
    """The log names them at the start and after a reload, before a client gets an error."""
    settings = {"trusted_documents": manifest, "trusted_documents_only": only}
    with logged("warning") as log:
        async with gateway_over(rest, **settings) as gateway:
            await until(lambda: len(log.lines) == 1)
            write(manifest, good=GOOD, old=OLD)
            gateway.app.state.reload()
            await until(lambda: len(log.lines) == 2)
            write(manifest)
            gateway.app.state.reload()
            await until(lambda: len(log.lines) == 3)

    warnings = [event["event"] for event in log.events]
    assert warnings[0] == WARNING
    assert warnings[1].startswith("1 of 2 trusted documents cannot run: old (")
    assert warnings[2] == "There are no trusted documents"


async def test_a_reload_validates_new_texts_alone() -> None:
    """A deploy of one app changes few of thousands of documents; the old problems are repeated."""
    validated: list[str] = []

    async def errors_of(text: str) -> list[GraphQLError]:
        validated.append(text)
        return [GraphQLError(f"bad {text}")] if text > "m" else []

    check = DocumentCheck(errors_of)
    problems = []
    for texts in ("abc", "bcxyzw", "bxab"):
        check.manifests.put_nowait({f"{number}": text for number, text in enumerate(texts)})
        problems.append(await check.next_problem())

    assert "".join(validated) == "abcxyzwa"
    assert problems == [
        "",
        "4 of 6 trusted documents cannot run: 2 (bad x), 3 (bad y), 4 (bad z), …",
        "1 of 4 trusted documents cannot run: 1 (bad x)",
    ]
