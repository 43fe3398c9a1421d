"""Any JSON in the place of any value affects only that place."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schema.asking import Answer, Json, ask
from tests.schema.contract import CONTRACT, ENUMS, field_name
from tests.schema.everything import QUERY, expected, like
from tests.schema.records import full_record

pytestmark = pytest.mark.slow

Path = tuple[str | int, ...]

SESSION = full_record()
_SESSION_TEXT = orjson.dumps(SESSION)
UNTOUCHED = full_record(first=1000)
INSIDE = {
    "[FieldProperty!]": "FieldProperty",
    "[ExtraField!]": "text",
    "[CustomField!]": "text",
    "[[LocalizedField!]!]": "line",
    "line": "LocalizedField",
}


def places(kind: str, value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the path of each value inside a record, with its kind in the contract."""
    if path:
        yield path, kind
    if kind in CONTRACT:
        for name in value:
            yield from places(CONTRACT[kind][name], value[name], (*path, name))
    elif kind in INSIDE:
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(INSIDE[kind], value[key], (*path, key))


PLACES = dict(places("ChatSession", SESSION))
PROPERTIES = {path: kind for path, kind in PLACES.items() if kind not in INSIDE.values()}


def changed(changes: dict[Path, Any]) -> Json:
    """Return the session with other values at some paths; the deepest are changed first."""
    session: Json = orjson.loads(_SESSION_TEXT)
    for path in sorted(changes, key=len, reverse=True):
        *way, last = path
        container: Any = session
        for step in way:
            container = container[step]
        container[last] = changes[path]
    return session


def graphql_path(path: Path) -> list[str | int]:
    """Return the path in the answer of a property of the first session."""
    steps: list[str | int] = ["chatSessions", 0]
    value: Any = SESSION
    for n, step in enumerate(path):
        if PLACES.get(path[:n]) in INSIDE:
            steps.append(list(value).index(step) if isinstance(value, dict) else step)
        else:
            steps.append(field_name(str(step)))
        value = value[step]
    return steps


def assert_errors_are_in_the_first_session(answer: Answer) -> None:
    """Check that every error blames SuperOffice and has a path in the first session."""
    assert set(answer.codes) <= {"UPSTREAM_BAD_RESPONSE"}
    assert all(path[:2] == ["chatSessions", 0] and len(path) > 2 for path in answer.paths)


texts = st.text(st.characters(exclude_categories=()), max_size=20)  # with lone surrogates
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
# With the REST API's property names, as other values are never read.
objects = st.dictionaries(st.sampled_from(list(CONTRACT["ChatSession"])), anything, max_size=8)
dates = st.builds(
    "{:%Y-%m-%dT%H:%M:%S}{}{}".format,
    st.datetimes(min_value=dt.datetime(1000, 1, 1)),  # strftime does not pad earlier years
    st.just("") | st.from_regex(r"\.[0-9]{1,7}", fullmatch=True),
    st.sampled_from(["", "Z", "+01:00", "-0500", "+1345"]),
)
allowed: dict[str, st.SearchStrategy[Any]] = {
    "Int": st.integers(-(2**31), 2**31 - 1),
    "Float": st.floats(allow_nan=False, allow_infinity=False),
    "Boolean": st.booleans(),
    "String": st.text(),
    "DateTime": dates | st.just("0001-01-01T00:00:00"),
    "[FieldProperty!]": st.dictionaries(st.text(), st.just({"FieldLength": 1}), max_size=4),
    "[ExtraField!]": st.dictionaries(st.text(), st.none() | st.text(), max_size=4),
    "[CustomField!]": st.dictionaries(st.text(), st.none() | st.text(), max_size=4),
    "[[LocalizedField!]!]": st.lists(st.lists(st.just({"ValueLength": 1}), max_size=3), max_size=3),
    **{name: st.sampled_from([*members, "Snoozed"]) for name, members in ENUMS.items()},
}


@st.composite
def good_changes(draw: st.DrawFn) -> dict[Path, Any]:
    """Draw values that the contract allows for some paths; every property may be null."""
    paths = draw(st.lists(st.sampled_from(list(PROPERTIES)), min_size=1, max_size=8, unique=True))
    return {path: draw(allowed.get(PROPERTIES[path], st.just({})) | st.none()) for path in paths}


@given(st.dictionaries(st.sampled_from(list(PLACES)), anything, min_size=1, max_size=6))
async def test_invalid_values_in_a_session_do_not_affect_others(
    changes: dict[Path, Any],
) -> None:
    """The list is complete, the other session is unchanged, and the answer is valid JSON."""
    answer = await ask(QUERY, [changed(changes), UNTOUCHED])

    _, other = answer.data["chatSessions"]
    (expected_data,) = expected([UNTOUCHED])["chatSessions"]
    assert like(expected_data, other) == expected_data
    assert_errors_are_in_the_first_session(answer)
    assert orjson.dumps([answer.data, answer.errors])


@given(objects)
async def test_an_invalid_session_does_not_affect_others(odd: Json) -> None:
    """The object may have hardly any property of a session."""
    answer = await ask(QUERY, [odd, UNTOUCHED])

    _, other = answer.data["chatSessions"]
    (expected_data,) = expected([UNTOUCHED])["chatSessions"]
    assert like(expected_data, other) == expected_data
    assert_errors_are_in_the_first_session(answer)
    assert orjson.dumps([answer.data, answer.errors])


@given(st.lists(anything, max_size=4), st.lists(anything, max_size=4))
async def test_invalid_elements_of_the_list_are_omitted(
    before: list[Any], after: list[Any]
) -> None:
    """Objects keep their order, and other elements are omitted."""
    sent = [*before, UNTOUCHED, *after]

    answer = await ask("{ chatSessions { chatSessionId } }", sent)

    objects_sent = [element for element in sent if isinstance(element, dict)]
    ids = [session["chatSessionId"] for session in answer.data["chatSessions"]]
    assert ids == [element.get("ChatSessionId") for element in objects_sent]


@given(st.sampled_from(list(PROPERTIES)), anything)
async def test_an_invalid_value_does_not_affect_its_neighbours(path: Path, value: Any) -> None:
    """The rest of its session is as if the property were missing."""
    *way, name = graphql_path(path)
    (expected_data,) = expected([changed({path: None})])["chatSessions"]

    answer = await ask(QUERY, [changed({path: value})])

    (session,) = answer.data["chatSessions"]
    holder: Any = answer.data
    for step in way:
        holder = holder[step]
    for field in (name, f"{name}Raw"):
        holder[field] = None
    assert like(expected_data, session) == expected_data
    assert all(error[: len(way)] == way for error in answer.paths)


@given(good_changes())
async def test_every_valid_value_is_answered(changes: dict[Path, Any]) -> None:
    """Any number, date and text is; a null or empty object is null, with an error where marked."""
    sessions = [changed(changes)]
    expected_data = expected(sessions)

    answer = await ask(QUERY, sessions)

    nulls = [graphql_path(path) for path, value in changes.items() if value is None]
    raws = [[*way, f"{name}Raw"] for *way, name in nulls]
    assert all(path in nulls + raws for path in answer.paths)
    assert set(answer.codes) <= {"UPSTREAM_BAD_RESPONSE"}
    assert like(expected_data, answer.data) == expected_data


@given(good_changes())
async def test_an_invalid_element_does_not_change_valid_values(changes: dict[Path, Any]) -> None:
    """Valid values are the same in an answer with invalid ones."""
    session = changed(changes)
    alone = await ask(QUERY, [session])

    beside = await ask(QUERY, [session, None])

    assert beside == alone
