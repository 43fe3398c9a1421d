"""`@semanticNonNull`: fields that are null only beside an error at their path.

Code generators of clients that stop at errors can omit `| null` from the type of such a field.
Source: the directive of https://specs.apollo.dev/nullability, which Relay reads too.
"""

from collections.abc import Callable
from typing import Any

import graphql
import strawberry
from strawberry.schema_directive import Location

from gateway.schema.declare.scalars import Declared

_NAME = "semanticNonNull"

# Strawberry cannot declare an argument with a default: only uses of the directive are declared.
DEFINITION = graphql.build_schema(
    f""""The field is null only beside an error at its path. Level 1: the items of its list."
    directive @{_NAME}(levels: [Int!] = [0]) on FIELD_DEFINITION"""
).directives[0]

_LATER = "FormSubmissionId ProjectId SaleId Sentiment SentimentConfidence TicketTypeId TimeSpent"
NOT_ALWAYS_SENT = {f"Ticket.{name}" for name in (*_LATER.split(), "CustId")} | {
    "ChatSession.Rating",
    "Project.EventId",
}
"""Numbers of the REST API that older servers do not send, or that can be null."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], name=_NAME, print_definition=False
)
class SemanticNonNull:
    """A use of the directive on a field."""


def semantic_non_null(
    resolver: Callable[..., Any], description: str, declare: Callable[..., Any] = strawberry.field
) -> Declared:
    """Declare a field whose resolver returns a value or raises."""
    return declare(resolver=resolver, description=description, directives=[SemanticNonNull()])
