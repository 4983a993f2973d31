"""Part `growth`: what becomes of the figures with larger pushes, longer histories, more users."""

import http.client
import json
import time
import urllib.parse

from .figures import number, table
from .loads import pushes, say
from .machine import Failed
from .requests import latencies

CHANGES = (1, 10, 100, 1000)
HISTORIES = (0, 10_000, 100_000, 1_000_000)
USERS = (1, 32, 1000, 50_000)
APP = "growth"
NOW = "2100-01-01T00:00:00Z"  # as if it were now (PROTOCOL 2.5)
FIRST_PUSH = json.dumps({"clientId": "first", "since": NOW, "changes": [
    {"table": "history", "id": "first", "op": "insert", "data": {"id": "first", "n": 1}}]})

# A stream's history: records of four fields, each written once, in a table that no load touches.
HISTORY = """
INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_timestamps,
                          client_id, created_at)
SELECT (lpad(to_hex((extract(epoch FROM stamp) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid,
       '{app}', 'history', 'r' || i, '{user}', 'insert',
       jsonb_build_object('id', 'r' || i, 'n', i, 'f0', repeat('x', 16), 'createdAt', edited,
                          'updatedAt', edited),
       jsonb_build_object('n', edited, 'f0', edited, 'createdAt', edited, 'updatedAt', edited),
       'historian', stamp
FROM (SELECT i, now() - interval '1 day' + i * interval '1 millisecond' AS stamp,
             '2024-01-01T10:00:00.000Z' AS edited FROM generate_series(1, {count}) AS i) AS made"""


class Client:
    """One that asks once, or in turn, over one connection."""

    def __init__(self, server, token):
        address = urllib.parse.urlsplit(server.url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=300)
        self.token = token

    def ask(self, method, path, body=None):
        """How long it took until it was answered 200, in milliseconds."""
        begun = time.monotonic()
        while True:
            self.connection.request(method, path, body, {
                "Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
            answer = self.connection.getresponse()
            answer.read()
            if answer.status == 200:
                return (time.monotonic() - begun) * 1e3
            if answer.status != 503:
                raise Failed(f"{method} {path}: {answer.status}")
            time.sleep(0.1)


# --- larger pushes

def by_changes(machine, loads):
    tokens = machine.tokens("bench", 256)
    for changes in CHANGES:
        machine.empty_database()
        with machine.serving() as server:
            yield loads.row(server, f"push of {changes}", tokens, 32, pushes(changes), "push",
                            changes=changes)


CHANGES_COLUMNS = [
    ("32 connections", lambda row: row["what"]),
    ("changes/s", lambda row: number(row["rate"] * row["changes"], 0)),
    ("p50 / p99 ms", latencies),
    ("CPU µs a change: server", lambda row: number(row["server_us"] / row["changes"], 1)),
    ("load", lambda row: number(row["load_us"] / row["changes"], 1)),
    ("PostgreSQL",
     lambda row: number(row["database_us"] and row["database_us"] / row["changes"], 1))]


# --- longer histories

def fill_histories(machine):
    machine.empty_database()
    for count in HISTORIES:
        if count:
            say(f"a history of {count} changes")
            machine.sql("SET synchronous_commit = off",
                        HISTORY.format(app=APP, user=f"history{count}-1", count=count))
    machine.sql("VACUUM ANALYZE sync_changes", "CHECKPOINT")


def by_history(machine, loads):
    fill_histories(machine)
    for count in HISTORIES:
        tokens = machine.tokens(f"history{count}", 1)
        token = tokens.read_text().strip()
        pull = ["--app", APP, "pull", "--connections", 1, "--fields", 1, "--behind"]
        empty, twenty = [*pull, 0], [*pull, 20]
        row = {"history": count, "failures": []}

        def add(key, server, scenario, op):
            found = loads.row(server, f"{key}, {count} changes in the stream", tokens, 1, scenario,
                              op)
            row[key] = found
            row["failures"] += found["failures"]

        with machine.serving() as server:
            row["first_ms"] = Client(server, token).ask("POST", f"/sync/{APP}", FIRST_PUSH)
            add("push", server, ["--app", APP, *pushes(1)], "push")
            add("empty pull", server, empty, "pull")
            add("pull of 20", server, twenty, "pull")
        with machine.serving(MANA_SYNC_CACHE_BYTES="0") as server:
            add("empty pull, PostgreSQL", server, empty, "pull")
            add("pull of 20, PostgreSQL", server, twenty, "pull")
        yield row


def history_columns():
    def of(key):
        return (f"{key}: p50 / p99 ms", lambda row: latencies(row[key]))

    return [("changes in the stream", lambda row: f"{row['history']:,}"),
            of("push"), of("empty pull"), of("pull of 20"), of("empty pull, PostgreSQL"),
            of("pull of 20, PostgreSQL"),
            ("first push after a start, ms", lambda row: number(row["first_ms"], 1))]


# --- more users

def warm(server, tokens, app):
    """Each user's token is verified and stream read before what is measured begins."""
    client = Client(server, None)
    for client.token in tokens.read_text().split():
        client.ask("GET", f"/sync/{app}/pull?collection=none&since={NOW}")


def by_users(machine, loads):
    for count in USERS:
        tokens = machine.tokens("user", count)
        devices = max(1, 32 // count)
        mixed = ["mixed", "--devices", devices, "--fields", 1]
        machine.empty_database()
        row = {"users": count, "failures": []}
        with machine.serving() as server:
            for key, scenario, op in (("push", pushes(1, devices), "push"),
                                      ("mixed", mixed, "pull")):
                warm(server, tokens, key)
                found = loads.row(server, f"{key}, {count} users", tokens, count,
                                  ["--app", key, *scenario, "--connections", 32], op,
                                  connections=32)
                row[key] = found
                row["failures"] += found["failures"]
        yield row


USERS_COLUMNS = [
    ("active users", lambda row: f"{row['users']:,}"),
    ("pushes of 1 a second", lambda row: number(row["push"]["rate"], 0)),
    ("p50 / p99 ms", lambda row: latencies(row["push"])),
    ("server CPU µs", lambda row: number(row["push"]["server_us"], 1)),
    ("mixed requests a second", lambda row: number(row["mixed"]["rate"], 0)),
    ("its pulls: p50 / p99 ms", lambda row: latencies(row["mixed"])),
    ("server CPU µs", lambda row: number(row["mixed"]["server_us"], 1))]


USERS_NOTE = """
32 connections; tokens are verified and streams read before. One user has 32 devices, and each
answer brings what the others pushed.
"""


def measure(machine, loads):
    """Yields (what was found, as Markdown; for the JSON; failures)."""
    for key, find, columns, note in (("changes", by_changes, CHANGES_COLUMNS, ""),
                                     ("history", by_history, history_columns(), ""),
                                     ("users", by_users, USERS_COLUMNS, USERS_NOTE)):
        rows = list(find(machine, loads))
        yield (table(columns, rows) + note, {key: rows},
               [failure for row in rows for failure in row["failures"]])
