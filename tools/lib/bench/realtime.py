"""Part `realtime`: what idle WebSockets take, how soon listeners hear, a storm."""

from .figures import table
from .loads import say

IDLE = ("{server memory for a socket:.0f} bytes each; "
        "{server CPU while idle:.1f}% of a core while idle")
LAST = "{answer to last listener/p50:.3f} / {answer to last listener/p99:.3f} ms"
FIRST_AND_LAST = ("{answer to first listener/p50:.3f} / {answer to first listener/p99:.3f} ms to "
                  f"the first, {LAST} to the last")
STORM = ("all back after {until all were back:.2f} s; /health meanwhile "
         "{health in the storm/p50:.1f} / {health in the storm/p99:.1f} ms")


def scenarios(seconds):
    """(what, users or None for all, scenario, text)"""
    idle = ["idle", "--sockets", 10000, "--open-rate", 5000, "--seconds", seconds]
    notify = ["notify", "--listeners", 1000, "--seconds", seconds]
    return [
        ("10,000 WebSockets of 10,000 users", None, idle, IDLE),
        ("10,000 WebSockets of 100 users", 100, idle, IDLE),
        ("100 users with a listener each, 100 pushes a second: answer to notification (the "
         "original: 0.15 / 0.35 ms)", 100, ["users", "--seconds", seconds], LAST),
        ("1,000 WebSockets of one user: answer to notification", None, notify, FIRST_AND_LAST),
        ("1,000 event streams of one user: answer to event", None, [*notify, "--sse"],
         FIRST_AND_LAST),
        ("10,000 WebSockets cut at once, and back", None, ["storm", "--sockets", 10000], STORM),
    ]


def measure(machine, loads):
    """Yields (what was found, as Markdown; for the JSON; failures)."""
    tokens = machine.tokens("realtime", 10000)
    rows, failures = [], []
    for what, users, scenario, text in scenarios(loads.seconds):
        say(what)
        # A server of its own, so that each figure begins with an empty one.
        with machine.serving() as server:
            texts, failed = loads.texts(server, tokens, scenario, text, users)
        rows.append({"what": what} | dict(zip(("found", "peer"), texts)))
        failures += [f"{what}: {failure}" for failure in failed]
    columns = [("what", lambda row: row["what"]),
               ("p50 / p99, where there are two", lambda row: row["found"])]
    if loads.peer:
        columns.append(("the peer", lambda row: row["peer"]))
    yield table(columns, rows), {"rows": rows}, failures
