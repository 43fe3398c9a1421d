"""Polls `/healthz` from its own process, so that only the gateway's delays are measured.

`python -m benchmarks.bystander PORT` prints a line when it has begun, polls until its stdin is
closed, and prints the longest wait in seconds.
"""

import http.client
import os
import select
import sys
import time

_PAUSE_S = 0.002


def main(port: int) -> None:
    """Poll until stdin is closed."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # not only on the cores of the load
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask() -> float:
        started = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        return time.perf_counter() - started

    ask()
    print("begun", flush=True)  # noqa: T201
    longest_s = 0.0
    while not select.select([sys.stdin], [], [], _PAUSE_S)[0]:
        longest_s = max(longest_s, ask())
    print(longest_s)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
