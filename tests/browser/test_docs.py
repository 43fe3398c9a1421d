"""The manual in Chromium: readable on phone and desktop, searchable, and accessible."""

from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Visiting
from tests.browser.visit import Visit

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module")
def visit(visiting: Visiting) -> Visit:
    """Return the findings of a person who read pages in every size and colour, and searched."""
    return visiting("manual")


def test_the_manual_fits_and_is_accessible(visit: Visit) -> None:
    """No page scrolls sideways, and axe reports nothing in light or dark."""
    assert visit.found["overflowing"] == []
    assert visit.found["inaccessible"] == []


def test_the_manual_needs_no_other_host(visit: Visit) -> None:
    """All requests go to the gateway, its policy blocks none, and the pictures load."""
    assert visit.violations == []
    assert visit.console_errors == []
    assert {urlsplit(url).hostname for url in visit.requests if url.startswith("http")} == {
        "127.0.0.1"
    }
    assert visit.found["picture"] > 0


def test_the_search_finds_sections(visit: Visit) -> None:
    """A hit opens the page at its heading, and Escape returns to the previous page."""
    assert visit.found["hits"][0] == "Live updates: Webhooks"
    assert visit.found["heading"] == "Webhooks"
    assert visit.found["nothing"] == "Nothing found."
    assert visit.found["isBack"]


def test_the_search_shows_whole_words_first(visit: Visit) -> None:
    """A word ranks before the same letters in "Operate" or "Login"."""
    assert "Limits: Budgets of REST calls" in visit.found["ranked"]["rate"][:10]
    assert visit.found["ranked"]["log"][0] == "Operate: Logs"
