"""Reading, executing and recording operations, the same over HTTP and WebSockets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadRequestError
from gateway.live.watcher import Watchers
from gateway.observe.metrics import OK
from gateway.observe.operations import OperationNames
from gateway.schema.context import Access, Context
from gateway.schema.engine import Engine
from gateway.sessions.source import Source
from gateway.web.access_record import AccessRecord
from gateway.web.inbound import Inbound, trace_of
from gateway.web.open_sockets import OpenSockets
from gateway.web.read.request import Reader
from gateway.web.respond.caching import mark_stale


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphQL:
    """The components that answer operations, on every transport."""

    engine: Engine
    reader: Reader
    names: OperationNames
    sockets: OpenSockets
    watchers_of: Callable[[Source], Watchers]
    allowed_origins: frozenset[str]
    """Other sites whose pages may use the gateway."""

    def context(self, inbound: Inbound) -> Context:
        """Return the context for resolvers."""
        return Context(
            access=inbound.head.access,
            watchers_of=self.watchers_of,
            trace=trace_of(inbound.head.headers, inbound.request_id),
            max_age_s=inbound.head.max_age_s,
            network=inbound.network,
        )

    def complete(
        self, record: AccessRecord, name: str, context: Context, answers: Sequence[dict[str, Any]]
    ) -> None:
        """Mark stale answers to an operation, and complete its record."""
        mark_stale(answers, context.served)
        errors = [error for answer in answers for error in answer.get("errors", ())]
        record.outcome = OK
        if errors:
            record.outcome = errors[0].get("extensions", {}).get("code", BadRequestError.code)
        served = context.served
        record.is_answered = (served is not None or context.is_watching) and not errors
        record.operation = (self.names.learn if record.is_answered else self.names.label)(name)
        if served is not None:
            record.cache = served.result
            if served.how != "hit":
                record.upstream_s = served.snapshot.times_s.get("upstream")
        if isinstance(context.access, Access):
            record.tenant, record.key = context.access.source.tenant, context.access.key
