"""The content of an answer, at any time."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pytest

from gateway.demo.app import create_demo_app
from tests.demo.asking import EMMA, JONAS, KARI, NOON, Json, ask, sessions_of
from tests.schema.contract import CONTRACT

pytestmark = pytest.mark.slow

LINKS = ["User", "Person", "Contact", "Project", "Sale", "Ticket", "TransferTo"]
MAPS = {"FieldProperties"}
NESTED = {
    name: kind.strip("[]!")
    for kinds in CONTRACT.values()
    for name, kind in kinds.items()
    if kind.strip("[]!") in CONTRACT
}
"""The properties with nested records, and the types of these."""


def records(value: object, kind: str) -> Iterator[tuple[str, Json]]:
    """Yield every record in an answer with the name of its type, depth first."""
    if isinstance(value, list):
        for item in value:
            yield from records(item, kind)
    elif isinstance(value, dict):
        yield kind, value
        for name, nested in value.items():
            inside = list(nested.values()) if name in MAPS and nested else nested
            if name in NESTED:
                yield from records(inside, NESTED[name])


async def test_the_same_seed_and_second_give_the_same_answer() -> None:
    """An answer depends on no earlier answer and on no random draw."""
    headers = {"Authorization": KARI.authorization_basic}
    apps = [create_demo_app(clock=lambda: NOON + 0.2), create_demo_app(clock=lambda: NOON + 0.9)]

    first, again = [await ask(app, headers) for app in apps]

    assert first.content == again.content


async def test_another_second_gives_another_answer() -> None:
    """The sessions change every second."""
    assert await sessions_of(KARI, now=NOON) != await sessions_of(KARI, now=NOON + 1)


async def test_another_seed_gives_another_answer() -> None:
    """All invented data comes from the seed."""
    assert await sessions_of(KARI, seed=1) != await sessions_of(KARI, seed=2)


@pytest.mark.parametrize("sessions", [0, 1, 12, 500])
async def test_each_user_sees_the_configured_number_of_sessions(sessions: int) -> None:
    """The number applies to each user, and no session is there twice."""
    for user in (KARI, JONAS, EMMA):
        ids = {s["ChatSessionId"] for s in await sessions_of(user, sessions=sessions)}

        assert len(ids) == sessions


async def test_users_share_some_sessions_and_have_others_alone() -> None:
    """Two users with a common topic see the same sessions of it."""
    kari, jonas, emma = [
        {s["ChatSessionId"]: s for s in await sessions_of(user)} for user in (KARI, JONAS, EMMA)
    ]

    assert kari.keys() & jonas.keys() & emma.keys()
    assert kari.keys() - jonas.keys() - emma.keys()
    assert jonas.keys() - kari.keys() - emma.keys()
    assert emma.keys() - kari.keys() - jonas.keys()
    assert all(kari[shared] == jonas[shared] for shared in kari.keys() & jonas.keys())


async def test_a_user_sees_only_sessions_of_own_topics() -> None:
    """A user sees a session if they are a member of its topic."""
    assert {s["TopicId"] for s in await sessions_of(EMMA)} == set(EMMA.topics)


async def test_an_answer_has_exactly_the_properties_of_the_contract() -> None:
    """One answer has all 264 properties of 13 types."""
    properties: defaultdict[str, set[str]] = defaultdict(set)
    for kind, record in records(await sessions_of(KARI, sessions=100), "ChatSession"):
        properties[kind] |= record.keys()

    assert properties == {kind: set(names) for kind, names in CONTRACT.items()}


async def test_a_small_answer_has_every_property_too() -> None:
    """The default number of sessions is enough to see every property."""
    properties: defaultdict[str, set[str]] = defaultdict(set)
    for kind, record in records(await sessions_of(KARI), "ChatSession"):
        properties[kind] |= record.keys()

    assert properties == {kind: set(names) for kind, names in CONTRACT.items()}


@pytest.mark.parametrize("name", LINKS)
async def test_a_nested_record_is_there_on_some_sessions_and_null_on_others(name: str) -> None:
    """One answer has both."""
    links = [session[name] for session in await sessions_of(KARI, sessions=100)]

    assert None in links
    assert any(links)


@pytest.mark.parametrize(
    "name", ["TableRight", "FieldProperties", "Address", "Street", "FieldRight"]
)
async def test_rights_and_addresses_are_sometimes_null(name: str) -> None:
    """Clients cannot rely on rights or addresses either."""
    answer = await sessions_of(KARI, sessions=100)
    values = [r[name] for _, r in records(answer, "ChatSession") if name in r]

    assert None in values
    assert any(values)


async def test_some_table_rights_are_empty_objects() -> None:
    """Older servers write an object without members."""
    assert {} in [session["TableRight"] for session in await sessions_of(KARI, sessions=100)]


async def test_a_missing_agent_is_sometimes_an_empty_record() -> None:
    """A session without an agent has null, or an Associate whose key is 0."""
    users = [s["User"] for s in await sessions_of(KARI, sessions=100) if s["User"]]
    blanks = [user for user in users if user["AssociateId"] == 0]

    assert blanks
    assert all(blank["FullName"] == "" and blank["TableRight"] is None for blank in blanks)


async def test_a_record_is_the_same_wherever_it_is_linked() -> None:
    """Two sessions with the same company, person or agent have equal records of it."""
    answer = await sessions_of(KARI, sessions=200)
    first_records: dict[tuple[str, int], Json] = {}
    for kind, record in records(answer, "ChatSession"):
        key = record.get(f"{kind}Id")
        if key is not None:
            assert first_records.setdefault((kind, key), record) == record


async def test_about_half_of_the_sessions_have_all_links() -> None:
    """Fully linked sessions are as frequent as others."""
    answer = await sessions_of(KARI, sessions=400)
    full = [s for s in answer if all(s[n] for n in LINKS if n not in {"User", "TransferTo"})]

    assert 0.4 < len(full) / len(answer) < 0.6


async def test_a_fully_linked_session_has_the_size_of_a_real_one() -> None:
    """A session has 15 to 25 kB of compact JSON, most of it rights."""
    answer = await sessions_of(KARI, sessions=400, accept_language="en")
    sizes = [
        len(json.dumps(session, ensure_ascii=False, separators=(",", ":")).encode())
        for session in answer
        if all(session[name] for name in LINKS if name != "TransferTo")
    ]

    assert min(sizes) > 15_000
    assert max(sizes) < 25_000


async def test_rights_come_before_the_properties() -> None:
    """Real servers write these two keys first."""
    for session in await sessions_of(KARI):
        assert list(session)[:2] == ["TableRight", "FieldProperties"]


async def test_masks_are_words_and_combinations_of_words() -> None:
    """A mask is not one of a fixed set of members."""
    answer = await sessions_of(KARI, sessions=100)
    masks = {r["Mask"] for _, r in records(answer, "ChatSession") if "Mask" in r}

    assert masks >= {"FULL", "URI", "RI, RestrictedUpdate", "Update, UIHintMandatory", "Read"}


async def test_keys_of_field_properties_are_not_property_names() -> None:
    """Contact guards its URL under another name, and custom fields have dots and colons."""
    contacts = [s["Contact"] for s in await sessions_of(KARI) if s["Contact"]]

    assert contacts[0]["FieldProperties"].keys() >= {
        "UrlAddress",
        "Phone",
        "CategoryId",
        "UserDefinedFields.SuperOffice:1",
    }


async def test_an_address_has_its_lines_in_the_order_of_the_country() -> None:
    """Norway has the postcode before the city, on one line, with one label."""
    answer = await sessions_of(KARI, sessions=100)
    address = next(
        s["Contact"]["Address"]
        for s in answer
        if s["Contact"] and s["Contact"]["Address"] and s["Contact"]["CountryId"] == 578
    )
    line = address["LocalizedAddress"][2]

    assert [field["Name"] for field in line] == ["PostalZipcode", "PostalCity"]
    assert [field["Label"] for field in line] == ["SR_AL_ZIPCITY", ""]
    assert address["Formatted"].endswith("\n")


async def test_people_write_plain_text_in_four_languages_with_emoji() -> None:
    """Names and messages go beyond ASCII, and characters of markup are not escaped."""
    answer = await sessions_of(KARI, sessions=400)
    messages = " ".join(s["FirstMessage"] + s["LastMessage"] for s in answer)
    countries = {s["Contact"]["CountryId"] for s in answer if s["Contact"]}

    assert countries == {578, 276, 826, 392}
    assert all(
        piece in messages for piece in ("Hei", "Guten Tag", "Hi ", "です", "<500>", " & ", "😊")
    )
    assert not re.search(r"&#?\w+;|</\w", messages)
    assert "{" not in messages


async def test_some_agents_have_custom_fields() -> None:
    """A value is encoded with its type, and has a display text next to it."""
    agents = [s["User"] for s in await sessions_of(KARI, sessions=100) if s["User"]]
    fields = next(agent["CustomFields"] for agent in agents if agent["CustomFields"])

    assert fields["SuperOffice:1"].startswith("[I:")
    assert fields["SuperOffice:1:DisplayText"]
    assert None in [agent["CustomFields"] for agent in agents]


async def test_later_sessions_have_higher_keys() -> None:
    """Keys grow with time, as in a database."""
    answer = sorted(await sessions_of(KARI, sessions=50), key=lambda s: int(s["ChatSessionId"]))

    assert all(a["WhenRequested"] <= b["WhenRequested"] for a, b in pairwise(answer))
