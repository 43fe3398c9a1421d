"""What the access log and the metrics record about a request."""

from dataclasses import dataclass, field

from gateway.observe.metrics import OK, Timings

_DIGEST_SHOWN = 12


@dataclass(slots=True)
class AccessRecord:
    """One request, or one operation on a WebSocket; text of clients only as bounded labels."""

    operation: str | None = None
    """The operation's name as the metrics report it; None if the request is not GraphQL."""

    outcome: str = OK
    """`ok`, `cancelled`, or the code of the first error."""

    cache: str | None = None
    """The result of the cache lookup for the snapshot."""

    key: str | None = None
    """The cache key of the caller's snapshot, an HMAC; the log has its first characters."""

    first_answer_s: float | None = None
    """The seconds to the first answer of a stream."""

    tenant: str | None = None
    is_answered: bool = False
    """Whether SuperOffice has accepted the caller, and the answer has no errors."""

    deprecated: tuple[str, ...] = ()
    """The coordinates of the deprecated schema elements that it uses."""

    is_routine: bool = False
    """Whether it is a probe, a scrape of the metrics or a webhook: logged at debug."""

    is_known_path: bool = True
    """Whether the path exists here; other paths are not logged."""

    upstream_s: float | None = None
    sent_bytes: int = 0
    timings: Timings | None = None
    """The metrics of this operation, outcome and tenant, once looked up."""

    _fields: dict[str, object] | None = field(default=None, repr=False)

    def for_cache_hit(self, sent_bytes: int) -> "AccessRecord":
        """Return the record of a later request that gets the cached answer to this one."""
        record = AccessRecord(self.operation, cache="hit", key=self.key, tenant=self.tenant)
        record.is_answered, record.deprecated = True, self.deprecated
        record.sent_bytes = sent_bytes
        return record

    def fields(self) -> dict[str, object]:
        """Return the fields of the log line; call it when the record is complete."""
        if self._fields is None:
            upstream_ms = None if self.upstream_s is None else round(self.upstream_s * 1000, 1)
            known = {
                "operation": self.operation,
                "outcome": None if self.operation is None else self.outcome,
                "cache": self.cache,
                "upstream_ms": upstream_ms,
                "tenant": self.tenant,
                "caller": self.key and self.key[:_DIGEST_SHOWN],
            }
            self._fields = {name: value for name, value in known.items() if value is not None}
        return self._fields
