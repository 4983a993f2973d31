"""What takes the time in a profile: the share of each part, then of the functions that take most.

Reads `perf report --sort dso,symbol -F overhead,dso,symbol --field-separator '|'` from its input.
"""

import collections
import re
import sys

FUNCTIONS_SHOWN = 25
# What is of our own says so by its namespace; of a library that is compiled in, the symbol tells.
LIBRARIES = [
    (re.compile(r"llhttp"), "llhttp"),
    (re.compile(r"simdjson"), "simdjson"),
    (re.compile(r"absl"), "absl"),
    (re.compile(r"^mi_|operator (new|delete)|^(malloc|free|_int_)"), "allocator"),
    (re.compile(r"wslay"), "wslay"),
    (re.compile(r"XXH"), "xxhash"),
    (re.compile(r"fmt::"), "fmt"),
]


def part_of(dso, symbol):
    own = re.match(r"(?:.*\s)?mana_sync::(\w+)::", symbol)
    if own and own.group(1) in ("net", "http", "ws", "auth", "sync", "store", "server"):
        return own.group(1)
    for pattern, name in LIBRARIES:
        if pattern.search(symbol):
            return name
    if "mana_sync::" in symbol:
        return "base"
    if dso.startswith("["):
        return "kernel"
    if dso == "mana-sync":
        return "other of mana-sync"
    library = re.sub(r"[-.]?[0-9.]*\.so.*$", "", dso)
    return {"libmimalloc": "allocator", "libxxhash": "xxhash"}.get(library, library)


def main():
    parts = collections.Counter()
    functions = []
    for line in sys.stdin:
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 3 or not fields[0].endswith("%"):
            continue
        share = float(fields[0][:-1])
        symbol = re.sub(r"^\[[.k]\]\s*", "", fields[2])
        part = part_of(fields[1], symbol)
        parts[part] += share
        functions.append((share, part, symbol))
    if not functions:
        sys.exit("nothing was recorded")
    print("| part | share |\n|---|---|")
    for part, share in parts.most_common():
        if share >= 0.1:
            print(f"| {part} | {share:.1f}% |")
    print("\n| function | part | share |\n|---|---|---|")
    for share, part, symbol in sorted(functions, reverse=True)[:FUNCTIONS_SHOWN]:
        print(f"| `{symbol[:90]}` | {part} | {share:.1f}% |")


main()
