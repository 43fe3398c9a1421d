"""The demo's wallboard in Chromium: numbers, an alarm, a restart, and refused credentials."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway import Settings, create_app
from gateway.demo.wallboard.page import wallboard_routes
from tests.browser.restarting import Restarting
from tests.browser.visit import Browser, Visit
from tests.support import served

pytestmark = pytest.mark.socket

KARI, NOBODY = "Basic a2FyaQ==", "Basic bm9ib2R5"
MARKUP = "<img src=x onerror=alert(1)>"


def ago(seconds: float) -> str:
    """Return a past time in SuperOffice's format."""
    return f"{datetime.now(UTC) - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}+0000"


class Desk:
    """A fake SuperOffice where one customer is about to have waited for two minutes."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer with all sessions, or with 401 to the user Nobody."""
        if request.headers["authorization"] == NOBODY:
            return httpx.Response(401)
        self.calls += 1
        kari = {"AssociateId": 101, "FullName": "Kari Nordmann"}
        sessions: list[dict[str, Any]] = [
            {"TopicId": 10, "Status": "InQueue", "CustomerName": "Ada", "Away": 2, "Wait": 110},
            {"TopicId": 10, "Status": "InQueue", "CustomerName": MARKUP, "Away": 50, "Wait": 60},
            {"TopicId": None, "Status": "InQueue", "CustomerName": "Odd", "Away": 2, "Wait": 10},
            {"TopicId": 30, "Status": "CustomerLast", "User": kari, "Away": 2, "Wait": 300},
            {"TopicId": 30, "Status": "Closed", "User": kari, "Away": 90, "Wait": 400, "Rating": 4},
        ]
        answer = [
            {
                **session,
                "ChatSessionId": number,
                "WhenRequested": ago(session["Wait"]),
                "WhenFetched": ago(session["Away"]),
            }
            for number, session in enumerate(sessions, 1)
        ]
        return httpx.Response(200, json=answer)


@pytest.fixture(scope="module")
def visit(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """Return the findings of a person in front of the wallboard."""
    folder: Path = tmp_path_factory.mktemp("wallboard")
    settings = Settings.load(
        upstream_url="http://superoffice.invalid", topic_names="10=Support,30=Sales", cache_ttl=300
    )
    desk = Desk()
    app = create_app(settings, upstream_transport=httpx.MockTransport(desk))
    users = [("Kari Nordmann", KARI), ("Nobody", NOBODY)]
    app.router.routes[:0] = wallboard_routes(users, "graphql", has_manual=True)
    with served(Restarting(app)) as url:
        visit = browser.visit(f"{url}/wallboard", "wallboard", authorization="", folder=folder)
        visit.found["calls"] = desk.calls
        yield visit


def test_it_shows_waiting_customers_and_agents(visit: Visit) -> None:
    """Numbers are per channel, agent and in total; text typed by customers is never markup."""
    *_, sales, support = visit.found["channels"]

    assert sales == ["Sales", "0 waiting", "Longest wait", "\u2013", "Live", "1", "Unanswered", "1"]
    assert support[:3] == ["Support", "2 waiting", "Longest wait"]
    assert [customer[0] for customer in visit.found["queue"]] == ["Ada", MARKUP, "Odd"]
    assert "Support, place 2" in visit.found["queue"][1]
    assert visit.found["agents"] == [["Kari Nordmann", "1 live", "1 unanswered"]]
    assert ["Waiting", "3"] in visit.found["totals"]
    assert ["Average of 1 rating", "4.0 ★"] in visit.found["totals"]


def test_it_shows_customers_who_have_left(visit: Visit) -> None:
    """A customer has left if their browser has stopped polling."""
    first, second, _ = visit.found["queue"]

    assert not any(part.startswith("left ") for part in first)
    assert any(re.fullmatch(r"left \d:\d\d ago", part) for part in second)


def test_an_alarm_lights_up_after_two_minutes(visit: Visit) -> None:
    """The page's own clock raises it, without a poll or an event of the gateway."""
    assert visit.found["calls"] == 1
    assert visit.found["isCalm"]
    assert visit.found["alarm"].endswith("1 customer has waited for over two minutes")
    assert visit.found["late"] == ["Support"]


def test_an_invalid_value_leaves_it_live(visit: Visit) -> None:
    """A chat without a channel has an error, and all other data is valid."""
    assert visit.found["warning"] == "SuperOffice's TopicId is missing."
    assert visit.found["told"][-1] == "Live"


def test_setting_the_computers_clock_changes_no_wait(visit: Visit) -> None:
    """A computer without a battery sets its clock after it has opened the page."""
    assert re.fullmatch(r"2:\d\d", visit.found["longestWait"])


def test_a_long_queue_pushes_no_channel_off_the_wall(visit: Visit) -> None:
    """With thirty customers and four channels, all channels are in the window."""
    assert visit.found["channelsBelow"] == [0] * 4


def test_it_reports_a_disconnect_and_reconnects(visit: Visit) -> None:
    """After a restart of the gateway the page reconnects by itself."""
    assert visit.found["waiting"].startswith("Disconnected. Next try in ")


def test_a_queue_that_fails_is_not_shown_as_empty(visit: Visit) -> None:
    """With a hidden field, for example, the numbers arrive, and the queue is refused."""
    assert visit.found["withoutQueue"] == ["Hidden"]


def test_a_refusal_is_final(visit: Visit) -> None:
    """Credentials that SuperOffice refuses are not sent again."""
    assert "credentials" in visit.found["stopped"]
    assert visit.found["userAfterReload"] == "Nobody"


def test_another_user_sees_nothing_of_the_last_one(visit: Visit) -> None:
    """Their numbers and customers are gone at once, whatever the answer to the new credentials."""
    assert visit.found["left"] == []


def test_the_wallboard_is_accessible(visit: Visit) -> None:
    """In each size and colour scheme axe-core reports nothing, and nothing is cut off."""
    assert visit.found["axe"] == {}
    assert visit.found["overflow"] == [0] * 6


def test_it_needs_only_the_gateway(visit: Visit) -> None:
    """The wallboard uses no other host, violates no policy, logs no error, and stores nothing."""
    assert len({urlsplit(url).netloc for url in visit.requests}) <= 2  # data: has none
    assert visit.violations == []
    assert visit.console_errors == []
    assert visit.found["kept"] == {}
