"""A real exchange between two clients of one user: requests shown as curl, answers checked.

exchange.py URL TOKEN; exit 0 only if every answer was right. Works on a server that has data: the
record is a new one, and both clients begin at the cursor of now.
"""

import datetime
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

url, token = sys.argv[1:3]
record = f"todo-{time.time_ns() // 1_000_000}"
now = datetime.datetime.now(datetime.timezone.utc)


def ago(seconds):
    """An edit time as JavaScript's toISOString writes it."""
    moment = now - datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def request(client, path, body=None):
    data = None if body is None else json.dumps(body, separators=(",", ":"))
    shown = f"curl -H 'Authorization: Bearer '$TOKEN -H 'X-Client-Id: {client}' '{url}{path}'"
    print(f"\n  {shown}" + (f" \\\n    -d '{data}'" if data else ""))
    message = urllib.request.Request(url + path, data and data.encode(), {
        "Authorization": f"Bearer {token}", "X-Client-Id": client,
        "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(message, timeout=30) as response:
            text = response.read().decode()
    except urllib.error.HTTPError as error:
        sys.exit(f"  {error.code} {error.read().decode()}\n\nWRONG: 200 was expected")
    print(f"  {text}")
    return json.loads(text)


def push(client, since, *changes):
    return request(client, "/sync/demo", {"since": since, "changes": list(changes)})


def pull(client, since):
    query = urllib.parse.urlencode({"collection": "todos", "since": since}, safe=":")
    return request(client, f"/sync/demo/pull?{query}")


def update(title, edited_at):
    return {"table": "todos", "id": record, "op": "update",
            "fields": {"title": {"value": title, "updatedAt": edited_at}}}


def step(what):
    print(f"\n{what}")


def check(what, holds):
    print(f"  {'ok' if holds else 'WRONG'}: {what}")
    if not holds:
        sys.exit(1)


def titles(answer):
    return [change["fields"]["title"]["value"] for change in answer["serverChanges"]
            if change["id"] == record and change["op"] == "update"]


step("The phone asks where the stream is.")
start = push("phone", now.isoformat().replace("+00:00", "Z"))["syncedUntil"]

step("The phone makes a todo.")
created = {"table": "todos", "id": record, "op": "insert",
           "data": {"id": record, "title": "Buy milk", "done": False, "createdAt": ago(60)}}
phone = push("phone", start, created)
check("nothing from others, no conflict", phone["serverChanges"] == [] and phone["conflicts"] == [])

step("The laptop pulls it.")
laptop = pull("laptop", start)
check("the todo came, once",
      [change["data"]["title"] for change in laptop["serverChanges"]] == ["Buy milk"])

step("Both edit the title, the phone later; the phone is first to send.")
late, early = update("Buy oat milk", ago(10)), update("Buy soy milk", ago(20))
phone = push("phone", phone["syncedUntil"], late)
after = push("laptop", laptop["syncedUntil"], early)
check("the laptop hears of the later edit", "Buy oat milk" in titles(after))

step("A third client, new here, sees who won.")
check("the later edit won", titles(pull("tablet", start)) == ["Buy oat milk"])

step("The phone repeats its push: the answer might have been lost.")
repeated = push("phone", phone["syncedUntil"], late)
check("no conflict", repeated["conflicts"] == [])
check("nothing new for others", pull("tablet", after["syncedUntil"])["serverChanges"] == [])
print("\nEvery answer was right.")
