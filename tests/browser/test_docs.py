"""The manual in Chromium: readable on a phone and on a desk, with a search, and accessible."""

from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Visiting
from tests.browser.visit import Visit

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module")
def visit(visiting: Visiting) -> Visit:
    """Return what a person saw who read pages in every size and colour, and searched."""
    return visiting("manual")


def test_it_fits_and_is_accessible(visit: Visit) -> None:
    """No page scrolls sideways, and axe finds nothing in light or in dark."""
    assert visit.found["overflowing"] == []
    assert visit.found["inaccessible"] == []


def test_it_needs_nothing_from_elsewhere(visit: Visit) -> None:
    """And nothing that its policy forbids; the pictures are there."""
    assert visit.violations == []
    assert visit.console_errors == []
    assert {urlsplit(url).hostname for url in visit.requests if url.startswith("http")} == {
        "127.0.0.1"
    }
    assert visit.found["picture"] > 0


def test_the_search_finds_sections(visit: Visit) -> None:
    """Its hits lead to their headings, and Escape leads back to the page."""
    assert visit.found["hits"][0] == "Live updates: Webhooks"
    assert visit.found["heading"] == "Webhooks"
    assert visit.found["nothing"] == "Nothing found."
    assert visit.found["isBack"]
