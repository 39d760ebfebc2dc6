#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""A telephony provider in Python, with nothing but the standard library.

It is a line with a small telephone network behind it: far ends that answer, are busy, never answer, and so on. The
server starts it as a child process and speaks to it in lines of JSON, commands on standard input and events on
standard output; what is printed to standard error ends up in the server's log. Try it:

    offhook provider test examples/provider.py

To make a provider of your own, keep `Link` and replace `Exchange`: say in `CAPS` what your line can do, answer each
request exactly once, tell every change of a call as an event, and never name a call again after it was idle.
"""

import json
import sys

# What the line can do. The server refuses everything else by name, and never asks for it.
CAPS = {
    "ops": ["accept", "answer", "drop", "hold", "make_call", "unhold", "extension"],
    "media": ["audio"],
    "addresses": [{"address": "toy:1", "dials": ["other"], "max_calls": 0}],
    "max_calls": 100,
    # The conformance suite reaches the far ends through this schema: see `Exchange.play`.
    "extensions": ["offhook.rig"],
}

MANIFEST = {
    "name": "toy",
    "vendor": "offhook",
    "release": "1",
    "spi": {"min": 1, "max": 1},
    "schemas": [],
}

# How far ends behave, by the addresses under which the conformance suite calls them.
FAR_ENDS = {
    "rig:answers": ["ringback", "connected"],
    "rig:hangs_up": ["ringback", "connected", "normal_clearing"],
    "rig:never_answers": ["ringback"],
    "rig:busy": ["user_busy"],
    "rig:rejects": ["call_rejected"],
    "rig:wrong_number": ["unallocated_number"],
}

LINE = 1
LINE_UP = {"event": "line_up", "line": LINE, "stable_id": "toy:1", "caps": CAPS}


class Refused(Exception):
    """Why a request is not carried out."""

    def __init__(self, kind, detail):
        super().__init__(detail)
        self.kind = kind


class Link:
    """Reads commands, writes events, answers what it does not know."""

    def __init__(self, provider):
        self.provider = provider
        self.write({"provider": "tsp", "manifest": MANIFEST})

    def write(self, message):
        sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
        sys.stdout.flush()

    def run(self):
        """Serves until the server closes our input."""
        self.provider.start(self)
        for line in sys.stdin:
            message = json.loads(line)
            if "ping" in message:
                self.write({"pong": message["ping"]})
            else:
                self.command(message)

    def command(self, message):
        """Carries a command out; what has a request gets exactly one reply."""
        handler = getattr(self.provider, "on_" + message.get("command", ""), None)
        request = message.get("request")
        try:
            if handler is None:
                raise Refused("unsupported", f"there is no command '{message.get('command')}'")
            follow = handler(message)
            reply = {"done": {"outcome": "done"}}
        except Refused as refused:
            follow = None
            reply = {"refused": {"kind": refused.kind, "retry": "never", "detail": str(refused)}}
        if request is not None:
            self.write({"event": "reply", "request": request, **reply})
        # What a request brings about is told after its reply.
        for event in follow or []:
            self.write(event)


class Call:
    """One call: its key, its state, and which way it goes."""

    def __init__(self, key, incoming):
        self.key = key
        self.incoming = incoming
        self.state = "offering" if incoming else "dialing"

    def enters(self, state, **more):
        """Changes the state and gives the event that tells so."""
        self.state = state
        return {"event": "call_state", "call": self.key, "state": state, **more}


class Exchange:
    """The provider: one line, and far ends that do as they are called."""

    def __init__(self):
        self.calls = {}
        self.named = 0
        self.link = None

    def start(self, link):
        """Tells what there is; the first burst ends with ready."""
        self.link = link
        link.write(LINE_UP)
        link.write({"event": "ready"})

    # Commands of the link.

    def on_hello(self, message):
        """Which version both sides speak from now on: there is only one so far."""

    def on_open(self, message):
        self.on_line_of_ours(message)

    def on_close(self, message):
        """Calls end with the use of the line."""
        return [event for call in list(self.calls.values()) for event in self.ends(call, "line_gone")]

    def on_abandon(self, message):
        """Every request was answered at once, so there is nothing to give up."""

    def on_session(self, message):
        """Our calls have no media provider."""

    on_relay = on_session

    def on_call(self, message):
        """An operation on a call: `op` names it, a method does it."""
        self.on_line_of_ours(message)
        operation = getattr(self, "do_" + message["op"], None)
        if operation is None:
            raise Refused("unsupported", f"this line cannot {message['op']}")
        return operation(message)

    def on_line(self, message):
        """An operation on the line."""
        self.on_line_of_ours(message)
        if message["op"] != "extension":
            raise Refused("unsupported", f"this line cannot {message['op']}")
        return self.play(message["data"])

    @staticmethod
    def on_line_of_ours(message):
        if message["line"] != LINE:
            raise Refused("stale_handle", f"there is no line {message['line']}")

    # Operations on calls.

    def do_make_call(self, message):
        to = message["to"]
        if to not in FAR_ENDS:
            raise Refused("invalid_address", f"'{to}' cannot be dialled; there are {', '.join(FAR_ENDS)}")
        call = self.takes(message["call"], incoming=False)
        events = [call.enters("dialing")]
        for step in FAR_ENDS[to]:
            if step in ("ringback", "connected"):
                events.append(call.enters(step))
            else:
                events.extend(self.ends(call, step))
        return events

    def do_accept(self, message):
        return [self.find(message, "offering").enters("accepted")]

    def do_answer(self, message):
        return [self.find(message, "offering", "accepted").enters("connected")]

    def do_hold(self, message):
        return [self.find(message, "connected").enters("on_hold")]

    def do_unhold(self, message):
        return [self.find(message, "on_hold").enters("connected")]

    def do_drop(self, message):
        return self.ends(self.find(message), "normal_clearing")

    # The far ends.

    def play(self, data):
        """Lets a far end act, as the conformance suite asks (schema `offhook.rig`)."""
        if data["schema"] != "offhook.rig":
            raise Refused("unsupported", f"this line does not know the schema {data['schema']}")
        if data["data"] == "hang_up":
            return [event for call in self.incoming() for event in self.ends(call, "normal_clearing")]
        if data["data"] == "replug":
            self.calls.clear()  # The server ends the calls of a line that goes.
            return [{"event": "line_down", "line": LINE}, LINE_UP]
        if data["data"] not in ("call", "call_and_give_up"):
            raise Refused("unsupported", f"no far end can '{data['data']}'")
        self.named += 1
        call = self.takes({"named_by": "provider", "serial": self.named}, incoming=True)
        info = {"direction": "incoming", "address": 0, "caller": {"address": "toy:caller"}, "media": ["audio"]}
        events = [{"event": "new_call", "line": LINE, "call": call.key, "info": info, "state": "offering"}]
        if data["data"] == "call_and_give_up":
            events.extend(self.ends(call, "cancelled"))
        return events

    def incoming(self):
        return [call for call in self.calls.values() if call.incoming]

    # What every operation needs.

    def takes(self, key, incoming):
        call = Call(key, incoming)
        self.calls[json.dumps(key, sort_keys=True)] = call
        return call

    def find(self, message, *states):
        """The call that a command is about, if it is in one of these states."""
        call = self.calls.get(json.dumps(message["call"], sort_keys=True))
        if call is None:
            raise Refused("stale_handle", f"there is no call {message['call']}")
        if states and call.state not in states:
            raise Refused("invalid_state", f"{message['op']} needs {' or '.join(states)}, the call is {call.state}")
        return call

    def ends(self, call, cause):
        """Tells the end of a call; after idle its key is dead."""
        del self.calls[json.dumps(call.key, sort_keys=True)]
        return [call.enters("disconnected", cause=cause), call.enters("idle")]


if __name__ == "__main__":
    Link(Exchange()).run()
