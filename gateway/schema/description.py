"""The description of the whole schema, which tools show first."""

DESCRIPTION = """
The chat sessions of SuperOffice, and what they are linked to: only the fields you select, with \
filters, order, pages, numbers for a wallboard, and live updates. It is read-only.

**Log in** as for SuperOffice's REST API: send the `Authorization` header (`Basic`, `Bearer` or \
`SoTicket`) that you would send there, in a WebSocket as a field of the `connection_init` payload. \
You see the sessions that SuperOffice shows to that user.

**Times** have an offset if you send `SO-TimeZone: UTC, includeTZOffset`. List texts are in one \
language if you send `Accept-Language`.

**Glossary**, from SuperOffice's words to those of its API, which this schema keeps:

- chat channel: *topic* (`topicId`)
- agent, user: *associate* (`user`, `transferTo`)
- company: *contact*
- person, customer: *person*; what the customer typed: the fields `customer…`
- request: *ticket*
- bot: *chatbot*

**Errors** have a code in `extensions.code`. A number, text or date can be null: each field says \
when.
""".strip()
