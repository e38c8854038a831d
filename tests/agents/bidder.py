#!/usr/bin/env python3
"""An agent that bids for a home of a running scene, with the standard library only.

    gridloom run scenes/wholesale.scene.ron --agents 127.0.0.1:4720 --lockstep 2000 --await-agents 1
    python3 tests/agents/bidder.py 127.0.0.1:4720 H2 --limit 115000

In every slot it bids for the next one: all that the home takes, up to a limit
(micro-EUR/kWh) that is given or that it learns. Learning means: lower the limit
by half a cent as long as all of the home's energy came from inside, raise it by
two when some did not. It prints one line per slot and ends with the run.
"""

import argparse
import json
import socket
import sys


def connect(address):
    """A socket at HOST:PORT or unix:PATH."""
    if address.startswith("unix:"):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.connect(address[len("unix:"):])
        return link
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)))


class Run:
    """The other end of the connection: one JSON object a line."""

    def __init__(self, link):
        self.lines = link.makefile("r", encoding="utf-8")
        self.link = link

    def say(self, **request):
        self.link.sendall((json.dumps(request) + "\n").encode())

    def hear(self):
        """The next message as (what, content); (None, None) when the run has gone."""
        line = self.lines.readline()
        if not line:
            return None, None
        return next(iter(json.loads(line).items()))


def learned(limit, facts, welcome):
    """The limit for the next slot from what the last one brought."""
    home, price = facts["home"], facts["price"]
    if not home or home["taken_wh"] == 0 or not facts["settled"]["local_wh"]:
        return limit
    limit += -5000 if home["taken_local_wh"] == home["taken_wh"] else 20000
    return max(welcome["feed_in"], min(price["import"], limit))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("address", help="127.0.0.1:PORT or unix:PATH")
    arguments.add_argument("home", help="home to bid for, for example H2")
    arguments.add_argument("--limit", type=int, help="most paid, micro-EUR/kWh (default: learn it)")
    arguments.add_argument("--wh", type=int, help="most energy at that limit, Wh")
    arguments.add_argument("--token", help="the home's token, where one is asked for")
    given = arguments.parse_args()

    run = Run(connect(given.address))
    hello = {"version": 1, "home": given.home}
    if given.token:
        hello["token"] = given.token
    run.say(hello=hello)
    what, welcome = run.hear()
    if what != "welcome":
        print(f"{what}: {welcome}", file=sys.stderr)
        return 1
    run.say(subscribe={})
    limit = given.limit or welcome["import"]
    placed = refused = 0
    while True:
        what, told = run.hear()
        if what in (None, "over"):
            break
        if what == "slot":
            if not given.limit:
                limit = learned(limit, told, welcome)
            step = {"limit": limit}
            if given.wh:
                step["wh"] = given.wh
            slot = told["open"][0]
            run.say(place={"ref": slot, "slot": slot, "buy": [step]})
            # The order is handed in before the run goes on.
            run.say(done={"slot": told["slot"]})
            home = told["home"]
            print(
                f"slot {told['slot']}: took {home['taken_wh']} Wh, {home['taken_local_wh']} of it from inside,"
                f" {home['slot_nano_eur'] / 1e9:+.4f} EUR; bids {limit / 10000:.2f} ct for slot {slot}",
                flush=True,
            )
        elif what == "placed":
            placed += 1
        elif what == "refused":
            refused += 1
            print(f"refused: slot {told['slot']}: {told['reason']}", flush=True)
        elif what == "error":
            print(f"error: {told['reason']}", file=sys.stderr)
            return 1
    print(f"{placed} orders final, {refused} refused", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
