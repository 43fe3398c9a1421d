"""Our own small page in Chromium, for a gateway that was built without GraphiQL."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway import __version__
from gateway.demo.users import DEMO_USERS
from gateway.web.pages import query_page
from tests.browser.conftest import Visiting
from tests.browser.visit import Visit

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module")
def visit(visiting: Visiting, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """Return the findings of a person who tried every feature, in demo mode."""
    missing: Path = tmp_path_factory.mktemp("empty") / "nothing"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(query_page, "_FETCHED", missing)
        return visiting("queryPage")


def test_it_offers_working_example_queries(visit: Visit) -> None:
    """Each succeeds unchanged for the demo's first user."""
    assert visit.found["title"] == f"SuperOffice chat sessions · GraphQL {__version__}"
    assert visit.found["tabs"] == ["Queue", "MyChats", "Session", "Summary", "Live"]
    assert [answer["status"] for answer in visit.found["examples"]] == [200] * 4
    assert not any("errors" in answer for answer in visit.found["examples"])


def test_a_subscription_shows_events(visit: Visit) -> None:
    """The first event comes at once, the next one without any action of the user."""
    first, second = visit.found["live"]

    assert first.keys() == second.keys() == {"data"}
    assert all(answer["data"]["chatSessionChanges"]["changes"] for answer in (first, second))
    assert not second["data"]["chatSessionChanges"]["isInitial"]


def test_a_typed_query_is_answered_with_typed_headers(visit: Visit) -> None:
    """Typed variables are sent as well."""
    assert visit.found["answer"] == {"status": 200, "data": {"chatSessionSummary": {"total": 12}}}


def test_a_link_runs_its_operation(visit: Visit) -> None:
    """Of several operations, the one in the link is run, until another query is chosen."""
    assert [answer["status"] for answer in visit.found["linked"]] == [200, 200]
    assert visit.found["linked"][0]["data"] == {"chatSessionSummary": {"total": 12}}


def test_another_user_can_be_chosen(visit: Visit) -> None:
    """Choosing another user replaces Authorization and leaves the other headers."""
    assert visit.found["headers"].splitlines() == [
        f"Authorization: {DEMO_USERS[2].authorization_basic}",
        "SO-TimeZone: UTC",
    ]
    assert visit.found["answerToEmma"]["status"] == 200


def test_the_console_has_no_errors(visit: Visit) -> None:
    """No error is logged, and the page's policy blocks nothing."""
    assert visit.console_errors == []
    assert visit.violations == []


def test_the_page_needs_no_other_host(visit: Visit) -> None:
    """All requests go to the gateway."""
    assert len({urlsplit(url).netloc for url in visit.requests}) == 1


def test_the_page_stores_nothing_in_the_browser(visit: Visit) -> None:
    """The page leaves localStorage empty."""
    assert visit.found["kept"] == {}
