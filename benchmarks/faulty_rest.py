"""A fake REST API with faults: one call in twenty fails, and all calls in regular outages.

Run with `python -m benchmarks.faulty_rest --port 9000 --seed 1`. `GET /calls` returns the number of
calls by outcome, as JSON.
"""

import argparse
import asyncio
import json
import random
from collections import Counter

import uvloop

from benchmarks.records import rest_body

__all__ = ["FAULTS", "OUTAGE_EVERY_S", "OUTAGE_S", "main"]

FAULTS = {
    "503": 0.012,
    "500": 0.006,
    "429": 0.004,
    "HTML with 200": 0.004,
    "cut JSON": 0.004,
    "reset before the answer": 0.008,
    "reset in the answer": 0.004,
    "2 s late": 0.006,
    "no answer": 0.002,
}
"""The probability of each fault."""

OUTAGE_EVERY_S, OUTAGE_S = 120, 6
"""In an outage all calls are reset."""

_SESSIONS = 20
_JSON = "application/json; charset=utf-8"


class FaultyRest:
    """Answers each call with data or a random fault."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311  no secret
        self._started = asyncio.get_running_loop().time()
        self._body = rest_body(_SESSIONS)
        self.seen: Counter[str] = Counter()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until one side closes it."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET /calls "):
                    writer.write(_answer(json.dumps(self.seen).encode()))
                else:
                    await self._answer(writer)
                if writer.is_closing():
                    break
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        outcome = self._outcome()
        self.seen[outcome] += 1
        whole = _answer(self._body)
        match outcome:
            case "503" | "500":
                writer.write(_answer(b"{}", status=f"{outcome} Trouble"))
            case "429":
                writer.write(_answer(b"{}", "Retry-After: 1", status="429 Too Many Requests"))
            case "HTML with 200":
                writer.write(_answer(b"<html>maintenance</html>", content_type="text/html"))
            case "cut JSON":
                writer.write(_answer(self._body[: len(self._body) // 2]))
            case "reset before the answer" | "outage":
                writer.transport.abort()
            case "reset in the answer":
                writer.write(whole[: len(whole) // 2])
                await writer.drain()
                writer.transport.abort()
            case "2 s late":
                await asyncio.sleep(2)
                writer.write(whole)
            case "no answer":
                await asyncio.sleep(60)
            case _:
                writer.write(whole)

    def _outcome(self) -> str:
        running_s = asyncio.get_running_loop().time() - self._started
        if running_s % OUTAGE_EVERY_S > OUTAGE_EVERY_S - OUTAGE_S:
            return "outage"
        at = self._dice.random()
        for fault, share in FAULTS.items():
            at -= share
            if at < 0:
                return fault
        return "answered"


def _answer(body: bytes, *headers: str, status: str = "200 OK", content_type: str = _JSON) -> bytes:
    fields = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers)
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *fields, "")).encode() + body


async def _serve(port: int, seed: int) -> None:
    server = await asyncio.start_server(FaultyRest(seed), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="Play SuperOffice's REST side at its worst.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.port, arguments.seed))


if __name__ == "__main__":
    main()
