"""What tools show of the schema: its description, deprecations, and the words it uses."""

import re
from collections.abc import Iterator

from graphql import build_schema as parsed
from graphql import get_introspection_query, graphql_sync, is_specified_scalar_type

from gateway.executor.internals import graphql_schema
from gateway.schema.build import build_schema, sdl

SCHEMA = graphql_schema(build_schema())


def descriptions() -> Iterator[tuple[str, str]]:
    """Return all descriptions of the schema with their places."""
    for name, kind in SCHEMA.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(kind):
            continue
        yield name, kind.description or ""
        for field, member in {
            **getattr(kind, "fields", {}),
            **getattr(kind, "values", {}),
        }.items():
            yield f"{name}.{field}", member.description or ""
            for argument, taken in getattr(member, "args", {}).items():
                yield f"{name}.{field}({argument})", taken.description or ""


def test_the_schema_says_what_it_is_and_how_to_log_in() -> None:
    """In introspection and in the SDL, which remains valid."""
    query = get_introspection_query(schema_description=True)
    introspected = graphql_sync(SCHEMA, query).data or {}
    text = introspected["__schema"]["description"]

    assert "**Log in**" in text
    assert "**Glossary**" in text
    assert parsed(sdl()).description == text


def test_no_description_speaks_of_rest_as_of_a_person() -> None:
    """It is SuperOffice, or the REST API."""
    found = [place for place, text in descriptions() if re.search(r"\bREST\b(?! API)", text)]

    assert found == []


def test_what_superoffice_deprecates_is_deprecated() -> None:
    """Linters and editors then show it, and what to use instead."""
    deprecated = {
        f"{name}.{field}": member.deprecation_reason
        for name, kind in SCHEMA.type_map.items()
        for field, member in getattr(kind, "fields", {}).items()
        if not name.startswith("__") and member.deprecation_reason
    }

    assert deprecated == {
        "Associate.extraFields": "SuperOffice has deprecated it. Use `customFields`."
    }
