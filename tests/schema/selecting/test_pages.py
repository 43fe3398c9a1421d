"""`limit` and `offset`, and the arguments, cursors and `pageInfo` of a connection."""

import base64
from typing import Any

import orjson
import pytest

from gateway.errors import BadUserInputError
from gateway.schema.selecting.ordering import ChatSessionOrder, Direction, Order, order_of
from gateway.schema.selecting.pages import ChatSessionConnection, cut
from tests.schema.selecting.desk import Desk, Json, ids_of, page_of, records

FIVE = records(*({} for _ in range(5)))
ALL = [1, 2, 3, 4, 5]
TOO_LARGE = 2**31 - 1


def page(sessions: Any, order: Order | None = None, /, **arguments: Any) -> ChatSessionConnection:
    """Return the connection of some sessions in an order, with a client's arguments."""
    return page_of(sessions, order or Order(), **arguments)


def nodes(connection: ChatSessionConnection) -> list[int]:
    """Return the keys of a page's sessions."""
    return ids_of(edge.node for edge in connection.edges)


def cursor_of(number: int, order: Order | None = None, sessions: Any = FIVE) -> str:
    """Return the cursor of the session with this key."""
    edges = page(sessions, order).edges
    return next(edge.cursor for edge in edges if edge.node.chat_session_id == number)


def cursor_from(value: object) -> str:
    """Write a cursor as an attacker would."""
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode()


@pytest.mark.parametrize(
    ("limit", "offset", "ids"),
    [
        (None, None, ALL),
        (2, None, [1, 2]),
        (0, None, []),
        (9, None, ALL),
        (10_000, 1_000_000, []),
        (None, 2, [3, 4, 5]),
        (None, 0, ALL),
        (None, 5, []),
        (2, 1, [2, 3]),
        (2, 4, [5]),
        (0, 4, []),
    ],
    ids=str,
)
def test_a_list_is_cut(limit: int | None, offset: int | None, ids: list[int]) -> None:
    """`offset` skips and `limit` bounds; beyond the end there is nothing, and no error."""
    assert cut(ALL, limit, offset) == ids


@pytest.mark.parametrize(
    ("limit", "offset", "message"),
    [
        (-1, None, "`limit` has to be from 0 to 10000, not -1."),
        (10_001, None, "`limit` has to be from 0 to 10000, not 10001."),
        (None, -1, "`offset` has to be from 0 to 1000000, not -1."),
        (None, 1_000_001, "`offset` has to be from 0 to 1000000, not 1000001."),
        (-1, -1, "`limit` has to be from 0 to 10000, not -1."),
    ],
)
def test_an_invalid_number_is_refused(limit: int | None, offset: int | None, message: str) -> None:
    """The message has the argument, its range, and the value."""
    with pytest.raises(BadUserInputError) as refused:
        cut(ALL, limit, offset)

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("arguments", "ids", "has_previous", "has_next"),
    [
        ({}, ALL, False, False),
        ({"first": 2}, [1, 2], False, True),
        ({"first": 5}, ALL, False, False),
        ({"first": 9}, ALL, False, False),
        ({"first": 0}, [], False, True),
        ({"last": 2}, [4, 5], True, False),
        ({"last": 5}, ALL, False, False),
        ({"last": 9}, ALL, False, False),
        ({"last": 0}, [], True, False),
        ({"after": 2}, [3, 4, 5], True, False),
        ({"after": 5}, [], True, False),
        ({"before": 4}, [1, 2, 3], False, True),
        ({"before": 1}, [], False, True),
        ({"first": 2, "after": 1}, [2, 3], True, True),
        ({"first": 2, "after": 3}, [4, 5], True, False),
        ({"first": 2, "before": 4}, [1, 2], False, True),
        ({"last": 2, "before": 5}, [3, 4], True, True),
        ({"last": 2, "before": 3}, [1, 2], False, True),
        ({"last": 2, "after": 2}, [4, 5], True, False),
        ({"after": 1, "before": 5}, [2, 3, 4], True, True),
        ({"after": 1, "before": 5, "first": 1}, [2], True, True),
        ({"after": 1, "before": 5, "last": 1}, [4], True, True),
        ({"after": 4, "before": 2}, [], True, True),
        ({"after": 3, "before": 3}, [], True, True),
    ],
    ids=str,
)
def test_a_page_knows_whether_there_are_others(
    arguments: Json, ids: list[int], has_previous: bool, has_next: bool
) -> None:
    """`pageInfo` is right in both directions, for any direction of paging."""
    page_arguments = {
        name: cursor_of(value) if name in {"after", "before"} else value
        for name, value in arguments.items()
    }

    result = page(FIVE, **page_arguments)

    assert nodes(result) == ids
    assert result.page_info.has_previous_page is has_previous
    assert result.page_info.has_next_page is has_next
    assert result.total_count == 5


def test_a_page_has_its_first_and_last_cursor() -> None:
    """`startCursor` and `endCursor` are the cursors of the page's edges."""
    result = page(FIVE, first=3)

    assert result.page_info.start_cursor == result.edges[0].cursor
    assert result.page_info.end_cursor == result.edges[2].cursor


def test_a_cursor_fits_into_a_url() -> None:
    """Proxies refuse long URLs, and eighteen letters are compared in the place of this one."""
    sessions = records({"CustomerName": "\ufdfa" * 255}, {"CustomerName": "b"})
    by_name = order_of([ChatSessionOrder(customer_name=Direction.DESC)])

    cursor = cursor_of(1, by_name, sessions)

    assert len(cursor) < 2_000
    assert nodes(page(sessions, by_name, after=cursor)) == [2]


@pytest.mark.parametrize("sessions", [(), FIVE], ids=["no sessions", "none of five"])
def test_an_empty_page_has_no_cursors(sessions: Any) -> None:
    """Without edges `startCursor` and `endCursor` are null."""
    info = page(sessions, first=0).page_info

    assert (info.start_cursor, info.end_cursor) == (None, None)


@pytest.mark.parametrize("name", ["first", "last"])
@pytest.mark.parametrize("number", [-1, 10_001, TOO_LARGE])
def test_an_invalid_page_size_is_refused(name: str, number: int) -> None:
    """The message has the argument, its range, and the value."""
    with pytest.raises(BadUserInputError) as refused:
        page(FIVE, **{name: number})

    assert str(refused.value) == f"`{name}` has to be from 0 to 10000, not {number}."


@pytest.mark.parametrize("first", [0, 2])
def test_first_and_last_together_are_refused(first: int) -> None:
    """`first` together with `last` is ambiguous."""
    with pytest.raises(BadUserInputError, match="`first` or `last`, not both"):
        page(FIVE, first=first, last=2)


SIGNATURE = Order().signature
BY_NAME = order_of([ChatSessionOrder(customer_name=Direction.ASC)])
ODD_CURSORS = [
    pytest.param("", id="empty"),
    pytest.param("garbage", id="garbage"),
    pytest.param("größer", id="not ASCII"),
    pytest.param("\ud800", id="a lone surrogate"),
    pytest.param("YQ==", id="not JSON"),
    pytest.param("/w==", id="not UTF-8"),
    pytest.param("====", id="padding"),
    pytest.param("YXJyYXljb25uZWN0aW9uOjE=", id="an offset, as in other servers"),
    pytest.param(base64.b64encode(b"[" * 100_000).decode(), id="deep"),
    pytest.param(base64.b64encode(b"[NaN]").decode(), id="not a number"),
    pytest.param("A" * 1_000_000, id="long"),
    pytest.param(cursor_from(None), id="null"),
    pytest.param(cursor_from(7), id="a number"),
    pytest.param(cursor_from({}), id="an object"),
    pytest.param(cursor_from([]), id="an empty list"),
    pytest.param(cursor_from([[SIGNATURE], 1]), id="signature in a list"),
    pytest.param(cursor_from([SIGNATURE]), id="no key"),
    pytest.param(cursor_from([SIGNATURE, 1, 2]), id="too many keys"),
    pytest.param(cursor_from([SIGNATURE, "1"]), id="text for a number"),
    pytest.param(cursor_from([SIGNATURE, 1.0]), id="a fraction"),
    pytest.param(cursor_from([SIGNATURE, True]), id="a boolean"),
    pytest.param(cursor_from([SIGNATURE, [1]]), id="a list for a number"),
    pytest.param(
        base64.b64encode(b'["%s",1%s]' % (SIGNATURE.encode(), b"0" * 400)).decode(),
        id="more than 64 bits",
    ),
    pytest.param(cursor_from([BY_NAME.signature, "ada", 1]), id="another order"),
    pytest.param(cursor_from(["chat_session_id DESC,chat_session_id ASC", 1, 1]), id="descending"),
]


@pytest.mark.parametrize("name", ["after", "before"])
@pytest.mark.parametrize("cursor", ODD_CURSORS)
def test_an_invalid_cursor_is_refused(name: str, cursor: str) -> None:
    """The message for garbage and forgeries names the argument."""
    with pytest.raises(BadUserInputError, match=f"`{name}` is "):
        page(FIVE, **{name: cursor})


def test_a_cursor_of_another_order_has_its_own_message() -> None:
    """The likeliest mistake: the client changed `orderBy` and sent its old cursor."""
    with pytest.raises(BadUserInputError, match=r"`after` is a cursor of another `orderBy`\."):
        page(FIVE, BY_NAME, after=cursor_of(1))


def test_a_number_for_a_name_is_refused() -> None:
    """Each key of an order has its own type."""
    with pytest.raises(BadUserInputError, match="`after`"):
        page(FIVE, BY_NAME, after=cursor_from([BY_NAME.signature, 1, 1]))


def test_a_cursor_is_safe_in_a_url() -> None:
    """Clients store their position in URLs, so it has no special characters."""
    desk = records(*({"CustomerName": name} for name in ["ÿþ?>~", "さくら", "<<<???>>>"]))

    for edge in page(desk, BY_NAME).edges:
        assert set("+/&?# ").isdisjoint(edge.cursor)


def test_a_cursor_stays_valid_without_its_session() -> None:
    """A cursor is a position in the order, and not a session."""
    remaining = [session for session in FIVE if session.chat_session_id != 3]

    assert nodes(page(remaining, after=cursor_of(3))) == [4, 5]
    assert nodes(page(remaining, before=cursor_of(3))) == [1, 2]


def test_sessions_that_arrive_before_a_cursor_do_not_move_it() -> None:
    """An offset would return a session twice here."""
    cursor = cursor_of(3)
    more = records(*({"ChatSessionId": n} for n in (-2, -1, 1, 2, 3, 4, 5)))

    assert nodes(page(more, after=cursor, first=1)) == [4]


def test_a_cursor_can_point_to_a_session_without_the_sort_key() -> None:
    """Missing values come last, sorted by `chatSessionId`."""
    desk = records({"CustomerName": "Ada"}, {}, {"CustomerName": None}, {"CustomerName": "Bo"})
    cursor = cursor_of(2, BY_NAME, desk)

    assert nodes(page(desk, BY_NAME, after=cursor)) == [3]
    assert nodes(page(desk, BY_NAME, before=cursor)) == [1, 4]


def test_a_cursor_can_have_an_empty_name() -> None:
    """An empty name is not encrypted: there is nothing to hide."""
    desk = records({"CustomerName": "Ada"}, {"CustomerName": ""})

    assert nodes(page(desk, BY_NAME, after=cursor_of(2, BY_NAME, desk))) == [1]


@pytest.mark.parametrize("way", list(Direction))
@pytest.mark.parametrize("time", ["0001-01-02T00:00:00", "9999-12-31T23:59:59.9999999"])
def test_a_cursor_can_have_any_time(way: Direction, time: str) -> None:
    """A cursor keeps all digits of a time, from one end of the calendar to the other."""
    order = order_of([ChatSessionOrder(when_requested=way)])
    desk = records({"WhenRequested": time}, {"WhenRequested": "2026-01-01T00:00:00"})

    ids = nodes(page(desk, order, after=cursor_of(1, order, desk)))

    assert ids == ([2] if (way is Direction.ASC) == time.startswith("0001") else [])


CONNECTION = """query ($first: Int, $after: String, $last: Int, $before: String) {
  chatSessionConnection(first: $first, after: $after, last: $last, before: $before) {
    totalCount fetchedAt edges { cursor node { chatSessionId } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""
DESK = Desk([{"ChatSessionId": n} for n in (3, 1, 2)])


async def test_a_connection_is_sorted_by_key_by_default() -> None:
    """The REST API's own order is not stable enough for cursors."""
    data = (await DESK.ask(CONNECTION, {"first": 2}))["chatSessionConnection"]

    assert [edge["node"]["chatSessionId"] for edge in data["edges"]] == [1, 2]
    assert data["totalCount"] == 3
    assert data["fetchedAt"] == "2026-11-23T12:00:00.000Z"
    assert data["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": data["edges"][0]["cursor"],
        "endCursor": data["edges"][1]["cursor"],
    }


@pytest.mark.parametrize("key", ["customerName", "user", "contact"])
async def test_a_cursor_reveals_no_name(key: str) -> None:
    """Cursors are in URLs and so in logs; the same position always has the same cursor."""
    sessions = [
        {
            "ChatSessionId": n,
            "CustomerName": name,
            "User": {"AssociateId": 1, "FullName": name},
            "Contact": {"ContactId": 1, "Name": name},
        }
        for n, name in enumerate(["", "Ada", "Bo"])
    ]
    desk = Desk(sessions)
    query = """query ($after: String) { chatSessionConnection(
      first: 2, after: $after, orderBy: [{%s: ASC}]) {
        edges { node { customerName } } pageInfo { endCursor } } }""".replace("%s", key)
    pages = [(await desk.ask(query))["chatSessionConnection"] for _ in range(2)]
    cursor = pages[0]["pageInfo"]["endCursor"]
    following = (await desk.ask(query, {"after": cursor}))["chatSessionConnection"]

    assert pages[0] == pages[1]
    content = base64.urlsafe_b64decode(cursor).lower()
    assert b"ada" not in content
    assert b"ada".hex().encode() not in content
    assert [edge["node"]["customerName"] for edge in following["edges"]] == ["Bo"]


async def test_an_empty_cursor_is_ignored() -> None:
    """Apollo Client's relayStylePagination sends one before it has a page."""
    data = await DESK.ask(CONNECTION, {"first": 2, "after": "", "before": ""})

    assert data == await DESK.ask(CONNECTION, {"first": 2})


async def test_the_total_is_that_of_the_filter() -> None:
    """Filters change the total, and pages do not."""
    data = await DESK.ask(
        "{ chatSessionConnection(first: 1, filter: {chatSessionId: {in: [1, 2]}}) { totalCount } }"
    )

    assert data == {"chatSessionConnection": {"totalCount": 2}}


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"first": -1}, "`first`"),
        ({"last": 10_001}, "`last`"),
        ({"first": 1, "last": 1}, "`first` or `last`"),
        ({"after": "x"}, "`after`"),
        ({"first": 2**31}, "$first"),
        ({"first": "two"}, "$first"),
        ({"after": 1}, "$after"),
    ],
    ids=str,
)
async def test_an_invalid_argument_of_a_connection_is_bad_input(
    variables: Json, named: str
) -> None:
    """The message names the argument."""
    assert named in await DESK.refusal(CONNECTION, variables)


@pytest.mark.parametrize(
    ("variables", "named"),
    [({"limit": -1}, "`limit`"), ({"offset": -1}, "`offset`"), ({"limit": 2**31}, "$limit")],
    ids=str,
)
async def test_an_invalid_argument_of_a_list_is_bad_input(variables: Json, named: str) -> None:
    """The message names the argument."""
    query = (
        "query ($limit: Int, $offset: Int) { chatSessions(limit: $limit, offset: $offset) {id} }"
    )

    assert named in await DESK.refusal(query, variables)


@pytest.mark.parametrize("key", [None, "x", 0])
async def test_sessions_without_a_key_are_paged_too(key: object) -> None:
    """SuperOffice should not send any, but they are still listed, sorted by their content."""
    desk = Desk([{"ChatSessionId": key, "CustomerName": name} for name in "abc"])
    query = """query ($after: String) { chatSessionConnection(first: 1, after: $after) {
        edges { cursor node { customerName } } pageInfo { hasNextPage } } }"""
    customer_names: list[str] = []
    after = None
    for _ in range(3):
        page = (await desk.ask(query, {"after": after}))["chatSessionConnection"]
        [edge] = page["edges"]
        customer_names.append(edge["node"]["customerName"])
        after = edge["cursor"]

    assert sorted(customer_names) == ["a", "b", "c"]
    assert page["pageInfo"] == {"hasNextPage": False}
