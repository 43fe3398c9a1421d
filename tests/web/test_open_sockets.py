"""How many sockets may be open."""

from contextlib import ExitStack

import pytest

from gateway.errors import GatewayFullError, TooManyOpenError
from gateway.web.open_sockets import OpenSockets


def test_one_socket_too_many_is_refused_until_another_closes() -> None:
    """Whosever it is."""
    sockets = OpenSockets(most=2, most_per_caller=9)
    with sockets.count():
        with sockets.count():
            with pytest.raises(GatewayFullError), sockets.count():
                pass  # pragma: no cover - it must not be
            assert sockets.open == 2
        with sockets.count():
            pass
    assert sockets.open == 0


def test_a_caller_has_its_own_number() -> None:
    """What one has open does not count for another."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    with ExitStack() as stack:
        for name in ("kari", "kari", "jonas"):
            stack.enter_context(sockets.count_for(name))

        with pytest.raises(TooManyOpenError, match="2 sockets"), sockets.count_for("kari"):
            pass  # pragma: no cover - it must not be
        with sockets.count_for("jonas"):
            pass
    with sockets.count_for("kari"):
        pass


def test_a_caller_who_has_left_is_forgotten() -> None:
    """Memory goes by who is there."""
    sockets = OpenSockets(most=9, most_per_caller=2)
    with sockets.count_for("kari"):
        pass

    assert not sockets._of_callers
