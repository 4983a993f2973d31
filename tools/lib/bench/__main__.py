"""tools/bench, once what it needs is installed."""

import argparse
import datetime
import json
import os
import platform
import signal
import sys

from . import growth, loads, machine, realtime, requests

PARTS = {"requests": requests, "realtime": realtime, "growth": growth}


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Figures: a private PostgreSQL, the server and its load on the same machine.\n"
                    "Prints Markdown.",
        epilog="""parts, all by default:
  requests  health, pulls and pushes: rates, latencies, processor time; beside them, in the same
            run, what PostgreSQL stores alone, and what must hold
  realtime  what idle WebSockets take, how soon listeners hear, a storm
  growth    larger pushes, longer histories, more users

Ratios within one run hold; absolute figures move from run to run, and with what else runs.
MANA_SYNC_BUILD: the build directory, build/ if not set.""")
    parser.add_argument("seconds", nargs="?", type=int, default=8,
                        help="each figure's length, 8 by default")
    parser.add_argument("parts", nargs="*", metavar="part", help="see below")
    parser.add_argument("--json", metavar="FILE", help="write all figures there, too")
    parser.add_argument("--peer", metavar="URL",
                        help="another server, measured in turn with ours (A B A B); not in growth")
    parser.add_argument("--peer-tokens", metavar="FILE",
                        help="tokens that the peer takes, one a line, of one user each, 10,000 for "
                             "realtime; without it, it must know the keys of "
                             ".run/bench/issuer/jwks.json")
    parser.add_argument("--peer-edit-time", default="updatedAt", metavar="NAME",
                        choices=("updatedAt", "at", "both"),
                        help="how the peer names a field's edit time: updatedAt, at or both")
    parsed = parser.parse_args()
    for part in parsed.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part}")
    if parsed.seconds < 1:
        parser.error("a figure takes a second at least")
    return parsed


def about():
    return {"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "cores": os.cpu_count(), "kernel": platform.release()}


def write_json(path, found):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)


def main():
    asked = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    peer = asked.peer and loads.Peer(asked.peer, asked.peer_tokens, asked.peer_edit_time)
    found, failures = {"machine": about(), "seconds": asked.seconds}, []
    with machine.Machine(os.environ["BENCH_ROOT"], os.environ["BENCH_BUILD"]) as means:
        for name in asked.parts or PARTS:
            load = loads.Loads(means, asked.seconds, peer if name != "growth" else None)
            found[name] = {}
            for text, piece, failed in PARTS[name].measure(means, load):
                print(text, flush=True)
                found[name] |= piece
                failures += failed
                if asked.json:
                    write_json(asked.json, found)
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


try:
    sys.exit(main())
except machine.Failed as failed:
    sys.exit(f"bench: {failed}")
except KeyboardInterrupt:
    sys.exit(130)
