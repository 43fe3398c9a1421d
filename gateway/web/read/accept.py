"""Content negotiation: which media type the client wants (RFC 9110, section 12.5.1)."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

__all__ = ["GRAPHQL_JSON", "HTML", "JSON", "preferred"]

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
HTML = "text/html"


@lru_cache(256)
def preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """Return the offered media type that the client likes best; None when it takes none of them.

    Of equals, the first one offered. Without an Accept header everything is welcome.
    """
    if not accept.strip():
        return offered[0]
    ranges = list(_ranges(accept))
    weights = [(_weight(media_type, ranges), media_type) for media_type in offered]
    best, media_type = max(weights, key=lambda pair: pair[0])
    return media_type if best > 0 else None


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            yield media_range, min(1.0, max(0.0, float(weight)))
        except ValueError:
            yield media_range, 1.0


def _weight(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Weigh a media type by the most specific range that covers it."""
    kind = media_type.partition("/")[0]
    for media_range in (media_type, f"{kind}/*", "*/*"):
        weights = [weight for name, weight in ranges if name == media_range]
        if weights:
            return max(weights)
    return 0.0
