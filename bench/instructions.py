#!/usr/bin/env python3
"""User instructions a request, counted, not timed: plain Envoy, and Envoy with Signalbox without and with a complexity router.

Envoy runs under QEMU's user mode, with a plugin (count.c) that counts what its worker executes. Two runs of one build differ by about
1 %, also beside other work, where CPU time swings by a tenth and more. `own` is what the filter's compiled code executes itself;
everything else is Envoy's, and what calls into the VM and out of it cost there. Calls are counted in a run without QEMU, from
Envoy's own trace of them.

The figures go to target/bench/instructions.json. With --check they are held against bench/bounds.json, whose numbers only go down.

Needs qemu-user and a C compiler besides what `make bench` builds. The kernel's part of a request is not counted.

Invariant: whatever happens at a tick, not for a request, is no part of a figure.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import run
from run import OUT, ROOT, say

GATEWAYS = ["plain", "signalbox", "complexity", "same_dialect", "other_dialect"]
# Workload: requests that are counted.
REQUESTS = {"chat_2k": 300, "chat_64k": 60, "agent_40k": 60}
TRACED = 20
# Gateways whose memory is looked at, and when.
SETTLED, SETTLES_S = ["plain", "signalbox"], 12
BOUNDS = ROOT / "bench" / "bounds.json"


def main():
    args = arguments()
    OUT.mkdir(parents=True, exist_ok=True)
    args.bodies = {workload: run.write_body(workload) for workload in REQUESTS}
    plugin = built_plugin()
    # A gateway and its load wait for each other, and another one is not in the figures.
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        rows = [row for of_one in pool.map(lambda name: count(args, name, plugin), args.gateways) for row in of_one]
    print_table(rows)
    (OUT / "instructions.json").write_text(json.dumps(rows, indent=2) + "\n")
    say(f"\nwritten: {(OUT / 'instructions.json').relative_to(ROOT)}")
    sys.exit(1 if args.check and not within_bounds(rows, json.loads(BOUNDS.read_text()), args.wasm) else 0)


def count(args, name, plugin):
    """The rows of one gateway."""
    counted = count_instructions(args, name, plugin)
    calls = {} if name == "plain" else count_calls(args, name)
    none = {"host_calls": 0, "vm_entries": 0}
    rows = [{"gateway": name, "workload": workload} | counted[workload] | calls.get(workload, none) for workload in of(name)]
    if name in SETTLED:
        rows[0]["settled_mb"] = settled_mb(args, name)
    return rows


def of(gateway):
    """The workloads of a gateway."""
    return [workload for workload in REQUESTS if run.has(gateway, workload)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--gateways", nargs="+", choices=GATEWAYS, default=GATEWAYS)
    parser.add_argument("--check", action="store_true", help="exit 1 when a figure is above its bound")
    path = {"type": lambda text: pathlib.Path(text).resolve()}
    parser.add_argument("--signalbox", default=ROOT / "dist" / "signalbox", help="the command line", **path)
    parser.add_argument("--wasm", default=ROOT / "dist" / "signalbox.wasm", help="the filter", **path)
    parser.add_argument("--load", default=ROOT / "target" / "cli" / "examples" / "load", help="the load generator", **path)
    args = parser.parse_args()
    version = (ROOT / "envoy" / "VERSION").read_text().strip()
    args.envoy = ROOT / ".envoy" / version / "envoy"
    missing = [program for program in ("qemu-x86_64", "cc") if not shutil.which(program)]
    missing += [file for file in (args.envoy, args.signalbox, args.wasm, args.load) if not file.exists()]
    if missing:
        parser.error(f"{missing[0]} is not there; `make bench-instructions` installs and builds what it needs")
    return args


def built_plugin():
    plugin = OUT / "count.so"
    source = ROOT / "bench" / "count.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", plugin, source], check=True)
    return plugin


# --- Instructions


class Counter:
    """The plugin's control file."""

    def __init__(self, name):
        self.file, self.out = OUT / f"count-{name}", OUT / f"count-{name}.txt"
        self.file.unlink(missing_ok=True)

    def say(self, command):
        # Renamed, so that the plugin never reads half a command.
        half = self.file.with_suffix(".new")
        half.write_text(command)
        half.rename(self.file)
        while self.file.exists():
            time.sleep(0.01)

    def read(self):
        """Instructions since `zero`, of the thread that executed the most: all, and those of compiled code."""
        self.say(f"write {self.out}")
        counts = [line.split() for line in self.out.read_text().splitlines()]
        return max(((int(number), int(compiled)) for _, number, compiled in counts), default=(0, 0))


def count_instructions(args, name, plugin):
    counter = Counter(name)
    under = ["qemu-x86_64", "-cpu", "max", "-plugin", f"{plugin},control={counter.file}"]
    counted = {}
    with contextlib.ExitStack() as running:
        gateway = started(running, args, name, under=under)
        for workload in of(name):
            load(args, gateway, workload, 40)
        counter.say("arm")
        for workload in of(name):
            # What was translated before the arming is translated again, and counted from then on.
            load(args, gateway, workload, 120)
            counter.say("zero")
            time.sleep(2)
            idle = counter.read()
            counter.say("zero")
            began = time.monotonic()
            load(args, gateway, workload, REQUESTS[workload])
            took = time.monotonic() - began
            # A tick comes twenty times a second, be there requests or not.
            everything, own = (
                (count - at_rest * took / 2) / REQUESTS[workload] for count, at_rest in zip(counter.read(), idle)
            )
            counted[workload] = {"user_instructions": round(everything), "own": round(own)}
            say(f"{name:12}  {workload:10}  {everything / 1000:8.1f}k instructions a request, {own / 1000:.1f}k its own")
    return counted


def started(running, args, name, under=(), more=()):
    provider = run.start_simulator(running, args, None)
    return run.Gateway(running, args, name, provider, None, under, more)


def load(args, gateway, workload, requests, connections=run.CONNECTIONS):
    return run.load(args, gateway, args.bodies[workload], requests, None, connections=connections, warmup=0)


# --- Calls

# Envoy's trace of its wasm VMs: a call into one, its end, and a call out of it.
CALL = re.compile(r"\[(host->vm|host<-vm|vm->host|vm<-host)\] (?:env\.|wasi_snapshot_preview1\.)?(\w+)")


def count_calls(args, name):
    counted = {}
    with contextlib.ExitStack() as running:
        gateway = started(running, args, name, more=["--component-log-level", "wasm:trace"])
        for workload in of(name):
            load(args, gateway, workload, 5, connections=1)
            time.sleep(0.3)
            before = gateway.log.stat().st_size
            load(args, gateway, workload, TRACED, connections=1)
            time.sleep(0.3)
            with open(gateway.log, errors="replace") as log:
                log.seek(before)
                entries, calls = calls_in(log)
            counted[workload] = {"host_calls": round(calls / TRACED, 2), "vm_entries": round(entries / TRACED, 2)}
    return counted


def calls_in(log):
    """How often a VM was entered and left in the lines of a trace, ticks left out."""
    entries = calls = 0
    in_tick = False
    for found in filter(None, map(CALL.search, log)):
        way, function = found.groups()
        if function == "proxy_on_tick":
            in_tick = way == "host->vm"
        elif not in_tick:
            entries += way == "host->vm"
            calls += way == "vm->host"
    return entries, calls


# --- Memory


def settled_mb(args, name):
    """What a process has of the machine's memory once it has served requests, and has given back what it only needed to start."""
    with contextlib.ExitStack() as running:
        gateway = started(running, args, name)
        load(args, gateway, next(iter(REQUESTS)), 100)
        time.sleep(SETTLES_S)
        status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
    return round(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024, 1)


# --- Judging


def print_table(rows):
    plain = {row["workload"]: row["user_instructions"] for row in rows if row["gateway"] == "plain"}
    say(f"\n{'workload':12}{'gateway':14}{'instructions':>14}{'x plain':>9}{'own':>10}{'host calls':>12}{'VM entries':>12}")
    for row in rows:
        ratio = row["user_instructions"] / plain[row["workload"]] if plain else 0
        figures = f"{row['user_instructions']:14}{ratio:9.2f}{row['own']:10}{row['host_calls']:12}{row['vm_entries']:12}"
        say(f"{row['workload']:12}{row['gateway']:14}{figures}")


def within_bounds(rows, bounds, wasm):
    """Holds each bound: the figure's name says what is compared."""
    found = {(row["gateway"], row["workload"]): row for row in rows}
    instructions = lambda gateway, workload: found[gateway, workload]["user_instructions"]
    figures = {
        "chat_2k_x_plain": lambda: instructions("signalbox", "chat_2k") / instructions("plain", "chat_2k"),
        "chat_2k_complexity_more": lambda: instructions("complexity", "chat_2k") - instructions("signalbox", "chat_2k"),
        "chat_64k_own_a_byte": lambda: found["signalbox", "chat_64k"]["own"] / len((OUT / "chat_64k.json").read_bytes()),
        "chat_2k_host_calls": lambda: found["signalbox", "chat_2k"]["host_calls"],
        "chat_2k_vm_entries": lambda: found["signalbox", "chat_2k"]["vm_entries"],
        "agent_40k_other_dialect_x_same": lambda: instructions("other_dialect", run.AGENT) / instructions("same_dialect", run.AGENT),
        "memory_over_plain_mb": lambda: found["signalbox", "chat_2k"]["settled_mb"] - found["plain", "chat_2k"]["settled_mb"],
        "module_mb": lambda: wasm.stat().st_size / 1e6,
        "agent_40k_x_chat_64k": lambda: instructions("signalbox", "agent_40k") / instructions("signalbox", "chat_64k"),
    }
    good = True
    for name, bound in bounds.items():
        figure = round(figures[name](), 3)
        good &= figure <= bound
        say(f"{'ok  ' if figure <= bound else 'FAIL'} {name}: {figure}, the bound is {bound}")
    return good


if __name__ == "__main__":
    main()
