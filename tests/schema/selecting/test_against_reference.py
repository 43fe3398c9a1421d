"""Filter, order and page together, compared with a simple reference implementation.

The reference works on the REST API's JSON and GraphQL's variables with Python's own datetime. It
shares no code with the gateway.
"""

import datetime as dt
import functools
import zoneinfo
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.schema.selecting.desk import Desk, Json

QUERY = """
query ($filter: ChatSessionFilter, $orderBy: [ChatSessionOrder!], $limit: Int, $offset: Int) {
  list: chatSessions(filter: $filter, orderBy: $orderBy, limit: $limit, offset: $offset) {
    chatSessionId
  }
  connection: chatSessionConnection(filter: $filter, orderBy: $orderBy, first: $limit) {
    totalCount edges { node { chatSessionId } }
  }
  summary: chatSessionSummary(filter: $filter) { total }
}
"""
UNSET = "0001-01-01T00:00:00"
STATUSES = {
    "Invalid": (0, None),
    "PreChatForm": (1, "PRE_QUEUE"),
    "Faq": (2, "PRE_QUEUE"),
    "OfflineForm": (3, "PRE_QUEUE"),
    "InQueue": (4, "WAITING"),
    "CustomerLast": (5, "LIVE"),
    "UserLast": (6, "LIVE"),
    "Finished": (7, "OVER"),
    "Deleted": (8, "OVER"),
    "Closed": (9, "OVER"),
    "RequestPosted": (10, "OVER"),
    "ClosedFromQueue": (11, "OVER"),
}
IN_GRAPHQL = {
    name: "".join(f"_{c}" if c.isupper() else c for c in name).lstrip("_").upper()
    for name in STATUSES
}
# Texts, and the same without case and accents.
PLAIN = {
    "Ada Lovelace": "ada lovelace",
    "ÅSE BJØRN": "ase bjorn",
    "Bjørn Ærlig": "bjorn aerlig",
    "Großmann": "grossmann",
    "田中": "田中",
    "": "",
}
NEEDLES = {"ADA": "ada", "ø": "o", "æR": "aer", "ss": "ss", "ß": "ss", "中": "中", "": "", "z": "z"}
LINKS = {
    "userId": ("User", "AssociateId"),
    "personId": ("Person", "PersonId"),
    "contactId": ("Contact", "ContactId"),
    "projectId": ("Project", "ProjectId"),
    "saleId": ("Sale", "SaleId"),
    "ticketId": ("Ticket", "TicketId"),
}
NAMED = {
    "user": ("User", "AssociateId", "FullName"),
    "contact": ("Contact", "ContactId", "Name"),
}
TIMES = ["WhenRequested", "WhenStarted", "WhenEnded", "WhenIdle"]
SECONDS = {
    "waitSeconds": "WhenRequested",
    "idleSeconds": "WhenIdle",
    "customerAwaySeconds": "WhenFetched",
}
NOW = (dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC), "0000000")
TEXTS = ["CustomerName", "CustomerAlias", "CustomerEmail", "CustomerPhone", "CustomerCompanyName"]
MESSAGES = ["FirstMessage", "LastMessage"]
NUMBERS = ["TopicId", "AlertLevel", "Rank", "Rating", "InitialQueuePos"]
FLAGS = ["ChatbotIsActive", "CustomerConsented"]


def lowered(rest_name: str) -> str:
    """Return the GraphQL name of a property."""
    return rest_name[0].lower() + rest_name[1:]


# --- the reference ---


def group_of(status: Any) -> str | None:
    """Return the group of a status."""
    return STATUSES[status][1] if status in STATUSES else None


def status_of(status: Any) -> str | None:
    """Return the GraphQL name of a status."""
    return IN_GRAPHQL.get(status, "UNRECOGNIZED") if status else None


def key_of(session: Json, link: str, key: str) -> int | None:
    """Return the key of a linked record, or None if the link is null, empty or blank."""
    linked = session.get(link)
    return linked[key] if linked and linked[key] else None


def moment(text: str | None, zone: dt.tzinfo | None) -> tuple[dt.datetime, str] | None:
    """Parse a time; its fraction stays text, since datetime would round it."""
    if not text or text == UNSET:
        return None
    whole, _, digits = text.partition(".")
    return dt.datetime.fromisoformat(whole).replace(tzinfo=zone or dt.UTC), digits.ljust(7, "0")


def seconds_of(session: Json, name: str, zone: dt.tzinfo | None) -> int | None:
    """Count from a time until now; a wait ends when an agent accepts or the queue closes."""
    status, group = session.get("Status"), group_of(session.get("Status"))
    is_open = group not in {None, "OVER"}
    until: tuple[dt.datetime, str] | None = NOW
    since, started, ended = (
        moment(session.get(time), zone) for time in (SECONDS[name], "WhenStarted", "WhenEnded")
    )
    is_unaccepted = group in {"PRE_QUEUE", "WAITING"} or status == "ClosedFromQueue"
    if name == "waitSeconds" and started and not is_unaccepted:
        until = started
    elif not is_open and (group == "OVER" or ended):
        until = ended if name == "waitSeconds" else None
    if zone is None or since is None or until is None:
        return None
    whole = (until[0] - since[0]) // dt.timedelta(seconds=1)
    return max(0, whole - (until[1] < since[1]))


def is_listed(value: Any, condition: Json) -> bool:
    """`in`: the value is one of these. `notIn`: it is not one of these, or there is no value."""
    allowed, banned = condition.get("in"), condition.get("notIn")
    is_in = allowed is None or (value is not None and value in allowed)
    return is_in and (banned is None or value is None or value not in banned)


def is_match(session: Json, condition: Json | None, zone: dt.tzinfo | None) -> bool:
    """Return whether every given part holds; null means that a part is not given."""
    return all(
        part is None or holds(session, name, part, zone) for name, part in (condition or {}).items()
    )


def holds(session: Json, name: str, part: Any, zone: dt.tzinfo | None) -> bool:
    """Return whether one part of a filter holds."""
    if name in {"and", "or"}:
        each = [is_match(session, inner, zone) for inner in part]
        return all(each) if name == "and" else any(each)
    if name == "not":
        return not is_match(session, part, zone)
    if name == "search":
        texts = [session.get(text) for text in [*TEXTS, *MESSAGES]]
        return not part or any(text and NEEDLES[part] in PLAIN[text] for text in texts)
    if name == "status":
        return is_listed(status_of(session.get("Status")), part)
    if name == "statusGroup":
        return is_listed(group_of(session.get("Status")), part)
    if name in LINKS:
        return is_listed(key_of(session, *LINKS[name]), part)
    if name in SECONDS:
        return is_between(seconds_of(session, name, zone), part)
    if name in {"assigned", "transferPending"}:
        link = "User" if name == "assigned" else "TransferTo"
        return (key_of(session, link, "AssociateId") is not None) is part
    return holds_of_value(session.get(name[0].upper() + name[1:]), name, part, zone)


def is_between(value: Any, condition: Json) -> bool:
    """Return whether there is a value within a range that includes both ends."""
    low, high = condition.get("min"), condition.get("max")
    is_enough = value is not None and (low is None or low <= value)
    return is_enough and (high is None or value <= high)


def holds_of_value(value: Any, name: str, part: Any, zone: dt.tzinfo | None) -> bool:
    """Return whether a part of a filter about one property holds."""
    if name in {"chatSessionId", "topicId"}:
        return is_listed(value, part)
    if isinstance(part, bool):
        return value is part
    if name == "rating":
        value = value or None  # "1 to 5 stars, 0 = none", and none does not match
    if name in {"alertLevel", "rating"}:
        return is_between(value, part)
    time, start, end = (moment(text, zone) for text in (value, part.get("from"), part.get("to")))
    return time is not None and (start is None or start <= time) and (end is None or time < end)


def sort_key(session: Json, name: str, zone: dt.tzinfo | None) -> Any:
    """Return a session's value to sort by, or None."""
    value = session.get(name[0].upper() + name[1:])
    if name == "rating":
        return value or None  # as in a filter: 0 = none
    if name == "status":
        return STATUSES[value][0] if value in STATUSES else None
    if name == "statusGroup":
        group = group_of(session.get("Status"))
        return group and ["PRE_QUEUE", "WAITING", "LIVE", "OVER"].index(group)
    if name in {"user", "contact"}:
        link, key, text = NAMED[name]
        value = session[link].get(text) if key_of(session, link, key) else None
    if name in {"customerName", *NAMED}:
        return None if value is None else PLAIN[value]
    return moment(value, zone) if name.startswith("when") else value


def in_order(
    sessions: list[Json], order_by: list[Json] | None, zone: dt.tzinfo | None
) -> list[Json]:
    """Sort by each key in turn, nulls last both ways, then by `chatSessionId`."""

    def compare(a: Json, b: Json) -> int:
        for entry in order_by or []:
            ((name, way),) = entry.items()
            x, y = sort_key(a, name, zone), sort_key(b, name, zone)
            if x == y:
                continue
            if x is None or y is None:
                return 1 if x is None else -1
            return (1 if x > y else -1) * (1 if way == "ASC" else -1)
        return int(a["ChatSessionId"] - b["ChatSessionId"])

    return sorted(sessions, key=functools.cmp_to_key(compare))


# --- sessions and queries ---


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Make a value or None."""
    return st.one_of(strategy, st.none())


small = st.integers(0, 3)
texts = st.sampled_from(list(PLAIN))
clock_times = st.builds(
    "2026-11-{:02}T{:02}:00:00{}".format,
    st.integers(22, 24),
    st.integers(0, 23),
    st.sampled_from(["", ".5", ".0000001"]),
)


number = st.integers(1, 3)


def linked(key: str) -> st.SearchStrategy[Any]:
    """Make a linked record, a blank one, an empty one, or none."""
    return st.one_of(
        st.builds(lambda n, name: {key: n, "Name": name, "FullName": name}, number, texts),
        st.sampled_from([None, {}, {key: 0, "Name": ""}]),
    )


sessions_of_a_desk = st.lists(
    st.fixed_dictionaries(
        {"ChatSessionId": st.integers(1, 30)},
        optional={
            "Status": st.sampled_from([*STATUSES, "Revived", None, ""]),
            **{name: maybe(small) for name in NUMBERS},
            **{name: maybe(st.booleans()) for name in FLAGS},
            **{name: maybe(texts) for name in [*TEXTS, *MESSAGES]},
            **{link: linked(key) for link, key in LINKS.values()},
            "TransferTo": linked("AssociateId"),
            **{
                name: st.one_of(clock_times, st.just(UNSET), st.none())
                for name in [*TIMES, "WhenFetched"]
            },
        },
    ),
    min_size=2,
    max_size=10,
    unique_by=lambda session: session["ChatSessionId"],
)


def lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Make an `in`, a `notIn`, both or neither."""
    some = maybe(st.lists(values, max_size=3))
    return st.fixed_dictionaries({}, optional={"in": some, "notIn": some})


def ordered_range(low: str, high: str) -> Callable[[tuple[Any, Any]], Json]:
    """Return a function that makes a range of two values in their order."""

    def make(pair: tuple[Any, Any]) -> Json:
        a, b = pair
        is_reversed = a is not None and b is not None and a > b
        return {low: b, high: a} if is_reversed else {low: a, high: b}

    return make


def ranges_of(values: st.SearchStrategy[int]) -> st.SearchStrategy[Json]:
    """Make a range of numbers."""
    return st.tuples(maybe(values), maybe(values)).map(ordered_range("min", "max"))


keys = lists(small)
graphql_statuses = st.sampled_from([*IN_GRAPHQL.values(), "UNRECOGNIZED"])
groups = st.sampled_from(["PRE_QUEUE", "WAITING", "LIVE", "OVER"])
time_ranges = st.tuples(maybe(clock_times), maybe(clock_times)).map(ordered_range("from", "to"))
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "status": lists(graphql_statuses),
    "statusGroup": lists(groups),
    "chatSessionId": lists(st.integers(1, 30)),
    "topicId": keys,
    **dict.fromkeys(LINKS, keys),
    "assigned": st.booleans(),
    "transferPending": st.booleans(),
    "chatbotIsActive": st.booleans(),
    "customerConsented": st.booleans(),
    **dict.fromkeys(["alertLevel", "rating"], ranges_of(small)),
    **dict.fromkeys(SECONDS, ranges_of(st.integers(0, 36).map(lambda hours: hours * 3600))),
    **{lowered(name): time_ranges for name in TIMES},
    "search": st.sampled_from(list(NEEDLES)),
}


def some_parts(parts: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Json]:
    """Make a filter of at most three parts, few of which are null."""
    names = st.lists(st.sampled_from(list(parts)), min_size=1, max_size=3, unique=True)
    return names.flatmap(
        lambda chosen: st.fixed_dictionaries(
            {name: st.one_of(*[parts[name]] * 5, st.none()) for name in chosen}
        )
    )


filters = st.recursive(
    some_parts(PARTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: {"and": each}),
        st.lists(inner, max_size=3).map(lambda each: {"or": each}),
        inner.map(lambda unwanted: {"not": unwanted}),
        st.builds(lambda one, other: {**one, **other}, inner, inner),
    ),
    max_leaves=5,
)
order_keys = ["chatSessionId", "status", "statusGroup", "customerName", *NAMED]
order_keys += map(lowered, [*NUMBERS, *TIMES])
orders = st.lists(
    st.builds(
        lambda name, way: {name: way}, st.sampled_from(order_keys), st.sampled_from(["ASC", "DESC"])
    ),
    max_size=3,
)
zones = st.sampled_from([None, zoneinfo.ZoneInfo("Europe/Oslo"), dt.UTC])


# Random examples may miss this: every part of a filter, on a session with every value.
FULL = {
    "ChatSessionId": 1,
    "Status": "InQueue",
    **dict.fromkeys(NUMBERS, 1),
    **dict.fromkeys(FLAGS, True),
    **dict.fromkeys([*TEXTS, *MESSAGES], "Ada Lovelace"),
    **{
        link: {key: 1, "Name": "Ada Lovelace", "FullName": "ÅSE BJØRN"}
        for link, key in LINKS.values()
    },
    "TransferTo": {"AssociateId": 1, "Name": "Kari"},
    **dict.fromkeys([*TIMES, "WhenFetched"], "2026-11-23T12:00:00"),
}
WANTS_FULL = {
    "status": {"in": ["IN_QUEUE"]},
    "statusGroup": {"in": ["WAITING"]},
    **{key: {"in": [1], "notIn": [2]} for key in ["chatSessionId", "topicId", *LINKS]},
    **dict.fromkeys(["assigned", "transferPending", *map(lowered, FLAGS)], True),
    **{name: {"min": 1, "max": 1} for name in ["alertLevel", "rating"]},
    **{name: {"min": 0, "max": 0} for name in SECONDS},
    **{
        lowered(name): {"from": "2026-11-23T12:00:00", "to": "2026-11-24T00:00:00"}
        for name in TIMES
    },
    "search": "ADA",
}
TIED = {**FULL, "ChatSessionId": 3, "WhenIdle": None}
LATER = {**FULL, "ChatSessionId": 4, "WhenIdle": "2026-11-23T13:00:00"}
OTHERS = [
    {**FULL, "ChatSessionId": 6, "User": {"AssociateId": 1, "FullName": "Bjørn Ærlig"}},
    {**FULL, "ChatSessionId": 7, "Contact": {"ContactId": 1, "Name": "Bjørn Ærlig"}},
]
EACH_WAY = [{name: part} for name, part in WANTS_FULL.items()]
BY_ALL = [
    {"topicId": "ASC"},
    {"statusGroup": "DESC"},
    {"user": "ASC"},
    {"contact": "DESC"},
    {"customerName": "ASC"},
    {"whenIdle": "DESC"},
]


@given(
    sessions_of_a_desk,
    filters,
    maybe(orders),
    maybe(st.integers(0, 6)),
    maybe(st.integers(0, 6)),
    zones,
)
@example([FULL, {"ChatSessionId": 2}], {"and": EACH_WAY, "not": None}, BY_ALL, None, None, dt.UTC)
@example(
    [{"ChatSessionId": 2}, TIED, FULL, LATER, {**FULL, "ChatSessionId": 5}, *OTHERS],
    {"or": [{"not": WANTS_FULL}, {}]},
    BY_ALL,
    None,
    1,
    dt.UTC,
)
def test_a_selection_equals_that_of_the_reference(
    sessions: list[Json],
    condition: Json,
    order_by: list[Json] | None,
    limit: int | None,
    offset: int | None,
    zone: dt.tzinfo | None,
) -> None:
    """List, connection and summary select the same sessions, for any sessions and any query."""
    desk = Desk(sessions, zone=zone)
    variables = {"filter": condition, "orderBy": order_by, "limit": limit, "offset": offset}
    matches = [s for s in sessions if is_match(s, condition, zone)]
    ordered = in_order(matches, order_by, zone)

    data = desk.now(QUERY, variables)

    ids = [s["ChatSessionId"] for s in (ordered if order_by else matches)]
    start = offset or 0
    end = None if limit is None else start + limit
    assert [s["chatSessionId"] for s in data["list"]] == ids[start:end]
    by_key = [s["ChatSessionId"] for s in ordered][:limit]
    edges = data["connection"]["edges"]
    assert [edge["node"]["chatSessionId"] for edge in edges] == by_key
    assert data["connection"]["totalCount"] == data["summary"]["total"] == len(matches)
    assert desk.calls == 1
