"""The parts of uvicorn that are used have to be there."""

import pytest
import uvicorn

from gateway.server.uvicorn_hooks import check_hooks


class Renamed:
    """A server of a later uvicorn, say."""

    def __init__(self) -> None:
        self.is_stopping = False

    def run_loop(self) -> None: ...


def test_what_is_there_is_no_problem() -> None:
    """Methods count, and attributes that a method sets."""
    check_hooks(Renamed, "run_loop is_stopping")


@pytest.mark.parametrize("name", ["main_loop", "should_exit"])
def test_a_missing_hook_is_named_at_once(name: str) -> None:
    """In one line that says which uvicorn has it: nobody has to find out what is switched off."""
    with pytest.raises(ImportError) as caught:
        check_hooks(Renamed, f"run_loop {name}")

    assert str(caught.value) == (
        f"uvicorn {uvicorn.__version__} has no Renamed.{name}, which the gateway needs: "
        "install uvicorn>=0.53,<0.55"
    )
