"""Loads of mana-sync-loadgen, on the server and, in turn, on a peer."""

import sys

from . import figures


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


class Peer:
    """Another server, measured side by side: A B A B."""

    def __init__(self, url, tokens=None, edit_time="updatedAt"):
        self.url, self.tokens, self.edit_time = url, tokens, edit_time
        self.pid = None


class Loads:
    def __init__(self, machine, seconds, peer=None):
        self.machine, self.seconds, self.peer = machine, seconds, peer

    def command(self, target, tokens, scenario, users=None):
        peer = target is self.peer
        command = [self.machine.loadgen, "--url", target.url,
                   "--tokens", peer and target.tokens or tokens]
        if users:
            command += ["--users", users]
        if target.pid:
            command += ["--server-pid", target.pid]
        command += scenario
        if peer and scenario[0] in ("push", "mixed", "follow"):
            command += ["--edit-time", target.edit_time]
        return command

    def once(self, target, tokens, users, scenario, op):
        command = self.command(target, tokens, [*scenario, "--seconds", self.seconds], users)
        report, sampled = self.machine.measure(command, self.seconds)
        row = figures.load_figures(report, op)
        database, busy = sampled["database"], sampled["busy"]
        if target is self.peer or busy is None:
            return row | {"database_us": None, "others": None}
        row["database_us"] = figures.ratio(database * 1e6, row["rate"])
        known = database + row["rate"] * ((row["server_us"] or 0) + (row["load_us"] or 0)) / 1e6
        row["others"] = max(0, busy - known)
        return row

    def row(self, server, what, tokens, users, scenario, op, connections=None, **more):
        """A figure's row. `users` have a connection each unless `connections` says otherwise."""
        connections = connections or users
        say(f"{what}, {connections} connections")
        targets = [server, self.peer] if self.peer else [server]
        runs = {target: [] for target in targets}
        for _ in targets:  # once, or A B A B
            for target in targets:
                runs[target].append(self.once(target, tokens, users, scenario, op))
        row = {"what": what, "connections": connections} | figures.averaged(runs[server]) | more
        if self.peer:
            row["peer"] = figures.averaged(runs[self.peer])
        return row

    def texts(self, server, tokens, scenario, text, users=None):
        """`text` with the report's figures filled in, for the server and the peer; failures."""
        texts, failures = [], []
        for target in [server, self.peer] if self.peer else [server]:
            report, _ = self.machine.measure(self.command(target, tokens, scenario, users), 0)
            texts.append(figures.filled(report, text))
            failures += report["failures"]
        return texts, failures


def pushes(changes, devices=1):
    """Of new records. Where a user has one device, no answer brings another's changes."""
    return ["push", "--changes", changes, "--devices", devices, "--updates", 0, "--deletes", 0,
            "--fields", 1]
