"""Descriptions in the schema: their content, deprecations, and their words."""

import re
from collections.abc import Iterator

from graphql import build_schema as parsed
from graphql import get_introspection_query, graphql_sync, is_specified_scalar_type

from gateway.executor.internals import graphql_schema
from gateway.schema.build import sdl
from tests.schema import asking

SCHEMA = graphql_schema(asking.SCHEMA)


def descriptions() -> Iterator[tuple[str, str]]:
    """Yield all descriptions of the schema with their places."""
    for name, kind in SCHEMA.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(kind):
            continue
        yield name, kind.description or ""
        for field, member in {
            **getattr(kind, "fields", {}),
            **getattr(kind, "values", {}),
        }.items():
            yield f"{name}.{field}", member.description or ""
            for argument, input_value in getattr(member, "args", {}).items():
                yield f"{name}.{field}({argument})", input_value.description or ""


def test_the_schemas_description_explains_login_and_terms() -> None:
    """The description is in introspection and in the SDL, which remains valid."""
    query = get_introspection_query(schema_description=True)
    introspected = graphql_sync(SCHEMA, query).data or {}
    text = introspected["__schema"]["description"]

    assert "**Log in**" in text
    assert "**Glossary**" in text
    assert parsed(sdl()).description == text


def test_no_description_uses_rest_as_a_name() -> None:
    """Descriptions write SuperOffice, or the REST API."""
    places = [place for place, text in descriptions() if re.search(r"\bREST\b(?! API)", text)]

    assert places == []


def test_fields_that_superoffice_deprecates_are_deprecated() -> None:
    """Linters and editors then show it, with the replacement."""
    deprecated = {
        f"{name}.{field}": member.deprecation_reason
        for name, kind in SCHEMA.type_map.items()
        for field, member in getattr(kind, "fields", {}).items()
        if not name.startswith("__") and member.deprecation_reason
    }

    assert deprecated == {
        "Associate.extraFields": "SuperOffice has deprecated it. Use `customFields`."
    }
