"""Measures the cost of a request through the gateway and through other engines.

All engines call the same fake REST API. `python -m benchmarks` compares them; `… growth`, `…
savings` and `… memory` measure only the gateway; `--help` lists the rest. Needs Linux, and two idle
cores.
"""
