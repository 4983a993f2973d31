"""What is measured with: a private PostgreSQL, the server, the load, and what they take."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """The run cannot go on; its text says why."""


def run(command):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True)
    if done.returncode != 0:
        raise Failed(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def stat_of(pid):
    """(parent, own CPU seconds, CPU seconds of children that ended); None if it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS, \
        (int(fields[13]) + int(fields[14])) / TICKS


class Machine:
    """Owns the directory `work`, and whatever runs from it."""

    def __init__(self, root, build):
        self.root, self.build = pathlib.Path(root), pathlib.Path(build)
        self.work = self.root / ".run" / "bench"
        self.loadgen = self.build / "tools/loadgen/mana-sync-loadgen"
        self.ceiling = self.build / "tools/store_ceiling/mana-sync-store-ceiling"
        self.issuer = self.build / "tools/issuer/mana-sync-issuer"
        self.server = self.build / "src/server/mana-sync"
        self.database = self.postmaster = None

    def __enter__(self):
        self.work.mkdir(parents=True, exist_ok=True)
        self.postgres("remove")
        shutil.rmtree(self.work / "issuer", ignore_errors=True)
        run([self.issuer, "init", self.work / "issuer"])
        try:
            self.database = self.postgres("start")
            self.postmaster = int(self.postgres("pid"))
            self.alone(0.1, 1, 1)  # makes the schema
        except BaseException:
            self.postgres("remove")
            raise
        return self

    def __exit__(self, *_):
        self.postgres("remove")

    # --- PostgreSQL

    def postgres(self, verb):
        return run([self.root / "tools/private-postgres", verb, self.work / "pg"]).strip()

    def sql(self, *statements):
        commands = [part for statement in statements for part in ("-c", statement)]
        return run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.database, *commands]).strip()

    def empty_database(self):
        """So that each figure begins with the same table, and no checkpoint comes in between."""
        self.sql("TRUNCATE sync_changes", "CHECKPOINT")

    def postgres_cpu_s(self):
        """What all its processes took so far, those that ended included."""
        total = stat_of(self.postmaster)[2]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            stat = stat_of(pid)
            if stat and stat[0] == self.postmaster:
                total += stat[1]
        return total

    # --- the server

    def tokens(self, user, count):
        """A file with a token for each of the users `user`-1 to `user`-`count`."""
        path = self.work / f"tokens-{user}-{count}"
        path.write_text(run([self.issuer, "token", self.work / "issuer", "--sub", user,
                             "--count", count, "--ttl", 86400]))
        return path

    @contextlib.contextmanager
    def serving(self, **variables):
        """The server, with `variables` in its environment: a Server."""
        environment = os.environ | {
            "PORT": "0", "DATABASE_URL": self.database, "MANA_SYNC_LOG_LEVEL": "info",
            "JWKS_URL": f"file://{self.work}/issuer/jwks.json"} | variables
        # Leaving closes its input, which ends it, and waits for its end.
        with subprocess.Popen([self.root / "tools/lib/serve", self.server, self.work / "server.log"],
                              env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as process:
            answer = process.stdout.readline().split()
            if not answer:
                raise Failed("the server did not start")
            pid, url = answer
            yield Server(url, int(pid))

    # --- the loads

    def measure(self, command, seconds):
        """Runs a load that writes a report to the path behind `--json`. (report, sampled), the
        latter while it ran: cores that PostgreSQL (`database`) and the whole machine (`busy`) took;
        None where the load ended early."""
        path = self.work / "report.json"
        path.unlink(missing_ok=True)
        with open(self.work / "load.out", "w", encoding="utf-8") as out:
            process = subprocess.Popen([str(part) for part in [*command, "--json", path]],
                                       stdout=out, stderr=subprocess.STDOUT)
            try:
                sampled = self.sample(process, seconds)
                process.wait()
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        if not path.exists():
            raise Failed(f"{' '.join(map(str, command))}:\n{(self.work / 'load.out').read_text()}")
        return json.loads(path.read_text()), sampled

    def sample(self, process, seconds):
        """Over the middle of the load."""
        time.sleep(0.2 * seconds)
        before, begun = (self.postgres_cpu_s(), busy_s()), time.monotonic()
        time.sleep(0.6 * seconds)
        if process.poll() is not None:
            return {"database": None, "busy": None}
        after, took = (self.postgres_cpu_s(), busy_s()), time.monotonic() - begun
        return {"database": (after[0] - before[0]) / took, "busy": (after[1] - before[1]) / took}

    def alone(self, seconds, rows, connections, in_flight=1, users=32, changes=1):
        """PostgreSQL without a server, for pushes of `changes`: a ceiling's figures."""
        report, sampled = self.measure(
            [self.ceiling, "--database", self.database, "--seconds", seconds, "--rows", rows,
             "--connections", connections, "--in-flight", in_flight, "--users", users,
             "--changes", changes], seconds)
        if report["failures"]:
            raise Failed("; ".join(report["failures"]))
        rate = report["figures"]["rate"]
        database = sampled["database"]
        return {"rows": rows, "connections": connections, "rate": rate,
                "p50": report["latencies_ms"]["commit"]["p50"],
                "database_us": database and rate and database * 1e6 / rate}


class Server:
    """One that answers: `url`, `pid`, which is None where the server is someone else's."""

    def __init__(self, url, pid=None):
        self.url, self.pid = url, pid

    def metric(self, name, label=""):
        """The sum over those of its series whose labels hold `label`."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        series = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.M)
        return sum(float(value) for labels, value in series if label in labels)


def busy_s():
    """CPU seconds that all processes of the machine took so far."""
    user, nice, system, _, _, irq, softirq, *_ = \
        map(int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / TICKS
