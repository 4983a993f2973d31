"""Fills figures of a mana-sync-loadgen report into a text.

report_figures.py REPORT.json TEXT, where TEXT holds `{figure:format}` and `{latency/percentile:format}`,
as in `{answer to last listener/p99:.2f} ms`.
"""

import json
import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)


def filled(match):
    name, percentile, form = match.groups()
    if percentile:
        return format(report["latencies_ms"][name][percentile], form)
    return format(report["figures"][name], form)


print(re.sub(r"\{([^{}/:]+)(?:/([^{}:]+))?:([^{}]+)\}", filled, sys.argv[2]))
