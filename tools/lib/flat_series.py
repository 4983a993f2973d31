"""Whether a server's memory and descriptors stayed flat.

flat_series.py FILE, which has a line for each second: resident KiB, open descriptors. What was before the
second quarter is warming up; the last quarter is compared with the second. Exit 1 if either grew.
"""

import statistics
import sys

# The allocator gives pages back when it likes: that much more is no growth.
GROWTH_MAX = 1.05


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = [tuple(map(int, line.split())) for line in file if len(line.split()) == 2]
    if len(rows) < 20:
        sys.exit("too few seconds to tell")
    quarter = len(rows) // 4
    print("| | second quarter | last quarter | ratio |\n|---|---|---|---|")
    held = True
    for name, column, scale in (("resident memory, MB", 0, 1024), ("descriptors", 1, 1)):
        values = [row[column] / scale for row in rows]
        before = statistics.median(values[quarter : 2 * quarter])
        after = statistics.median(values[-quarter:])
        held = held and after <= before * GROWTH_MAX
        print(f"| {name} | {before:.1f} | {after:.1f} | {after / before:.3f} |")
    sys.exit(0 if held else "it grew")


main()
