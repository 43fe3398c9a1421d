"""GraphiQL in Chromium: all it does for a person, and nothing it should not do."""

import json
from itertools import groupby
from urllib.parse import urlencode, urlsplit

import pytest

from gateway import __version__
from gateway.demo.tenants import DEMO_TENANTS
from gateway.demo.users import DEMO_USERS
from tests.browser.conftest import Visiting
from tests.browser.secrets import secrets_in
from tests.browser.visit import Visit

pytestmark = pytest.mark.socket
BEARER = DEMO_USERS[1].authorization_bearer


@pytest.fixture(scope="module")
def visit(visiting: Visiting, graphiql: None) -> Visit:
    """Return what a person saw who tried everything, in demo mode."""
    return visiting("graphiql")


@pytest.fixture(scope="module")
def keeping(visiting: Visiting, graphiql: None) -> Visit:
    """Return what a person saw who had their headers kept for a while, outside demo mode."""
    return visiting("keepingHeaders", has_users=False)


@pytest.fixture(scope="module")
def windows(visiting: Visiting, graphiql: None) -> Visit:
    """Return where a person saw things in a phone's window and in a desk's, in demo mode."""
    return visiting("narrowAndWide")


@pytest.fixture(scope="module")
def tenants(visiting: Visiting, graphiql: None) -> Visit:
    """Return what a person saw who tried the examples on the page of a tenant."""
    return visiting("examples", tenant=next(iter(DEMO_TENANTS)))


@pytest.mark.parametrize("name", ["visit", "tenants"])
def test_it_opens_with_queries_worth_running(name: str, request: pytest.FixtureRequest) -> None:
    """Each has a tab, and is answered for the demo's first user as it stands."""
    visit: Visit = request.getfixturevalue(name)

    assert visit.found["title"] == f"SuperOffice chat sessions · GraphQL {__version__}"
    assert visit.found["links"] == ["/docs/", "/schema.graphql"]
    assert visit.found["tabs"] == ["Queue", "MyChats", "Session", "Summary", "Live"]
    assert [answer["status"] for answer in visit.found["examples"]] == [200] * 4
    assert not any("errors" in answer for answer in visit.found["examples"])


def test_the_demo_says_that_somebody_is_logged_in(windows: Visit) -> None:
    """Nobody has to choose a user before the first query."""
    assert windows.found["comment"] == "# Logged in as the user chosen at the top."


def test_all_of_it_fits_on_a_phone(windows: Visit) -> None:
    """Users have a line of their own, tabs scroll, and the editor stands above the answer."""
    narrow = windows.found["narrow"]

    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in narrow.values())
    assert narrow["login"]["y"] + narrow["login"]["height"] <= narrow["tabs"]["y"]
    assert narrow["tabs"]["width"] >= 250
    assert narrow["editor"]["width"] >= 200
    assert narrow["editor"]["height"] >= 150
    assert narrow["answer"]["width"] >= 300
    assert narrow["answer"]["height"] >= 200
    assert narrow["editor"]["y"] + narrow["editor"]["height"] <= narrow["answer"]["y"]


def test_what_is_out_of_sight_on_a_phone_can_be_reached(windows: Visit) -> None:
    """The last tab comes by scrolling, and the docs open in readable width."""
    tab, docs = windows.found["lastTab"], windows.found["docs"]

    assert 0 <= tab["x"] <= tab["x"] + tab["width"] <= 390
    assert docs["width"] >= 300


def test_a_wide_window_has_the_answer_beside_the_editor(windows: Visit) -> None:
    """With users and tabs in one line above both."""
    wide = windows.found["wide"]

    assert wide["login"]["x"] > wide["tabs"]["x"] + wide["tabs"]["width"]
    assert wide["answer"]["x"] > wide["editor"]["x"] + wide["editor"]["width"]
    assert wide["answer"]["width"] >= 500


def test_typing_is_completed_from_the_schema(visit: Visit) -> None:
    """What begins like a field brings up that field, and Enter takes it."""
    assert visit.found["completion"][0] == "chatSessionSummary"
    assert "".join(visit.found["typed"].split()) == "{chatSessionSummary{total}}"


def test_a_subscription_shows_what_happens(visit: Visit) -> None:
    """At once, and again without anybody doing anything."""
    first, second = visit.found["live"]

    assert first.keys() == second.keys() == {"data"}
    assert all(answer["data"]["chatSessionChanges"]["changes"] for answer in (first, second))
    assert not second["data"]["chatSessionChanges"]["isInitial"]


def test_a_subscription_may_be_run_as_soon_as_it_is_pasted(visit: Visit) -> None:
    """It is not taken for a query meanwhile."""
    assert visit.found["pasted"] == {"data": {"chatSessionSummary": {"total": 12}}}


def test_a_typed_query_is_answered_with_typed_headers(visit: Visit) -> None:
    """A person needs nothing else to use it."""
    assert visit.found["answer"] == {"status": 200, "data": {"chatSessionSummary": {"total": 12}}}


def test_a_header_of_a_tabs_own_wins(visit: Visit) -> None:
    """Whoever is chosen at the top."""
    assert visit.found["ownAuthorization"] == BEARER


def test_a_click_logs_in_as_another_user(visit: Visit) -> None:
    """In all tabs; other headers stay, and `$me` is that user."""
    emma = DEMO_USERS[2]

    assert visit.found["answerToEmma"]["status"] == 200
    assert visit.found["emmas"] == [emma.authorization_basic, "UTC"]
    assert visit.found["emmasVariables"] == {"me": emma.associate_id}


def test_one_login_is_for_all_tabs_and_for_a_tenant(visiting: Visiting, graphiql: None) -> None:
    """It lasts as long as the page, and the browser keeps nothing of it."""
    visit = visiting("loggingIn", has_users=False, tenant="")

    assert visit.found["statuses"] == ["data", "data"]
    assert secrets_in(visit.found["kept"]) == []
    assert visit.found["barriers"] == []
    assert visit.console_errors == visit.violations == []


def test_everybody_can_use_what_is_ours(visit: Visit) -> None:
    """Nothing that axe-core calls serious, in the dark or in the light."""
    assert visit.found["barriers"] == []


def test_the_empty_answer_says_how_to_run(windows: Visit) -> None:
    """A newcomer need not guess what the pink button is."""
    assert "Ctrl+Enter" in windows.found["hint"]


def test_the_docs_say_what_a_field_means(visit: Visit) -> None:
    """They can be searched, and show the schema's description."""
    assert "Seconds from the request until an agent accepted" in visit.found["docs"]


def test_the_history_has_what_was_run(visit: Visit) -> None:
    """The latest comes first."""
    # A run is noted once more where GraphiQL takes over another user's variables meanwhile.
    history = [label for label, _ in groupby(visit.found["history"])]

    assert history[-4:] == ["Summary", "Session", "MyChats", "Queue"]
    assert history[0] == "MyChats"
    assert "chatSessionSummary" in history[1]


def test_it_can_be_dark(visit: Visit) -> None:
    """The choice lasts."""
    assert visit.found["dark"] != visit.found["light"]
    assert visit.found["isStillDark"]


def test_the_tabs_are_there_again(visit: Visit) -> None:
    """Nobody has to write a query twice."""
    assert visit.found["tabsAfterReload"][:5] == ["Queue", "MyChats", "Session", "Summary", "Live"]
    assert len(visit.found["tabsAfterReload"]) == 7


@pytest.mark.parametrize("name", ["visit", "tenants", "keeping", "windows"])
def test_nothing_goes_wrong_in_the_console(name: str, request: pytest.FixtureRequest) -> None:
    """No error is written there, and nothing is stopped by the page's policy."""
    visit: Visit = request.getfixturevalue(name)

    assert visit.console_errors == []
    assert visit.violations == []


@pytest.mark.parametrize("name", ["visit", "tenants", "keeping", "windows"])
def test_nothing_comes_from_another_host(name: str, request: pytest.FixtureRequest) -> None:
    """All requests go to the gateway, and none says more in its address than where it goes."""
    visit: Visit = request.getfixturevalue(name)

    assert len({urlsplit(url).netloc for url in visit.requests}) == 1
    assert not any("?" in url for url in visit.requests)


def test_no_credential_stays_in_the_browser(visit: Visit) -> None:
    """Neither the headers editor, nor the tabs, nor the history leave any behind."""
    assert secrets_in(visit.found["kept"]) == []
    assert {"gateway:graphiql:queries", "gateway:graphiql:tabState"} <= visit.found["kept"].keys()


def test_headers_are_kept_once_somebody_asks(keeping: Visit) -> None:
    """Then they are there again when the page is."""
    assert secrets_in(keeping.found["keptOnceAsked"]) != []
    assert json.loads(keeping.found["headersAfterReload"]) == {"Authorization": BEARER}


def test_headers_are_forgotten_when_somebody_asks(keeping: Visit) -> None:
    """Wherever they were kept."""
    assert secrets_in(keeping.found["keptNoLonger"]) == []
    assert keeping.found["headersInTheEnd"] == ""


def test_a_link_opens_its_query(visiting: Visiting, graphiql: None) -> None:
    """With its variables and the operation that it names, ready to run."""
    query = "query A { __typename } query B($n: Int) { chatSessions(limit: $n) { id } }"
    link = urlencode({"query": query, "variables": '{"n": 1}', "operationName": "B"})

    found = visiting("linked", query=f"?{link}").found

    assert (found["query"], found["variables"]) == (query, '{"n": 1}')
    assert len(found["answer"]["data"]["chatSessions"]) == 1
