"""Content negotiation: which media type the client wants (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from functools import lru_cache

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionspec=1.0"
HTML = "text/html"

_UNWANTED = (0.0, 0)

LONGEST_LIST = 1_024
"""Characters that are read of a list header; the rest is ignored."""


def preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """Return the offered media type with the greatest weight; None when none is accepted.

    Among equals the client's own order decides, and then the order of `offered`. Without an Accept
    header everything is accepted.
    """
    return _preferred(accept[:LONGEST_LIST], offered)


@lru_cache(256)
def _preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    if not accept.strip():
        return offered[0]
    best: dict[str, tuple[float, int]] = {}
    for place, (name, weight) in enumerate(ranges(accept)):
        best[name] = max(best.get(name, _UNWANTED), (weight, -place))

    def rank(media_type: str) -> tuple[float, int]:
        """Return the weight and the negative position of the most specific range that matches."""
        matching = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        return next((best[name] for name in matching if name in best), _UNWANTED)

    chosen = max(offered, key=rank)
    return chosen if rank(chosen) > _UNWANTED else None


def ranges(accept: str) -> Sequence[tuple[str, float]]:
    """Return the ranges of an Accept header in lower case, each with its weight from 0 to 1."""
    found = []
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media_range == "multipart/mixed" and any(map(_is_for_subscriptions, parameters)):
            media_range = MULTIPART
        try:
            weight = float(next((p[2:] for p in parameters if p.startswith("q=")), "1"))
        except ValueError:
            weight = 1.0
        found.append((media_range, min(1.0, max(0.0, weight))))
    return found


def _is_for_subscriptions(parameter: str) -> bool:
    """Return whether a parameter of `multipart/mixed` names Apollo's protocol."""
    return parameter.replace('"', "").startswith("subscriptionspec=1.0")
