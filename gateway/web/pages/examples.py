"""The example operations of the query pages."""

import re
from functools import lru_cache
from pathlib import Path

import graphql

_TEXTS = Path(__file__).with_name("examples.graphql").read_text("utf-8").split("\n\n")
_EMPTY = re.compile(r"\n *\w+(\([^)]*\))? \{\s+\}|\n *(?=\n)")
"""A field of which nothing is selected, or a blank line."""


@lru_cache(1)  # validation takes about 15 ms
def examples(schema: graphql.GraphQLSchema) -> list[str]:
    """Return the examples without the fields that the schema hides.

    An example whose filter or order is hidden is left out, and so is one without any field.
    """
    return [reduced for text in _TEXTS if (reduced := _reduced(text, schema))]


def _reduced(text: str, schema: graphql.GraphQLSchema) -> str | None:
    while errors := graphql.validate(schema, graphql.parse(text)):
        match errors[0].nodes:
            case [graphql.FieldNode(loc=graphql.Location(start=start, end=end))]:
                text = text[:start] + text[end:]
            case _:
                return None
    while (shorter := _EMPTY.sub("", text)) != text:
        text = shorter
    return None if "{\n}" in text else text
