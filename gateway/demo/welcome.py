"""What `gateway demo` prints at its start."""

import json
from collections.abc import Sequence

_WELCOME = """
Wallboard   {base}/wallboard   shows the demo's chats live, in a browser
GraphQL     {url}   is the endpoint for apps, and GraphiQL in a browser
Manual      {base}/docs   has every query, setting and error

Log in as a demo user, with one of these Authorization headers:

{users}

Send a query:

    curl {url} -H 'Content-Type: application/json' \\
      -H 'Authorization: {authorization}' \\
      -d '{body}'

Ctrl+C stops the demo.
"""


def welcome(url: str, users: Sequence[tuple[str, str, int]], tenants: dict[str, str]) -> str:
    """Return what is printed at the start: addresses, with the wallboard first, and logins."""
    query = {"query": "{ chatSessions { chatSessionId status customerName } }"}
    text = _WELCOME.format(
        url=next(iter(tenants), url),
        base=url.removesuffix("/graphql"),
        users="\n".join(f"    {name:14} {authorization}" for name, authorization, _ in users),
        authorization=users[0][1],
        body=json.dumps(query),
    )
    lines = [f"    {address}   {description}" for address, description in tenants.items()]
    return "\n".join([text, "Tenants:", "", *lines, ""]) if tenants else text
