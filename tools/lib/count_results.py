"""Sums up what tools/test ran: `N passed, N failed`, with `, N skipped` only if some were.

count_results.py DIR RUN..., where DIR holds
  meson.jsonl   Meson's log: one line a binary
  *.json        GoogleTest's own counts, one file a binary
  RUN.tap       the protocol tests' TAP, one file a run of Node

A binary that ended badly without a failed test of its own (it crashed, it hung, a sanitizer spoke
at its end) counts as one failed test. Exit 1 if any failed or if either kind did not run.
"""

import json
import pathlib
import re
import sys

results = pathlib.Path(sys.argv[1])


def google_test(path):
    """(passed, failed, skipped) of one binary."""
    passed = failed = skipped = 0
    for suite in json.loads(path.read_text())["testsuites"]:
        for case in suite["testsuite"]:
            if case.get("failures"):
                failed += 1
            elif case.get("result") == "SKIPPED" or case.get("status") == "NOTRUN":
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def unit_tests():
    passed = failed = skipped = 0
    log = results / "meson.jsonl"
    for line in log.read_text().splitlines() if log.exists() else []:
        binary = json.loads(line)
        counts = results / (pathlib.Path(binary["command"][0]).name + ".json")
        ours = google_test(counts) if counts.exists() else (int(binary["result"] == "OK"), 0, 0)
        passed, failed, skipped = passed + ours[0], failed + ours[1], skipped + ours[2]
        if binary["result"] != "OK" and ours[1] == 0:
            print(f"{binary['name']}: {binary['result']} without a failed test")
            failed += 1
    return passed, failed, skipped


def protocol_tests(name):
    path = results / f"{name}.tap"
    tap = path.read_text() if path.exists() else ""

    def summed(word):
        found = re.findall(rf"^# {word} (\d+)$", tap, re.MULTILINE)
        return int(found[-1]) if found else 0

    return summed("pass"), summed("fail") + summed("cancelled"), summed("skipped") + summed("todo")


kinds = {"unit": unit_tests()} | {
    "protocol" if run == "protocol" else f"protocol, {run}": protocol_tests(run)
    for run in sys.argv[2:]
}
passed, failed, skipped = (sum(counts) for counts in zip(*kinds.values()))
for kind, counts in kinds.items():
    print(f"{kind}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
    if sum(counts) == 0:
        print(f"no {kind} test ran")
        failed += 1
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(1 if failed else 0)
