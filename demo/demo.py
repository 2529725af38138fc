#!/usr/bin/env python3
"""The demo: three simulated providers, and Envoy with the filter in front of them.

`up` starts them, prints what to try, and shows Envoy's line for each request until Ctrl-C. `tour` sends a list of requests and
judges the answers: exit code 0 only if every row is as listed here. Both run `signalbox sim` and `signalbox up` as children; this
file holds only the list and the judging.

Invariant: however this program ends, its children end too, and Envoy with them.
"""

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIGNALBOX = ROOT / "dist" / "signalbox"
CONFIG = Path(__file__).resolve().with_name("config.yaml")

# The addresses that stand in config.yaml.
GATEWAY, ADMIN = "127.0.0.1:10000", "127.0.0.1:9901"
SIMULATORS = {"primary": "127.0.0.1:10101", "secondary": "127.0.0.1:10102", "claude": "127.0.0.1:10103"}
DIALECTS = {"primary": "OpenAI", "secondary": "OpenAI", "claude": "Anthropic"}

# --- The tour

# Which deployment served (the simulators say their names in the answer too), after how much, and how it ended: `whole`, or an error's code.
Served = namedtuple("Served", "deployment attempts fallbacks end")
Row = namedtuple("Row", "asked expects model stream faults rested calls")


def row(asked, *expects, end="whole", model="chat", stream=False, faults=None, rested=True, calls=1):
    return Row(asked, Served(*expects, end), model, stream, faults or {}, rested, calls)


# Ten good answers first: a deployment cools down when more than half of at least five requests in a minute failed.
TOUR = [
    row("ten plain calls", "primary", 1, 0, calls=10),
    row("a stream", "primary", 1, 0, stream=True),
    row("Anthropic's dialect, asked in OpenAI's", "claude", 1, 0, model="claude"),
    row("the same as a stream", "claude", 1, 0, model="claude", stream=True),
    row("primary is down (503)", "secondary", 2, 0, faults={"primary": "status=503"}),
    # Three where the worker had an idle connection to it: a reset there may be a stale connection's, and is tried again on a fresh one.
    row("primary resets the connection", "secondary", {2, 3}, 0, faults={"primary": "reset"}),
    row("primary says 429, retry-after 1", "secondary", 2, 0, faults={"primary": "status=429,retry_after=1"}),
    row("at once again: primary cools down", "secondary", 1, 0, rested=False),
    row("a second later: primary is back", "primary", 1, 0),
    row("both are down: another dialect", "claude", 3, 1, faults={"primary": "status=503", "secondary": "status=503"}),
    row("the same as a stream", "claude", 3, 1, stream=True, faults={"primary": "status=503", "secondary": "status=503"}),
    row("a stream that begins with an error", "secondary", 2, 0, stream=True, faults={"primary": "error_event=overloaded"}),
    row("a first token that takes 20 s", "secondary", 2, 0, stream=True, faults={"primary": "delay_first_token=20s"}),
    row("an answer that is a web page", "secondary", 2, 0, faults={"primary": "body=html"}),
    row("a stream cut short after 5 tokens", "primary", 1, 0, end="stream_truncated", stream=True, faults={"primary": "cut_after=5"}),
    row("a prompt that the policy refuses", "primary", 1, 0, end="content_policy_violation", faults={"primary": "body=content_policy"}),
]


def tour():
    started = time.monotonic()
    with Children(lines=False) as children:
        line = "{:<40} {:<11} {:>8}  {:>9}  {:>8}  {}".format
        print("\n" + line("what was asked", "served by", "attempts", "fallbacks", "took", "verdict"))
        wrong = 0
        for row in TOUR:
            children.check()
            for name, address in SIMULATORS.items():
                call(address, "/sim/fault", row.faults.get(name, ""))
            if row.rested:
                await_rest()
            began = time.monotonic()
            seen = [ask(row) for _ in range(row.calls)]
            took = f"{(time.monotonic() - began) * 1000 / row.calls:.0f} ms"
            odd = next((one for one in seen if not fits(one, row.expects)), None)
            shown, verdict = (odd, "WRONG") if odd else (seen[0], "ok" if seen[0].end == "whole" else f"ok: {seen[0].end}")
            print(line(row.asked, shown.deployment, shown.attempts, shown.fallbacks, took, verdict), flush=True)
            if odd:
                wrong += 1
                print(f"    expected: {describe(row.expects)}\n    seen:     {describe(odd)}", flush=True)
    rows = f"{len(TOUR)} rows in {time.monotonic() - started:.1f} s"
    print(f"\n{rows}, {wrong} WRONG" if wrong else f"\n{rows}, all as expected. Next: make envoy-up")
    return 1 if wrong else 0


def fits(seen, expects):
    """Whether an answer is as expected; of several numbers of attempts, any will do."""
    attempts = expects.attempts if isinstance(expects.attempts, set) else {expects.attempts}
    return seen.attempts in attempts and seen == expects._replace(attempts=seen.attempts)


def await_rest():
    """Waits until no worker takes a deployment for cooling after the row before. What one says here, another learns a tick later."""
    time.sleep(0.15)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        state = json.loads(call(GATEWAY, "/signalbox/state")[1])
        if not any("cooling_for" in known for known in state["deployments"].values()):
            break
        time.sleep(0.05)
    time.sleep(0.15)


def describe(served):
    return f"{served.deployment}, attempts {served.attempts}, fallbacks {served.fallbacks}, {served.end}"


def ask(row):
    """One request, and what came of it."""
    question = {"model": row.model, "messages": [{"role": "user", "content": "Say hello."}], "stream": row.stream}
    response, body = call(GATEWAY, "/v1/chat/completions", json.dumps(question))
    name, attempts, fallbacks = (response.getheader(f"x-signalbox-{what}", "-") for what in ("deployment", "attempts", "fallbacks"))
    number = lambda text: int(text) if text.isdigit() else text
    text, error, ended = read_stream(body) if row.stream and response.status == 200 else read_answer(body)
    if error is not None:
        end = error.get("code") or f"status {response.status}"
    else:
        end = "whole" if ended and text.startswith(f"[{name}]") and text.endswith("Done.") else f"not whole: {text!r}"
    return Served(name, number(attempts), number(fallbacks), end)


def read_answer(body):
    try:
        answer = json.loads(body)
    except ValueError:
        return body.decode(errors="replace"), None, False
    if "error" in answer:
        return "", answer["error"], True
    return answer["choices"][0]["message"]["content"], None, True


def read_stream(body):
    text, error, ended = "", None, False
    for line in body.decode().splitlines():
        if line == "data: [DONE]":
            ended = True
        elif line.startswith("data: "):
            event = json.loads(line[len("data: ") :])
            error = error or event.get("error")
            text += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", []))
    return text, error, ended


def call(address, path, body=None):
    """A request; the response's head, and its body read to the end."""
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        headers = {"content-type": "application/json"} if body is not None else {}
        connection.request("GET" if body is None else "POST", path, body, headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


# --- Envoy, up until Ctrl-C

RUNNING = """
Running:
  Envoy with Signalbox at http://{gateway} (admin: http://{admin})
{simulators}
  Configuration: demo/config.yaml. `chat` is primary, then secondary, and falls back to `claude`.

A call, a stream, and Anthropic's dialect asked in OpenAI's:
  curl -i {url} -d '{{"model": "chat", "messages": [{{"role": "user", "content": "Hello"}}]}}'
  curl -N {url} -d '{{"model": "chat", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'
  curl -i {url} -d '{{"model": "claude", "messages": [{{"role": "user", "content": "Hello"}}]}}'

Take primary down, call again, and bring it back:
  curl -d 'status=503' http://{primary}/sim/fault
  curl -d '' http://{primary}/sim/fault
Other faults: reset, status=429,retry_after=3, error_event=overloaded, delay_first_token=20s, cut_after=5, body=html

Ctrl-C ends it all. A line for each request follows.
"""


def up():
    with Children(lines=True) as children:
        simulators = "\n".join(f"  {name:<9} at http://{at}, a simulator of {DIALECTS[name]}'s dialect" for name, at in SIMULATORS.items())
        url = f"http://{GATEWAY}/v1/chat/completions"
        print(RUNNING.format(gateway=GATEWAY, admin=ADMIN, url=url, simulators=simulators, **SIMULATORS), flush=True)
        while True:
            children.check()
            time.sleep(0.2)


# --- Children


class Failed(Exception):
    """What to tell before the end."""


class Children:
    """The simulators and Envoy, each child in a process group of its own, so that whatever it leaves behind is ended too."""

    def __init__(self, lines):
        self.lines, self.all = lines, {}

    def __enter__(self):
        if not SIGNALBOX.exists():
            raise Failed("there is no dist/signalbox; `make build` makes it")
        for address in [GATEWAY, ADMIN, *SIMULATORS.values()]:
            ensure_free(address)
        try:
            say("starting the simulators")
            listeners = [word for name, at in SIMULATORS.items() for word in ("--listen", f"{name}={at}")]
            self.start("the simulators (signalbox sim)", ["sim", "--quiet", *listeners], False)
            self.await_(lambda: all(call(at, "/sim/fault") for at in SIMULATORS.values()))
            say("starting Envoy with the filter")
            self.start("Envoy (signalbox up)", ["up", "--quiet", str(CONFIG)], self.lines)
            self.await_(lambda: call(GATEWAY, "/v1/models")[0].status == 200)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def start(self, name, arguments, shown):
        self.all[name] = subprocess.Popen(
            [SIGNALBOX, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=None if shown else subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )

    def check(self):
        for name, child in self.all.items():
            if child.poll() is not None:
                how = f"exit code {child.returncode}" if child.returncode >= 0 else f"signal {-child.returncode}"
                raise Failed(f"{name} ended by itself ({how}); ending the rest")

    def await_(self, ready):
        deadline = time.monotonic() + 30
        while True:
            self.check()
            try:
                if ready():
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise Failed("it did not become ready within 30 s")
            time.sleep(0.05)

    def end(self):
        # Further signals of the impatient must not leave anything behind.
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        for child in self.all.values():
            send(child, signal.SIGTERM)
        for child in self.all.values():
            try:
                child.wait(8)
            except subprocess.TimeoutExpired:
                pass
            send(child, signal.SIGKILL)
            child.wait()


def send(child, name):
    try:
        os.killpg(child.pid, name)
    except ProcessLookupError:
        pass


def end_with_parent():
    """Linux tells the child when this program is killed outright."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    except AttributeError:
        pass


def ensure_free(address):
    host, port = address.split(":")
    try:
        socket.create_server((host, int(port))).close()
    except OSError as error:
        raise Failed(f"cannot listen on {address} ({error.strerror}); end what runs there first") from error


def say(what):
    print(f"demo: {what} ...", flush=True)


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    commands = {"up": up, "tour": tour}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(f"usage: {sys.argv[0]} {{{'|'.join(commands)}}}", file=sys.stderr)
        return 2
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, interrupt)
    try:
        return commands[sys.argv[1]]()
    except KeyboardInterrupt:
        print("\ndemo: all ended", flush=True)
        return 0 if sys.argv[1] == "up" else 130
    except (Failed, OSError, http.client.HTTPException) as problem:
        print(f"demo: {problem}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
