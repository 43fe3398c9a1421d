"""The parts of uvicorn that the gateway relies on are checked at import."""

import pytest
import uvicorn

from gateway.server.uvicorn_hooks import check_hooks


class Renamed:
    """A server as in a later version of uvicorn."""

    def __init__(self) -> None:
        self.is_stopping = False

    def run_loop(self) -> None: ...


def test_existing_hooks_are_accepted() -> None:
    """Methods, and attributes that a method sets, count as hooks."""
    check_hooks(Renamed, ["run_loop is_stopping"])


@pytest.mark.parametrize("name", ["main_loop", "should_exit"])
def test_a_missing_hook_is_an_import_error(name: str) -> None:
    """The error names the missing hook and the versions of uvicorn that have it."""
    with pytest.raises(ImportError) as caught:
        check_hooks(Renamed, [f"run_loop {name}"])

    assert str(caught.value) == (
        f"uvicorn {uvicorn.__version__} has no Renamed.{name}, which the gateway needs: "
        "install uvicorn>=0.53,<0.55"
    )
