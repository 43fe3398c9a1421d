"""Names in the schema are usable in generated Swift and Kotlin code.

Apollo's generators write fields as they are named and enum members in lowerCamelCase. The remaining
collisions with words of the languages are listed here, each with its reason.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
)

from tests.schema.everything import GRAPHQL

# The Swift Programming Language, "Keywords and Punctuation": those of declarations, statements,
# expressions and types. Those reserved "in particular contexts" may be names.
SWIFT = """
    associatedtype borrowing class consuming deinit enum extension fileprivate func import init
    inout internal let nonisolated open operator precedencegroup private protocol public rethrows
    static struct subscript typealias var
    break case catch continue default defer do else fallthrough for guard if in repeat return throw
    switch where while
    Any as await false is nil self Self super throws true try
"""
# Kotlin's hard keywords: https://kotlinlang.org/docs/keyword-reference.html.
KOTLIN = """
    as break class continue do else false for fun if in interface is null object package return
    super this throw true try typealias typeof val var when while
"""
# Names that Apollo iOS refuses, and members that all its enums or Kotlin's have.
GENERATED = """
    __data fragments Fragments _ rawValue allCases hashValue
    ordinal entries valueOf values safeValueOf
"""
RESERVED = frozenset(f"{SWIFT} {KOTLIN} {GENERATED}".split())

ALLOWED = {
    # The usual name of this operator in GraphQL; both generators escape it.
    "ChatSessionStatusFilter.in",
    "ChatSessionStatusGroupFilter.in",
    "KeyFilter.in",
    # SuperOffice's names, which we do not change; keywords only in Swift, escaped by backticks.
    "SaleStatus.OPEN",
    "TicketOrigin.INTERNAL",
    "TicketSecurityLevel.INTERNAL",
}

TYPES = {name: kind for name, kind in GRAPHQL.type_map.items() if not name.startswith("__")}
MEMBERS: dict[str, list[str]] = {
    name: list(kind.values if isinstance(kind, GraphQLEnumType) else kind.fields)
    for name, kind in TYPES.items()
    if isinstance(
        kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType | GraphQLEnumType
    )
}
ARGUMENTS: dict[str, list[str]] = {
    f"{name}.{field_name}": list(field.args)
    for name, kind in TYPES.items()
    if isinstance(kind, GraphQLObjectType)
    for field_name, field in kind.fields.items()
    if field.args
}


def cased(name: str) -> str:
    """Write an enum's member as generated code does."""
    if not name.isupper():
        return name
    first, *others = name.lower().split("_")
    return first + "".join(word.capitalize() for word in others)


def alike(names: Iterable[str]) -> list[str]:
    """Return the names that are equal without case and underscores."""
    plain = Counter(name.replace("_", "").lower() for name in names)
    return [name for name, count in plain.items() if count > 1]


def reserved() -> Iterator[str]:
    """Yield the fields, members and arguments with reserved names."""
    for owner, names in {**MEMBERS, **ARGUMENTS}.items():
        yield from (f"{owner}.{name}" for name in names if cased(name) in RESERVED)


@pytest.mark.parametrize(
    ("name", "written"), [("IN_QUEUE", "inQueue"), ("FAQ", "faq"), ("urlName", "urlName")]
)
def test_names_are_cased_as_generators_do(name: str, written: str) -> None:
    """The tests below compare names in this form."""
    assert cased(name) == written


@pytest.mark.parametrize("type_name", MEMBERS)
def test_no_two_names_of_a_type_differ_in_case_only(type_name: str) -> None:
    """Generated code could not distinguish such names."""
    assert alike(MEMBERS[type_name]) == []


def test_no_two_types_differ_in_case_only() -> None:
    """Each type becomes a file, and some file systems ignore case."""
    assert alike(TYPES) == []


def test_no_name_is_a_word_of_swift_or_kotlin() -> None:
    """The exceptions are exactly those listed above."""
    assert set(reserved()) == ALLOWED


def test_no_type_has_the_name_of_a_type_of_the_languages() -> None:
    """`Error`, `Type` or `Int` would hide types that generated code needs."""
    own = {"Any", "Array", "Bool", "Data", "Date", "Dictionary", "Error", "Protocol", "Self"}
    own |= {"Set", "Type", "Unit", "List", "Map", "Pair", "Result", "Optional", "Nothing"}

    assert own.isdisjoint(TYPES)


def test_every_member_of_an_enum_begins_with_a_letter_in_generated_code() -> None:
    """Neither language allows a name that begins with a digit."""
    enums = [n for n, kind in TYPES.items() if isinstance(kind, GraphQLEnumType)]

    assert all(cased(member)[:1].isalpha() for name in enums for member in MEMBERS[name])
