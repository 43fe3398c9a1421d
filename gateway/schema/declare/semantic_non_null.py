"""`@semanticNonNull`: fields that are null only beside an error at their path.

Compilers of clients that stop at errors then leave `| null` out of such a field's type.
Source: the directive of https://specs.apollo.dev/nullability, which Relay reads too.
"""

from collections.abc import Callable
from typing import Any

import strawberry
from graphql import (
    DirectiveLocation,
    GraphQLArgument,
    GraphQLDirective,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
)
from strawberry.schema_directive import Location

from gateway.schema.declare.scalars import Declared

_NAME = "semanticNonNull"

NOT_ALWAYS_SENT = frozenset(
    {
        "ChatSession.Rating",
        "Project.EventId",
        "Ticket.CustId",
        "Ticket.FormSubmissionId",
        "Ticket.ProjectId",
        "Ticket.SaleId",
        "Ticket.Sentiment",
        "Ticket.SentimentConfidence",
        "Ticket.TicketTypeId",
        "Ticket.TimeSpent",
    }
)
"""Numbers of the REST API that older servers do not send, or that can be null."""

# Strawberry cannot declare an argument with a default, so it gets only the uses.
DEFINITION = GraphQLDirective(
    _NAME,
    [DirectiveLocation.FIELD_DEFINITION],
    {"levels": GraphQLArgument(GraphQLList(GraphQLNonNull(GraphQLInt)), default_value=[0])},
    description="The field is null only beside an error at its path. `levels`: 0 is the field "
    "itself, 1 the items of its list.",
)


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], name=_NAME, print_definition=False
)
class SemanticNonNull:
    """The use of the directive on a field."""


def semantic_non_null(resolver: Callable[..., Any], description: str) -> Declared:
    """Declare a field whose resolver returns a value or raises."""
    return strawberry.field(
        resolver=resolver, description=description, directives=[SemanticNonNull()]
    )
