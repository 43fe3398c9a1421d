"""The limits of a document's size, checked before it is validated or executed."""

from dataclasses import dataclass

import graphql

from gateway.errors import QueryTooComplexError
from gateway.schema.guard.size import TooManyStepsError, measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The maximum of each measure."""

    depth: int = 15
    aliases: int = 50
    root_fields: int = 20
    directives: int = 50
    default_values: int = 2_000
    comparisons: int = 40_000
    cost: int = 500_000
    tokens: int = 2_000
    characters: int = 100_000
    lines: int = 10_000
    """graphql-core searches for all line ends for each error that has several places."""

    work: int = 2_000_000
    """Parts of filters, keys of orders and counts, times the sessions that they are applied to."""


_WORDS = {
    "depth": "is {value} levels deep",
    "aliases": "has {value} aliases",
    "root_fields": "has {value} root fields",
    "directives": "has {value} directives",
    "default_values": "has {value} values in defaults of variables",
    "comparisons": "takes {value} comparisons of fields to validate",
    "cost": "would cost {value} points",
}


def excess(
    schema: graphql.GraphQLSchema, document: graphql.DocumentNode, limits: Limits
) -> graphql.GraphQLError | None:
    """Return the error for the first limit that a document exceeds; None without one."""
    try:
        for size in measure(schema, document):
            for name, words in _WORDS.items():
                value, most = getattr(size, name), getattr(limits, name)
                if value > most:
                    measured = words.format(value=value)
                    return too_complex(f"The query {measured}; at most {most} are allowed.")
    except TooManyStepsError:
        return too_complex("The query is too complex to be measured.")
    return None


def too_complex(message: str) -> graphql.GraphQLError:
    """Make the error for a document that exceeds a limit."""
    return graphql.GraphQLError(message, original_error=QueryTooComplexError(message))
