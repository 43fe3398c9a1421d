"""What a request through the gateway costs, beside other engines over the same REST side.

`python -m benchmarks` compares the engines, `… growth`, `… savings` and `… memory` look at the
gateway alone; `--help` tells the rest. Needs Linux, and two cores with nothing else to do.
"""
