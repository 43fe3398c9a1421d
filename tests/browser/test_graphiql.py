"""GraphiQL in Chromium: its features, and the data that it must not store or send."""

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
    """Return the findings of a person who tried every feature, in demo mode."""
    return visiting("graphiql")


@pytest.fixture(scope="module")
def keeping(visiting: Visiting, graphiql: None) -> Visit:
    """Return the findings of a person who stored their headers for a while, outside demo mode."""
    return visiting("keepingHeaders", has_users=False)


@pytest.fixture(scope="module")
def windows(visiting: Visiting, graphiql: None) -> Visit:
    """Return the positions of elements in a phone's window and a desktop's, in demo mode."""
    return visiting("narrowAndWide")


@pytest.fixture(scope="module")
def tenants(visiting: Visiting, graphiql: None) -> Visit:
    """Return the findings of a person who tried the examples on a tenant's page."""
    return visiting("examples", tenant=next(iter(DEMO_TENANTS)))


@pytest.mark.parametrize("name", ["visit", "tenants"])
def test_it_opens_with_working_example_queries(name: str, request: pytest.FixtureRequest) -> None:
    """Each has a tab, and succeeds unchanged for the demo's first user."""
    visit: Visit = request.getfixturevalue(name)

    assert visit.found["title"] == f"SuperOffice chat sessions · GraphQL {__version__}"
    assert visit.found["links"] == ["/docs/", "/schema.graphql"]
    assert visit.found["tabs"] == ["Queue", "MyChats", "Session", "Summary", "Live"]
    assert [answer["status"] for answer in visit.found["examples"]] == [200] * 4
    assert not any("errors" in answer for answer in visit.found["examples"])


def test_the_demo_states_that_a_user_is_logged_in(windows: Visit) -> None:
    """No user has to be chosen before the first query."""
    assert windows.found["comment"] == "# Logged in as the user chosen at the top."


def test_a_real_gateway_at_the_demos_address_has_tabs_of_its_own(windows: Visit) -> None:
    """The demo's tabs and variables do not work there."""
    assert windows.found["commentWithoutUsers"].startswith("# Log in at the top")


def test_a_lost_connection_is_explained(visiting: Visiting, graphiql: None) -> None:
    """The gateway restarts during a subscription: the user has to run it again."""
    [error] = visiting("losing").found["answer"]["errors"]

    assert error == {"message": "No connection to the gateway. Press ▶ again."}


def test_the_page_fits_on_a_phone(windows: Visit) -> None:
    """Users have their own line, tabs scroll, and the editor is above the answer."""
    narrow = windows.found["narrow"]

    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in narrow.values())
    assert narrow["login"]["y"] + narrow["login"]["height"] <= narrow["tabs"]["y"]
    assert narrow["tabs"]["width"] >= 250
    assert narrow["editor"]["width"] >= 200
    assert narrow["editor"]["height"] >= 150
    assert narrow["answer"]["width"] >= 300
    assert narrow["answer"]["height"] >= 200
    assert narrow["editor"]["y"] + narrow["editor"]["height"] <= narrow["answer"]["y"]


def test_elements_beyond_a_phones_window_can_be_reached(windows: Visit) -> None:
    """The last tab is reached by scrolling, and the docs open in readable width."""
    tab, docs = windows.found["lastTab"], windows.found["docs"]

    assert 0 <= tab["x"] <= tab["x"] + tab["width"] <= 390
    assert docs["width"] >= 300


def test_a_wide_window_has_the_answer_beside_the_editor(windows: Visit) -> None:
    """Users and tabs are in one line above both."""
    wide = windows.found["wide"]

    assert wide["login"]["x"] > wide["tabs"]["x"] + wide["tabs"]["width"]
    assert wide["answer"]["x"] > wide["editor"]["x"] + wide["editor"]["width"]
    assert wide["answer"]["width"] >= 500


def test_typing_is_completed_from_the_schema(visit: Visit) -> None:
    """The beginning of a field's name suggests the field, and Enter inserts it."""
    assert visit.found["completion"][0] == "chatSessionSummary"
    assert "".join(visit.found["typed"].split()) == "{chatSessionSummary{total}}"


def test_a_subscription_shows_events(visit: Visit) -> None:
    """The first event comes at once, the next one without any action of the user."""
    first, second = visit.found["live"]

    assert first.keys() == second.keys() == {"data"}
    assert all(answer["data"]["chatSessionChanges"]["changes"] for answer in (first, second))
    assert not second["data"]["chatSessionChanges"]["isInitial"]


def test_a_subscription_may_be_run_as_soon_as_it_is_pasted(visit: Visit) -> None:
    """A pasted subscription is not run as a query."""
    assert visit.found["pasted"] == {"data": {"chatSessionSummary": {"total": 12}}}


@pytest.mark.parametrize("name", ["twoKeys", "twoFilters"])
def test_a_query_with_a_list_may_be_run_as_soon_as_it_is_pasted(visit: Visit, name: str) -> None:
    """The objects in a list of arguments are not operations."""
    assert visit.found[name]["data"][name]


def test_a_typed_query_is_answered_with_typed_headers(visit: Visit) -> None:
    """A query and headers typed by hand are enough for an answer."""
    assert visit.found["answer"] == {"status": 200, "data": {"chatSessionSummary": {"total": 12}}}


def test_a_tabs_own_header_wins(visit: Visit) -> None:
    """A tab's own Authorization is sent instead of that of the chosen user."""
    assert visit.found["ownAuthorization"] == BEARER


def test_a_click_logs_in_as_another_user(visit: Visit) -> None:
    """All tabs use the new user and set `$me` to it; other headers stay."""
    emma = DEMO_USERS[2]

    assert visit.found["answerToEmma"]["status"] == 200
    assert visit.found["emmas"] == [emma.authorization_basic, "UTC"]
    assert visit.found["emmasVariables"] == {"me": emma.associate_id}


def test_one_login_applies_to_all_tabs_and_one_tenant(visiting: Visiting, graphiql: None) -> None:
    """The login lasts as long as the page, and the browser stores no part of it."""
    visit = visiting("loggingIn", has_users=False, tenant="")

    assert visit.found["statuses"] == ["data", "data"]
    assert secrets_in(visit.found["kept"]) == []
    assert visit.found["barriers"] == []
    assert visit.console_errors == visit.violations == []


def test_our_additions_are_accessible(visit: Visit) -> None:
    """Axe-core reports nothing serious, in dark or light."""
    assert visit.found["barriers"] == []


def test_the_empty_answer_explains_how_to_run_a_query(windows: Visit) -> None:
    """A newcomer does not have to guess the purpose of the pink button."""
    assert "Ctrl+Enter" in windows.found["hint"]


def test_the_docs_explain_a_field(visit: Visit) -> None:
    """The docs can be searched, and show the schema's description."""
    assert "Seconds from the request until an agent accepted" in visit.found["docs"]


def test_the_history_lists_the_queries_that_were_run(visit: Visit) -> None:
    """The latest query comes first."""
    # GraphiQL lists a run twice if another user's variables are set during it.
    history = [label for label, _ in groupby(visit.found["history"])]

    assert history[-4:] == ["Summary", "Session", "MyChats", "Queue"]
    assert history[0] == "MyChats"
    assert "chatSessionSummary" in history[1]


def test_it_can_be_dark(visit: Visit) -> None:
    """The choice of dark colours survives a reload."""
    assert visit.found["dark"] != visit.found["light"]
    assert visit.found["isStillDark"]


def test_the_tabs_survive_a_reload(visit: Visit) -> None:
    """No query has to be written twice."""
    assert visit.found["tabsAfterReload"][:5] == ["Queue", "MyChats", "Session", "Summary", "Live"]
    assert len(visit.found["tabsAfterReload"]) == 7


@pytest.mark.parametrize("name", ["visit", "tenants", "keeping", "windows"])
def test_the_console_has_no_errors(name: str, request: pytest.FixtureRequest) -> None:
    """No error is logged, and the page's policy blocks nothing."""
    visit: Visit = request.getfixturevalue(name)

    assert visit.console_errors == []
    assert visit.violations == []


@pytest.mark.parametrize("name", ["visit", "tenants", "keeping", "windows"])
def test_the_page_needs_no_other_host(name: str, request: pytest.FixtureRequest) -> None:
    """All requests go to the gateway, and no URL has a query string."""
    visit: Visit = request.getfixturevalue(name)

    assert len({urlsplit(url).netloc for url in visit.requests}) == 1
    assert not any("?" in url for url in visit.requests)


def test_no_credential_stays_in_the_browser(visit: Visit) -> None:
    """Headers editor, tabs and history store no credentials."""
    assert secrets_in(visit.found["kept"]) == []
    kept = visit.found["kept"].keys()
    assert {"gateway-demo:graphiql:queries", "gateway-demo:graphiql:tabState"} <= kept


def test_headers_are_stored_on_request(keeping: Visit) -> None:
    """Stored headers are restored by a reload."""
    assert secrets_in(keeping.found["keptOnceAsked"]) != []
    assert json.loads(keeping.found["headersAfterReload"]) == {"Authorization": BEARER}


def test_stored_headers_are_removed_on_request(keeping: Visit) -> None:
    """Headers are removed from every place, and no other open tab stores its copy again."""
    assert secrets_in(keeping.found["keptNoLonger"]) == []
    assert keeping.found["headersInTheEnd"] == ""


def test_a_link_opens_its_query(visiting: Visiting, graphiql: None) -> None:
    """The query opens with its variables and its named operation, ready to run."""
    query = "query A { __typename } query B($n: Int) { chatSessions(limit: $n) { id } }"
    link = urlencode({"query": query, "variables": '{"n": 1}', "operationName": "B"})

    found = visiting("linked", query=f"?{link}").found

    assert (found["query"], found["variables"]) == (query, '{"n": 1}')
    assert len(found["answer"]["data"]["chatSessions"]) == 1
