"""What is made of the measured figures: ratios, what must hold, tables. No I/O."""

import re

# The original service on such a machine (docs/PERFORMANCE.md): requests a second, and the p50 in
# milliseconds where one connection was measured.
ORIGINAL_RATE = {
    ("health", 32): 62000,
    ("empty pull", 32): 3200,
    ("pull of 20", 32): 2150,
    ("push of 1", 32): 1550,
    ("push of 10", 32): 316,
    ("push of 100", 32): 36,
}
ORIGINAL_P50_MS = {("push of 1", 1): 1.9, ("push of 10", 1): 10, ("push of 100", 1): 83}


def mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


def ratio(value, other):
    """None where one of them was not measured, or `other` is 0."""
    return value / other if value is not None and other else None


def averaged(runs):
    """One row of several runs of the same figure: dicts of numbers, None and lists of texts."""
    row = {}
    for key in runs[0]:
        values = [run[key] for run in runs]
        row[key] = sum(values, []) if isinstance(values[0], list) else mean(values)
    return row


def load_figures(report, op):
    """A row's figures of a mana-sync-loadgen report, for the latencies of `op`."""
    figures = report["figures"]
    latency = report["latencies_ms"].get(op, {})
    rate = figures["rate"]
    server, own = figures.get("server CPU"), figures["own CPU"]
    return {
        "rate": rate,
        "p50": latency.get("p50"),
        "p99": latency.get("p99"),
        "failed": figures["failed"],
        "server_us": ratio(server and server * 1e4, rate),
        "load_us": ratio(own * 1e4, rate),
        "failures": report["failures"],
    }


def ceiling_sizes(changes, connections):
    """Rows of a batch with which PostgreSQL alone is measured for that load: the two largest that
    two connections can fill with what is under way, or for one connection what it pushes."""
    if connections == 1:
        return [changes]
    fitting = [size for size in (1, 10, 100, 1000, 4000) if size <= changes * connections / 2]
    return fitting[-2:]


def add_ratios(rows):
    """To each row, in place: `to_health`, `cpu_to_health`, `best_ceiling`, `to_ceiling`,
    `to_original`, `to_peer`, as far as they can be told."""
    health = next((row for row in rows if row["what"] == "health"), {})
    for row in rows:
        row["to_health"] = ratio(row["rate"], health.get("rate"))
        row["cpu_to_health"] = ratio(row["server_us"], health.get("server_us"))
        best = max(row.get("ceilings", []), key=lambda one: one["rate"], default=None)
        row["best_ceiling"] = best
        row["to_ceiling"] = ratio(row["rate"] * row.get("changes", 1), best and best["rate"])
        key = (row["what"].split(",")[0], row["connections"])
        row["to_original"] = ratio(row["rate"], ORIGINAL_RATE.get(key))
        if key in ORIGINAL_P50_MS:
            row["to_original"] = ratio(ORIGINAL_P50_MS[key], row["p50"])
        row["to_peer"] = ratio(row["rate"], row.get("peer", {}).get("rate"))


def goals(rows):
    """What must hold in one run: (what, value, bound, whether it holds) of what was measured."""
    by_name = {(row["what"], row["connections"]): row for row in rows}

    def value(what, connections, key):
        return by_name.get((what, connections), {}).get(key)

    hundreds = [value("push of 100", n, "to_ceiling") for n in (32, 256)]
    at_least = [
        ("pushes of 100: changes/s to PostgreSQL alone",
         max((one for one in hundreds if one is not None), default=None), 0.75),
        ("pushes of 1 a second, 256 connections", value("push of 1", 256, "rate"), 12000),
        ("empty pulls from memory: rate to health's",
         value("empty pull, from memory", 32, "to_health"), 0.6),
        ("pulls of 20 from memory: rate to health's",
         value("pull of 20, from memory", 32, "to_health"), 0.3),
    ]
    found = [(what, is_, bound, is_ >= bound) for what, is_, bound in at_least if is_ is not None]
    alone = value("push of 1", 1, "p50")
    if alone is not None:
        found.append(("push of 1, one connection: p50 in ms, at most", alone, 0.6, alone <= 0.6))
    return found


def number(value, digits=2):
    """For a table: 3 or so digits that count, a dash for None."""
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 1000 else f"{value:.{digits}f}"


def table(columns, rows):
    """Markdown. `columns`: (head, function of a row that returns its text)."""
    lines = [[head for head, _ in columns], ["---"] * len(columns)]
    lines += [[text(row) for _, text in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def filled(report, text):
    """`text` with `{figure:format}` and `{latency/percentile:format}` filled in from a report of
    mana-sync-loadgen, as in `{answer to last listener/p99:.2f} ms`; a dash where it has none."""

    def value(match):
        name, percentile, form = match.groups()
        if percentile:
            found = report["latencies_ms"].get(name, {}).get(percentile)
        else:
            found = report["figures"].get(name)
        return "–" if found is None else format(found, form)

    return re.sub(r"\{([^{}/:]+)(?:/([^{}:]+))?:([^{}]+)\}", value, text)
