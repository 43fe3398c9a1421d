"""Parse and validate queries, and cache the documents by their text."""

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

import graphql
from cachetools import LRUCache

from gateway.caller import STRANGERS
from gateway.errors import BadRequestError
from gateway.executor.internals import RULES
from gateway.executor.turns import claimed_owner, is_known, next_turn
from gateway.schema.error_codes import MOST_REQUEST_ERRORS, give_code
from gateway.schema.guard.limits import Limits, excess, too_complex
from gateway.schema.guard.size import nested_variables
from gateway.store.single_flight import Flights
from gateway.upstream.gate import Gate

T = TypeVar("T")

_MOST_DOCUMENTS, _STRANGERS_DOCUMENTS, _SHARE = 128, 32, 32
_COORDINATE = re.compile(r"[@\w.]+\(\w+:\)|\w+\.\w+")
"""The coordinate of a field, argument, input field or enum value in graphql-core's message."""


def _unchained(document: graphql.DocumentNode) -> graphql.DocumentNode:
    """Cut the links between tokens: without cycles, an evicted document is freed at once."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        token.prev, token.next, token = None, None, token.next
    return document


class _Source(graphql.Source):
    """A query's text, in which a position is found in microseconds.

    graphql-core looks for each line end before it with a regular expression, for every error.
    """

    def get_location(self, position: int) -> graphql.SourceLocation:
        """Return the line and the column (GraphQL spec, section 2.1.2: three kinds of line end)."""
        before = self.body[:position].replace("\r\n", " \n").replace("\r", "\n")
        return graphql.SourceLocation(before.count("\n") + 1, position - before.rfind("\n"))


def protected_cache(make: Callable[..., T]) -> Callable[..., T]:
    """Cache the latest results; unauthenticated clients cannot evict those of known callers.

    If there are too many, the known caller that has brought the most loses one of its own if it has
    more than `_SHARE`. Otherwise anybody's is evicted: its caller may be gone.
    """
    # With the callers that brought them, the least recently used first.
    known: OrderedDict[tuple[object, ...], tuple[T, str]] = OrderedDict()
    strangers: LRUCache[tuple[object, ...], T] = LRUCache(_STRANGERS_DOCUMENTS)

    def find(*key: object) -> T:
        if key in known:
            known.move_to_end(key)
            return known[key][0]
        if key not in strangers:
            strangers[key] = make(*key)
        if is_known():
            known[key] = strangers[key], claimed_owner()
            if len(known) > _MOST_DOCUMENTS:
                ((most, brought),) = Counter(owner for _, owner in known.values()).most_common(1)
                owners = ((one, owner) for one, (_, owner) in known.items())
                del known[next(one for one, owner in owners if brought <= _SHARE or owner == most)]
        return strangers[key]

    return find


@dataclass(eq=False, repr=False)
class Document:
    """A query's text, its parsed document and its errors, each made once, on first use.

    `errors` are those of syntax, size and validation.
    """

    text: str
    schema: graphql.GraphQLSchema
    limits: Limits
    check: Callable[[graphql.DocumentNode], list[graphql.GraphQLError]]
    is_validated: bool = False
    failure: graphql.GraphQLError | None = None
    """Why there is nothing to execute: the text is refused, or not GraphQL."""

    @cached_property
    def parsed(self) -> graphql.DocumentNode:
        """Parse; after a `failure`, return an empty document."""
        if self.failure is None:
            try:
                return _unchained(graphql.parse(_Source(self.text), max_tokens=self.limits.tokens))
            except graphql.GraphQLError as exc:
                self.failure = exc.with_traceback(None)
        return graphql.DocumentNode(definitions=())

    @cached_property
    def errors(self) -> Sequence[graphql.GraphQLError]:
        """Measure and validate."""
        document = self.parsed
        error = self.failure or excess(self.schema, document, self.limits)
        errors = [error] if error else self.check(document)[:MOST_REQUEST_ERRORS]
        for one in errors:
            give_code(one, is_valid=False)
        return errors

    @cached_property
    def places(self) -> Mapping[str, int]:
        """See `nested_variables`."""
        return nested_variables(self.parsed)

    @cached_property
    def deprecated(self) -> tuple[str, ...]:
        """Find the coordinates of the deprecated parts of the schema in a valid document."""
        if self.errors:
            return ()
        errors = graphql.validate(self.schema, self.parsed, (graphql.NoDeprecatedCustomRule,))
        found = (_COORDINATE.search(error.message) for error in errors)
        return tuple(sorted({match[0] for match in found if match}))

    async def validate(self) -> None:
        """Parse and validate, yielding to other requests before each step.

        A batch, or many sockets, can bring many new texts at once.
        """
        if not self.is_validated:
            for name in ("parsed", "errors", "deprecated"):
                await next_turn()
                getattr(self, name)
            await next_turn()
            self.is_validated = True


class DocumentCache:
    """The cached documents of the latest texts.

    `trusted` holds the only texts that are executed; None allows any. `rules` are added to those
    of the GraphQL spec.
    """

    def __init__(
        self,
        schema: graphql.GraphQLSchema,
        limits: Limits,
        trusted: Collection[str] | None = None,
        rules: Sequence[type[graphql.ASTValidationRule]] = (),
        *,
        suggestions: bool = True,
    ) -> None:
        self.trusted = trusted
        self._limits = limits
        check = partial(
            graphql.validate,
            schema,
            rules=(*graphql.specified_rules, *RULES, *rules),
            max_errors=MOST_REQUEST_ERRORS,
            hide_suggestions=not suggestions,
        )
        self._make = partial(Document, schema=schema, limits=limits, check=check)
        self._cached = protected_cache(self._make)
        self._flights: Flights[Document] = Flights()
        # A syntax tree is much larger than its text: strangers' texts wait for it. Those without a
        # login have a share of their own: a flood of these delays no new caller.
        self._gate = Gate(slots=2, queue=300, refusal="The gateway is overloaded; retry later.")

    def find(self, text: str) -> Document:
        """Return the document of a text; a refused text gives a document with only the error."""
        refusal = self._refusal(text)
        if refusal is None:
            return self._cached(text)
        return self._make(text, failure=refusal, is_validated=True)

    async def validated(self, text: str) -> Document:
        """Return the document of a text, parsed and validated: see `Document.validate`.

        Raises:
            UpstreamUnavailableError: too many texts of unauthenticated clients wait.
        """
        document = self.find(text)
        if not document.is_validated and is_known():
            await document.validate()
        elif not document.is_validated:
            # Callers do not wait for an equal text in the queue of those without a login.
            key = f"{bool(claimed_owner())} {text}"
            document = await self._flights.join(key, lambda: self._validate_in_queue(document))
        return document

    async def _validate_in_queue(self, document: Document) -> Document:
        async with self._gate.slot(STRANGERS if claimed_owner() else "no login"):
            await document.validate()
        return document

    def _refusal(self, query: str) -> graphql.GraphQLError | None:
        if self.trusted is not None and query not in self.trusted:
            refusal = BadRequestError(
                "Only trusted documents are run here, and this query is not among them."
            )
            return graphql.GraphQLError(str(refusal), original_error=refusal)
        if len(query) > self._limits.characters:
            return too_complex(
                f"The query has {len(query)} characters; at most {self._limits.characters} are "
                "allowed."
            )
        if sum(map(query.count, ("\n", "\r"))) - query.count("\r\n") > self._limits.lines:
            return too_complex(f"The query has more than {self._limits.lines} lines.")
        return None
