"""Part `requests`: rates and latencies, beside the ceilings of the loop and of PostgreSQL."""

from .figures import add_ratios, ceiling_sizes, goals, number, table
from .loads import pushes, say
from .machine import Failed

PUSHES = [(changes, connections) for changes in (1, 10, 100) for connections in (1, 32, 256)]


def pulls(loads, server, where, tokens):
    for what, behind in (("empty pull", 0), ("pull of 20", 20)):
        scenario = ["pull", "--connections", 32, "--behind", behind, "--fields", 1]
        yield loads.row(server, f"{what}, {where}", tokens, 32, scenario, "pull")


def reads(machine, loads):
    tokens = machine.tokens("bench", 256)
    machine.empty_database()
    with machine.serving() as server:
        yield loads.row(server, "health", tokens, 32, ["health", "--connections", 32], "health")
        yield from pulls(loads, server, "from memory", tokens)
        # Filling a stream asks PostgreSQL for it, once.
        answers = server.metric("mana_sync_answers_total")
        if server.metric("mana_sync_answers_total", "store") > answers / 20:
            raise Failed("what memory should answer was asked of PostgreSQL")
    with machine.serving(MANA_SYNC_CACHE_BYTES="0") as server:
        yield from pulls(loads, server, "from PostgreSQL", tokens)


def push(machine, loads, changes, connections):
    """A row, with what PostgreSQL does alone right after it."""
    tokens = machine.tokens("bench", 256)
    machine.empty_database()
    with machine.serving() as server:
        row = loads.row(server, f"push of {changes}", tokens, connections, pushes(changes),
                        "push", changes=changes)
        batches = server.metric("mana_sync_batch_rows_count")
        row["batch_rows"] = server.metric("mana_sync_batch_rows_sum") / max(1, batches)
    row["ceilings"] = []
    lanes = min(2, connections)
    for size in ceiling_sizes(changes, connections):
        say(f"PostgreSQL alone, batches of {size} rows")
        machine.empty_database()
        row["ceilings"].append(machine.alone(loads.seconds, size, lanes, lanes,
                                             users=max(lanes, connections), changes=changes))
    return row


def peer_columns(loads):
    if not loads.peer:
        return []
    return [("the peer's, a second", lambda row: number(row["peer"]["rate"], 0)),
            ("its p50 / p99 ms", lambda row: latencies(row["peer"])),
            ("times the peer", lambda row: number(row["to_peer"]))]


def latencies(row):
    return f"{number(row['p50'])} / {number(row['p99'])}"


def read_columns(loads):
    return [("what, 32 connections", lambda row: row["what"]),
            ("requests/s", lambda row: number(row["rate"], 0)),
            ("p50 / p99 ms", latencies),
            ("CPU µs a request: server", lambda row: number(row["server_us"], 1)),
            ("load", lambda row: number(row["load_us"], 1)),
            ("rate to health", lambda row: number(row["to_health"])),
            ("server CPU to health", lambda row: number(row["cpu_to_health"])),
            ("failed", lambda row: number(row["failed"], 0)),
            ("times the original", lambda row: number(row["to_original"], 1)),
            *peer_columns(loads)]


def push_columns(loads):
    def of_a_change(key):
        return lambda row: number(row[key] and row[key] / row["changes"], 1)

    def ceiling(key, digits=0):
        return lambda row: number(row["best_ceiling"][key], digits)

    return [("what", lambda row: row["what"]),
            ("connections", lambda row: str(row["connections"])),
            ("requests/s", lambda row: number(row["rate"], 0)),
            ("changes/s", lambda row: number(row["rate"] * row["changes"], 0)),
            ("p50 / p99 ms", latencies),
            ("CPU µs a change: server", of_a_change("server_us")),
            ("load", of_a_change("load_us")),
            ("PostgreSQL", of_a_change("database_us")),
            ("rows a batch", lambda row: number(row["batch_rows"], 0)),
            ("PostgreSQL alone: rows/s", ceiling("rate")),
            ("p50 ms", ceiling("p50", 2)),
            ("CPU µs a row", ceiling("database_us", 1)),
            ("rows a batch", ceiling("rows")),
            ("of the ceiling", lambda row: number(row["to_ceiling"])),
            ("failed", lambda row: number(row["failed"], 0)),
            ("times the original", lambda row: number(row["to_original"], 1)),
            *peer_columns(loads)]


def measure(machine, loads):
    """Yields (what was found, as Markdown; for the JSON; failures)."""
    rows = list(reads(machine, loads))
    rows += [push(machine, loads, changes, connections) for changes, connections in PUSHES]
    add_ratios(rows)
    held = goals(rows)
    others = [row["others"] for row in rows if row["others"] is not None]
    text = table(read_columns(loads), [row for row in rows if "changes" not in row])
    text += "\n" + table(push_columns(loads), [row for row in rows if "changes" in row])
    most = number(max(others, default=None))
    text += f"\nOther processes took up to {most} cores meanwhile.\n"
    text += "\n" + table([("what must hold", lambda goal: goal[0]),
                          ("is", lambda goal: number(goal[1])),
                          ("bound", lambda goal: number(goal[2])),
                          ("holds", lambda goal: "yes" if goal[3] else "no")], held)
    failures = [f"{row['what']}: {failure}" for row in rows for failure in row["failures"]]
    found = {"rows": rows,
             "goals": [dict(zip(("what", "is", "bound", "holds"), goal)) for goal in held]}
    yield text, found, failures
