"""What is passed on to REST beside the caller: the request's id and the trace that it is part of.

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/.
"""

import re
from collections.abc import Iterable

from gateway.headers import PASSED_ON, Header

__all__ = ["trace_of"]

_PASSABLE = re.compile(rb"[ -~]{1,512}")


def trace_of(headers: Iterable[Header]) -> list[Header]:
    """Return what is passed on of a request's headers; what no trace can say is left out.

    Others share the call, and it must not fail for what one of them sends.
    """
    return [
        header for header in headers if header[0] in PASSED_ON and _PASSABLE.fullmatch(header[1])
    ]
