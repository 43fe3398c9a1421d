"""Content negotiation: the media type of an answer."""

import pytest

from gateway.web.read.accept import GRAPHQL_JSON, HTML, JSON, LONGEST_LIST, preferred
from tests.support import Gateway
from tests.web.asking import first_error


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("  ", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/graphql-response+json", GRAPHQL_JSON),
        ("application/graphql-response+json, application/json", GRAPHQL_JSON),
        ("application/json, application/graphql-response+json", JSON),
        ("application/json;q=0.5, application/graphql-response+json;q=0.5", JSON),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL_JSON),
        ("application/json;q=0.5, application/graphql-response+json;q=0.6", GRAPHQL_JSON),
        ("application/graphql-response+json;charset=utf-8;q=0.9, */*;q=0.1", GRAPHQL_JSON),
        ("text/html, application/graphql-response+json ; q=0.2", GRAPHQL_JSON),
        ("*/*, application/json;q=0.1", GRAPHQL_JSON),
        ("application/*, application/json;q=0.1", GRAPHQL_JSON),
        ("application/json;q=0, */*", GRAPHQL_JSON),
        ("application/*;q=0, */*", None),
        ("application/json;q=0.1, application/json;q=0.9, */*;q=0.5", JSON),
        ("application/json;q=", JSON),
        ("application/json;q=oops", JSON),
        ("application/json;q=7", JSON),
        ("application/json;q=-1", None),
        ("application/json;q=0", None),
        ("application/json;Q=0.0", None),
        ("*/*;q=0", None),
        ("text/html", None),
        ("text/*", None),
        ("application/xml, text/plain;q=0.5", None),
        ("nonsense", None),
        (",;,=", None),
    ],
)
def test_the_preferred_type_is_chosen(accept: str, chosen: str | None) -> None:
    """The most specific range decides, then its weight, then the order in the header."""
    assert preferred(accept, (JSON, GRAPHQL_JSON)) == chosen


def test_a_browser_gets_the_page() -> None:
    """Chromium's Accept header prefers HTML, so it gets the page."""
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

    assert preferred(accept, (JSON, GRAPHQL_JSON, HTML)) == HTML


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL_JSON),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL_JSON),
        ("*/*", JSON),
    ],
)
async def test_the_answer_has_the_chosen_type(
    gateway: Gateway, accept: str, media_type: str
) -> None:
    """The answer's Content-Type is the chosen media type."""
    answer = await gateway.post("{ __typename }", headers={"Accept": accept})

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*"])
async def test_a_client_that_accepts_no_json_gets_406(gateway: Gateway, accept: str) -> None:
    """A client that accepts no JSON gets 406, with the possible media types in JSON."""
    answer = await gateway.post("{ __typename }", headers={"Accept": accept})

    assert answer.status_code == 406
    assert answer.headers["content-type"] == JSON
    assert first_error(answer) == (
        "BAD_REQUEST",
        "Accept has to allow application/json or application/graphql-response+json.",
    )


async def test_an_error_before_execution_has_the_chosen_type(gateway: Gateway) -> None:
    """An error before execution has the media type of the Accept header, too."""
    answer = await gateway.http.put("/graphql", headers={"Accept": GRAPHQL_JSON})

    assert answer.headers["content-type"] == GRAPHQL_JSON


def test_only_the_start_of_a_long_header_is_read() -> None:
    """Only the start of a long Accept header is read, which bounds time and memory."""
    many = "a/b," * LONGEST_LIST

    assert preferred(f"{JSON},{many}", (GRAPHQL_JSON, JSON)) == JSON
    assert preferred(f"{many},{JSON}", (GRAPHQL_JSON, JSON)) is None
