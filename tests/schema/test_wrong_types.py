"""A property of the wrong type affects only its own field: null, with an error at its path."""

import pytest

from tests.schema.asking import Json, ask, read

NOT_JSON = ["NaN", "Infinity", "-Infinity"]
BAD = {
    "topicId": [
        *("true", '"4"', "[]", "{}", "[4]", "1.5", "1e10", "1e300", "1e400", "-1e400"),
        *("2147483648", "-2147483649", "99999999999999999999", *NOT_JSON),
    ],
    "customerConsented": ["0", "1", '"true"', "[]", "{}", *NOT_JSON],
    "customerName": ["4", "4.5", "true", "[]", "{}", '["x"]', *NOT_JSON],
    "whenEnded": ["4", "1591206373000", "true", "[]", "{}", *NOT_JSON],
    "user { name }": ["4", "true", '"x"', "[]", "[{}]", *NOT_JSON],
    "tableRight { mask }": ["4", "true", '"FULL"', "[]", *NOT_JSON],
    "fieldProperties { name }": ["4", "true", '"x"', "[]", "[{}]", *NOT_JSON],
}


@pytest.mark.parametrize(
    ("selection", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
async def test_a_value_of_the_wrong_type_is_null_with_an_error(selection: str, value: str) -> None:
    """The error has the field's path; the properties before and after are unaffected."""
    name = selection.split()[0]
    rest_name = name[0].upper() + name[1:]

    session, answer = await read(
        f"chatSessionId {selection} rank",
        f'{{"ChatSessionId": 7, "{rest_name}": {value}, "Rank": 3}}',
    )

    assert session == {"chatSessionId": 7, name: None, "rank": 3}
    assert answer.paths == [["chatSessions", 0, name]]
    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]


@pytest.mark.parametrize(
    "value", ['"1"', "true", "[]", "{}", "1e400", "-1e400", "1" + 400 * "0", *NOT_JSON]
)
async def test_a_value_that_is_no_finite_number_is_null_with_an_error(value: str) -> None:
    """A Float accepts only numbers that fit in a double."""
    session, answer = await read(
        "sale { saleId amount }", f'{{"Sale": {{"SaleId": 7, "Amount": {value}}}}}'
    )

    assert session["sale"] == {"saleId": 7, "amount": None}
    assert answer.paths == [["chatSessions", 0, "sale", "amount"]]
    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]


@pytest.mark.parametrize("value", ["3", "3.0", "3e0", "30e-1", "0.3E1"])
async def test_an_integer_may_have_any_json_spelling(value: str) -> None:
    """JSON does not distinguish 3.0 from 3."""
    properties = f'{{"TopicId": {value}, "Status": {value}}}'
    session, answer = await read("topicId statusRaw", properties)

    assert (session["topicId"], session["statusRaw"], answer.errors) == (3, "3", [])


@pytest.mark.parametrize("value", [2**31 - 1, -(2**31), 0, -1])
async def test_an_integer_of_32_bits_is_answered(value: int) -> None:
    """The REST API's integers and GraphQL's have the same limits."""
    session, _ = await read("topicId", {"TopicId": value})

    assert session["topicId"] == value


@pytest.mark.parametrize("value", [0.0, 150.0, 1629.6799999999998, 7, 1e308, 5e-324, 2**53])
async def test_a_number_keeps_all_its_digits(value: float) -> None:
    """Rounding is left to the client."""
    session, _ = await read("sale { amount }", {"Sale": {"SaleId": 7, "Amount": value}})

    assert session["sale"]["amount"] == value


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\ude00\\ud83d"])
async def test_a_lone_surrogate_is_replaced(half: str) -> None:
    """JSON can write it and UTF-8 cannot: the text around it is unchanged."""
    session, answer = await read("customerName", f'{{"CustomerName": "A{half}B"}}')

    assert session["customerName"].strip("AB").strip("\N{REPLACEMENT CHARACTER}") == ""
    assert session["customerName"].startswith("A")
    assert session["customerName"].endswith("B")
    assert answer.errors == []


async def test_a_pair_of_surrogates_is_one_character() -> None:
    """JSON escapes characters beyond the first 65,536 as a pair of surrogates."""
    session, _ = await read("customerName", '{"CustomerName": "\\ud83d\\ude00", "Rank": "odd"}')

    assert session["customerName"] == "😀"


async def test_errors_show_neither_the_value_nor_its_neighbours() -> None:
    """REST values are customers' data: messages do not quote them."""
    _, answer = await read("topicId", {"TopicId": "Ada's topic", "CustomerName": "Ada"})

    (message,) = answer.messages
    assert "TopicId" in message
    assert "Ada" not in message


async def test_each_use_of_an_invalid_value_has_its_own_error() -> None:
    """Two sessions with two aliases have four errors."""
    answer = await ask("{ chatSessions { a: topicId b: topicId } }", 2 * [{"TopicId": "odd"}])

    assert answer.paths == [["chatSessions", n, alias] for n in (0, 1) for alias in "ab"]


FIELD: Json = {"FieldType": "System.Int32", "FieldLength": 4}


@pytest.mark.parametrize("odd", [4, True, "x", [], [FIELD]], ids=str)
async def test_an_entry_of_the_wrong_type_affects_only_its_own_fields(odd: object) -> None:
    """The entry's name is still valid, and the entries around it are unaffected."""
    session, answer = await read(
        "fieldProperties { name fieldType fieldLength }",
        {"FieldProperties": {"a": FIELD, "b": odd, "c": FIELD}},
    )

    good = {"fieldType": "System.Int32", "fieldLength": 4}
    assert session["fieldProperties"] == [
        {"name": "a", **good},
        {"name": "b", "fieldType": None, "fieldLength": None},
        {"name": "c", **good},
    ]
    assert answer.paths == [
        ["chatSessions", 0, "fieldProperties", 1, name] for name in ("fieldType", "fieldLength")
    ]
    assert set(answer.codes) == {"UPSTREAM_BAD_RESPONSE"}


async def test_an_invalid_property_inside_an_entry_affects_only_itself() -> None:
    """The rule holds at any depth."""
    odd = {**FIELD, "FieldRight": {"Mask": True, "Reason": "x"}}

    session, answer = await read(
        "fieldProperties { fieldType fieldRight { mask reason } }", {"FieldProperties": {"a": odd}}
    )

    (entry,) = session["fieldProperties"]
    assert entry == {"fieldType": "System.Int32", "fieldRight": {"mask": None, "reason": "x"}}
    assert answer.paths == [["chatSessions", 0, "fieldProperties", 0, "fieldRight", "mask"]]


@pytest.mark.parametrize("odd", [4, 4.5, True, [], {}], ids=str)
@pytest.mark.parametrize("field", ["customFields", "extraFields"])
async def test_a_custom_field_that_is_no_text_has_no_value(field: str, odd: object) -> None:
    """The custom field's name and its neighbours are unaffected."""
    session, answer = await read(
        f"user {{ {field} {{ name value }} }}",
        {"User": {field[0].upper() + field[1:]: {"a": "1", "b": odd, "c": "3"}}},
    )

    assert [entry["value"] for entry in session["user"][field]] == ["1", None, "3"]
    assert [entry["name"] for entry in session["user"][field]] == ["a", "b", "c"]
    assert answer.paths == [["chatSessions", 0, "user", field, 1, "value"]]


def localized(lines: object) -> Json:
    """Return a session whose company has an address with these lines."""
    return {"Contact": {"ContactId": 7, "Address": {"LocalizedAddress": lines, "Formatted": "x"}}}


LINES = "contact { address { formatted localizedAddress { name value } } }"
LINES_PATH = ["chatSessions", 0, "contact", "address", "localizedAddress"]
CITY = {"Name": "City", "Value": "Oslo"}


@pytest.mark.parametrize(
    "odd", [4, True, "x", {}, CITY, [CITY], [[CITY], "x"], [[CITY], None]], ids=str
)
async def test_lines_that_are_no_list_of_lists_are_null_with_an_error(odd: object) -> None:
    """With one wrong line it is unknown which field is on which line, so all are null."""
    session, answer = await read(LINES, localized(odd))

    assert session["contact"]["address"] == {"formatted": "x", "localizedAddress": None}
    assert answer.paths == [LINES_PATH]


@pytest.mark.parametrize("odd", [4, True, "x", [], [CITY]], ids=str)
async def test_an_element_of_the_wrong_type_affects_only_its_own_fields(odd: object) -> None:
    """The lines and their other elements are unaffected."""
    session, answer = await read(LINES, localized([[CITY], [odd, CITY]]))

    city = {"name": "City", "value": "Oslo"}
    lines = session["contact"]["address"]["localizedAddress"]
    assert lines == [[city], [{"name": None, "value": None}, city]]
    assert answer.paths == [[*LINES_PATH, 1, 0, name] for name in ("name", "value")]


async def test_a_null_on_a_line_is_omitted() -> None:
    """The type of the list does not allow null."""
    session, answer = await read(LINES, localized([[None, CITY], [None]]))

    city = {"name": "City", "value": "Oslo"}
    assert session["contact"]["address"]["localizedAddress"] == [[city], []]
    assert answer.errors == []
