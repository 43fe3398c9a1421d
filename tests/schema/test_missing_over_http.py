"""A missing value of a marked field, over HTTP: the same answer every time."""

import pytest

from tests.support import CREDENTIALS, RestSide, gateway_over

SESSIONS = [{"ChatSessionId": n, "Status": "InQueue"} for n in range(1, 20)] + [{}]


@pytest.mark.parametrize("limit", [5, 20])
async def test_a_missing_value_has_its_error_in_every_answer(rest: RestSide, limit: int) -> None:
    """Answers made from cached rows have it too; those without the row have no error."""
    rest.body = SESSIONS
    query = f"{{ chatSessions(limit: {limit}) {{ chatSessionId statusRaw }} }}"
    async with gateway_over(rest) as gateway:
        for spaces in range(4):  # another text each time, so that no cached answer is used
            answer = (await gateway.post(query + spaces * " ", headers=CREDENTIALS)).json()
            paths = [error["path"] for error in answer.get("errors", [])]

            assert len(answer["data"]["chatSessions"]) == limit
            assert (
                paths
                == [["chatSessions", 19, n] for n in ("chatSessionId", "statusRaw")][
                    : 2 * (limit == 20)
                ]
            )
