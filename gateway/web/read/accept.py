"""Content negotiation: which media type the client wants (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from functools import lru_cache

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
HTML = "text/html"


@lru_cache(256)
def preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """Return the offered media type with the greatest weight; None when none is accepted.

    Among equals the client's own order decides, and then the order of `offered`. Without an Accept
    header everything is accepted.
    """
    if not accept.strip():
        return offered[0]
    ranges = _ranges(accept)
    ranked = [(*_rank(media_type, ranges), media_type) for media_type in offered]
    weight, _, media_type = max(ranked, key=lambda entry: entry[:2])
    return media_type if weight > 0 else None


def _ranges(accept: str) -> Sequence[tuple[str, float]]:
    ranges = []
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            ranges.append((media_range, min(1.0, max(0.0, float(weight)))))
        except ValueError:
            ranges.append((media_range, 1.0))
    return ranges


def _rank(media_type: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """Return the weight and the place, from the end, of the most specific range that matches."""
    kind = media_type.partition("/")[0]
    for media_range in (media_type, f"{kind}/*", "*/*"):
        ranked = [
            (weight, -place) for place, (name, weight) in enumerate(ranges) if name == media_range
        ]
        if ranked:
            return max(ranked)
    return 0.0, 0
