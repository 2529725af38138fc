#!/usr/bin/env python3
"""CPU per request of four gateways in front of one simulated provider: plain Envoy, Envoy with its own
ai_protocol_manager, and Envoy with Signalbox, without and with complexity routing. An agent's request (30 tools) goes through
Signalbox with a fallback as well, of the same dialect and of another one: a fallback that is not asked must cost nothing.

What counts is the gateway's CPU time per request as a multiple of plain Envoy's, because that does not depend on how fast
the machine is. On a shared machine the noise between two measurements is larger than the difference between two gateways. So there are
many short rounds, in each of which the contenders take turns; a figure is the ratio of the sums over all rounds, with the interval
in which 95 % of such ratios are if the rounds are drawn anew (bootstrap). A second plain Envoy, the twin of the first, runs along:
where those two differ by more than 3 %, nothing is said about the others. Envoy has one worker, on a core of its own; simulator and
load share another.

Needs the standard library only. The figures go to target/bench/bench.json.

Invariant: a contender that did not do its work (parse the body, add the key) is an error, not a fast contender.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "target" / "bench"
# What a measurement is worth is told by how much the twin of plain differs from it.
TWIN, MOST_APART = "plain_twin", 0.03
GATEWAYS = ["plain", TWIN, "ai_protocol_manager", "signalbox", "complexity", "same_dialect", "other_dialect"]
# Signalbox, Signalbox where the model's name is a complexity router's, and Signalbox with a fallback.
OURS = ["signalbox", "complexity", "same_dialect", "other_dialect"]
# The dialect of the fallback, and the one workload that such a gateway has.
FALLBACKS = {"same_dialect": "openai/gpt-4o-mini", "other_dialect": "anthropic/claude-haiku-4-5"}
AGENT = "agent_40k"
# What a fallback of another dialect may cost, as a multiple of one of the same.
OTHER_DIALECT = 1.1
# What complexity routing may cost more, as a multiple of plain Envoy, by workload.
COMPLEXITY = {"chat_2k": 0.15}
# Workload: requests a measurement, and the most that Signalbox may cost, as a multiple of plain Envoy.
WORKLOADS = {"chat_2k": (500, 1.8), "chat_64k": (150, 3.0), "stream_200": (30, 1.4), AGENT: (150, 3.0)}
ROUNDS, DRAWS = 40, 1000
CONNECTIONS = 16
# The role chunk, these, the finish, the usage and [DONE] make a stream of 200 events.
TOKENS = 196
PROVIDER_KEY = "sk-bench-provider"


def main():
    args = arguments()
    OUT.mkdir(parents=True, exist_ok=True)
    bodies = {workload: write_body(workload) for workload in WORKLOADS}
    cores = sorted(os.sched_getaffinity(0))
    gateway_core, load_core = (cores[:1], cores[1:2]) if len(cores) > 1 else (cores, cores)
    rounds = 3 if args.quick else args.rounds
    with contextlib.ExitStack() as running:
        provider = start_simulator(running, args, load_core)
        gateways = {}
        for name in args.gateways:
            gateways[name] = Gateway(running, args, name, provider, gateway_core)
            prove_work(gateways[name], provider, {workload: bodies[workload] for workload in WORKLOADS if has(name, workload)})
        results = []
        # The first round is a warm-up: the compiler of the wasm runtime is still at work, connections are still opened.
        for turn in range(rounds + 1):
            for workload, (requests, _) in WORKLOADS.items():
                # In another order each time: what runs before leaves its traces in the caches.
                names = [name for name in args.gateways if has(name, workload)]
                random.Random(f"{turn} {workload}").shuffle(names)
                for name in names:
                    measured = load(args, gateways[name], bodies[workload], requests, load_core)
                    part = f"round {turn}/{rounds}" if turn else "warm-up"
                    say(f"{part:12}  {workload:10}  {name:20}  {measured['cpu_us']:8.1f} us of CPU a request")
                    if turn:
                        results.append(measured | {"gateway": name, "workload": workload, "round": turn})
    rows = summary(results, args.gateways)
    print_table(rows)
    sums = Sums(results)
    other = sums.ratio(AGENT, "other_dialect", "same_dialect")
    if other:
        say(f"\n{AGENT}: with a fallback of another dialect {said(other)} times what it costs with one of the same")
    (OUT / "bench.json").write_text(json.dumps(rows, indent=2) + "\n")
    say(f"\nwritten: {(OUT / 'bench.json').relative_to(ROOT)}")
    sys.exit(1 if args.check and not within_bounds(sums) else 0)


def has(gateway, workload):
    """Whether a gateway is measured with a workload."""
    return gateway not in FALLBACKS or workload == AGENT


def arguments():
    version = (ROOT / "envoy" / "VERSION").read_text().strip()
    built = ROOT / "target" / "cli" / "examples" / "load"
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    path = {"type": lambda text: pathlib.Path(text).resolve()}
    parser.add_argument("--envoy", default=ROOT / ".envoy" / version / "envoy", **path)
    parser.add_argument("--signalbox", default=ROOT / "dist" / "signalbox", help="the command line", **path)
    parser.add_argument("--wasm", default=ROOT / "dist" / "signalbox.wasm", help="the filter", **path)
    parser.add_argument("--load", default=built, help="the load generator", **path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="three rounds: a trial, not a measurement")
    parser.add_argument("--check", action="store_true", help="exit 1 when Signalbox costs more than it may")
    parser.add_argument("--gateways", nargs="+", choices=GATEWAYS, default=GATEWAYS)
    args = parser.parse_args()
    if "plain" not in args.gateways:
        parser.error("--gateways needs plain: it is what the others are measured by")
    if args.check and set(args.gateways) != set(GATEWAYS):
        parser.error("--check needs all gateways")
    for file in [args.envoy, args.signalbox, args.load] + [args.wasm] * bool(set(OURS) & set(args.gateways)):
        if not file.exists():
            parser.error(f"{file} is not there; `make bench` builds what it needs")
    return args


def write_body(workload):
    """The request's body, as a file: a conversation in turns of 500 characters, of the size that the workload's name says. An agent's has
    thirty tools, which are most of it."""
    sizes = {"chat_64k": 64 * 1024, AGENT: 8 * 1024}
    size = sizes.get(workload, 2 * 1024)
    words = "The quick brown fox jumps over the lazy dog and runs home. " * 9
    speakers = ["system"] + ["user", "assistant"] * (size // 1080) + ["user"]
    messages = [{"role": speaker, "content": words[:500]} for speaker in speakers]
    body = {"model": "gpt-4o", "messages": messages, "temperature": 0.7, "max_completion_tokens": 1000}
    if workload == "stream_200":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if workload == AGENT:
        body |= {"tools": [tool(number, words) for number in range(30)], "tool_choice": "auto"}
    file = OUT / f"{workload}.json"
    file.write_text(json.dumps(body))
    return file


def tool(number, words):
    """One tool, of about a kilobyte."""
    text = lambda name: {"type": "string", "description": f"The {name}. {words[:120]}"}
    properties = {name: text(name) for name in ("path", "pattern", "glob")} | {"limit": {"type": "integer", "minimum": 1}}
    parameters = {"type": "object", "properties": properties, "required": ["path"], "additionalProperties": False}
    return {"type": "function", "function": {"name": f"tool_{number}", "description": words[:300], "parameters": parameters}}


# --- Processes


def start(running, command, cores, **kwargs):
    """Starts a process on these cores, or on any; it ends with `running`."""
    pinned = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    process = subprocess.Popen([str(part) for part in command], preexec_fn=pinned, text=True, **kwargs)

    def end():
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    running.callback(end)
    return process


def start_simulator(running, args, cores):
    command = [args.signalbox, "sim", "--quiet", "--listen", "127.0.0.1:0", "--fault", f"tokens={TOKENS}"]
    process = start(running, command, cores, stdout=subprocess.PIPE)
    line = process.stdout.readline()
    if " http://" not in line:
        sys.exit("the simulator did not start")
    return line.split()[1]


class Gateway:
    """A running Envoy: its process, and where it listens."""

    def __init__(self, running, args, name, provider, cores, under=(), more=()):
        """`under`: a program that runs Envoy, and its arguments; `more`: further arguments for Envoy."""
        self.name = name
        self.url, self.admin = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        listen, admin = port(self.url), port(self.admin)
        environment = dict(os.environ)
        if name in OURS:
            config = signalbox_config(args, name, provider, listen, admin)
            environment["BENCH_PROVIDER_KEY"] = PROVIDER_KEY
        else:
            config = OUT / f"envoy-{name}.json"
            config.write_text(json.dumps(bootstrap(name, port(provider), listen, admin), indent=2))
        self.log = OUT / f"envoy-{name}.log"
        command = [*under, args.envoy, "-c", config, "--concurrency", 1, "--disable-hot-restart", "--log-level", "error", *more]
        with open(self.log, "w") as log:
            self.process = start(running, command, cores, stdout=subprocess.DEVNULL, stderr=log, env=environment)
        self.wait_until_ready()

    def wait_until_ready(self):
        end = time.monotonic() + 180
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if fetch(f"{self.admin}/ready") == b"LIVE\n":
                    return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit(f"{self.name}: Envoy did not start; see {self.log}")

    def count(self, name):
        """The sum of the counters whose name ends so."""
        stats = json.loads(fetch(f"{self.admin}/stats?format=json&type=Counters"))["stats"]
        return sum(stat["value"] for stat in stats if stat.get("name", "").endswith(name))


def fetch(url, body=None, method=None):
    headers = {"content-type": "application/json", "authorization": "Bearer sk-load"}
    request = urllib.request.Request(url, body, headers, method=method)
    # Never through a proxy that the environment names: everything here is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return answer.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port(url):
    return int(url.rsplit(":", 1)[1])


# --- Configurations


def signalbox_config(args, name, provider, listen, admin):
    config, envoy = OUT / f"config-{name}.yaml", OUT / f"envoy-{name}.yaml"
    tiers = "{SIMPLE: served, MEDIUM: served, COMPLEX: served, REASONING: served}"
    router = f"  routers: {{gpt-4o: {{classifier_type: heuristic, tiers: {tiers}}}}}\n" if name == "complexity" else ""
    fallback = ""
    if name in FALLBACKS:
        base = provider if FALLBACKS[name].startswith("anthropic/") else f"{provider}/v1"
        fallback = f"""  - model_name: spare
    litellm_params: {{model: {FALLBACKS[name]}, api_base: "{base}", api_key: os.environ/BENCH_PROVIDER_KEY}}
router_settings: {{fallbacks: [{{gpt-4o: [spare]}}]}}
"""
    config.write_text(
        f"""model_list:
  - model_name: {"served" if name == "complexity" else "gpt-4o"}
    litellm_params:
      model: openai/gpt-4o
      api_base: {provider}/v1
      api_key: os.environ/BENCH_PROVIDER_KEY
{fallback}signalbox:
  listen: 127.0.0.1:{listen}
  admin: 127.0.0.1:{admin}
{router}"""
    )
    command = [args.signalbox, "envoy", config, "--wasm", args.wasm, "--output", envoy]
    made = subprocess.run([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    if made.returncode:
        sys.exit(f"signalbox envoy failed: {made.stderr}")
    return envoy


def bootstrap(name, provider, listen, admin):
    """Plain Envoy, or the same with ai_protocol_manager before the router."""
    router = {"name": "envoy.filters.http.router", "typed_config": typed("extensions.filters.http.router.v3.Router")}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}
    filters = [router]
    if name == "ai_protocol_manager":
        route |= ai_endpoint()
        filters = [ai_protocol_manager(), router]
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="bench",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        http_filters=filters,
    )
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    endpoint = {"endpoint": {"address": address(provider)}}
    cluster = {
        "name": "provider",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "provider", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [{"name": "bench", "address": address(listen), "filter_chains": [chain]}],
            "clusters": [cluster],
        },
    }


def ai_protocol_manager():
    """Envoy's own filter as it comes: requests are parsed, what they ask for is published for other filters (request_info),
    and everything else is left at its default. Its filters run on routes that are declared AI endpoints only."""
    info = typed("extensions.http.ai_filters.request_info.v3.RequestInfo")
    config = typed(
        "extensions.filters.http.ai_protocol_manager.v3.AiProtocolManager",
        request_handling={},
        filters=[{"name": "envoy.http.ai_filters.request_info", "typed_config": info}],
    )
    return {"name": "envoy.filters.http.ai_protocol_manager", "typed_config": config}


def ai_endpoint():
    """Declares a route an AI endpoint for ai_protocol_manager."""
    request = {"llm_protocol": "OPENAI_CHAT_COMPLETIONS"}
    config = typed("extensions.filters.http.ai_protocol_manager.v3.AiProtocolManagerPerRoute", request=request)
    return {"typed_per_filter_config": {"envoy.filters.http.ai_protocol_manager": config}}


def typed(name, **fields):
    return {"@type": f"type.googleapis.com/envoy.{name}", **fields}


def address(number):
    return {"socket_address": {"address": "127.0.0.1", "port_value": number}}


# --- Measuring


def prove_work(gateway, provider, bodies):
    """Sends each body once and looks for what the gateway must have done with it."""
    fetch(f"{provider}/sim/requests", method="DELETE")
    for body in bodies.values():
        fetch(f"{gateway.url}/v1/chat/completions", body.read_bytes())
    seen = json.loads(fetch(f"{provider}/sim/requests"))
    if len(seen) != len(bodies):
        sys.exit(f"{gateway.name}: {len(seen)} of {len(bodies)} requests reached the provider")
    if gateway.name == "ai_protocol_manager":
        published = gateway.count("ai_protocol_manager.request_info.published")
        if published != len(bodies):
            sys.exit(f"ai_protocol_manager: understood {published} of {len(bodies)} requests")
    if gateway.name in OURS:
        keys = {request["headers"].get("authorization") for request in seen}
        if keys != {f"Bearer {PROVIDER_KEY}"}:
            sys.exit(f"{gateway.name}: the provider was sent {keys}")
    if gateway.name == "complexity":
        request = urllib.request.Request(f"{gateway.url}/v1/chat/completions", bodies["chat_2k"].read_bytes())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            if not answer.headers.get("x-signalbox-tier"):
                sys.exit("complexity: nothing was decided")
    say(f"{gateway.name}: does its work")


def load(args, gateway, body, requests, cores, connections=CONNECTIONS, warmup=None):
    command = [args.load, "--url", f"{gateway.url}/v1/chat/completions", "--body", body, "--connections", connections]
    warmup = requests // 10 if warmup is None else warmup
    command += ["--requests", requests, "--warmup", warmup, "--pid", gateway.process.pid]
    with contextlib.ExitStack() as running:
        process = start(running, command, cores, stdout=subprocess.PIPE)
        out, _ = process.communicate(timeout=120)
    if process.returncode:
        sys.exit(f"{gateway.name}: the load generator failed")
    measured = json.loads(out)
    if measured["errors"]:
        sys.exit(f"{gateway.name}: {measured['errors']} of {measured['requests']} requests failed: {measured['error']}")
    return measured


class Sums:
    """CPU time over all rounds, and how sure a ratio of two such sums is."""

    def __init__(self, results):
        self.of = {(r["round"], r["workload"], r["gateway"]): r["cpu_us"] for r in results}
        self.rounds = sorted({r["round"] for r in results})

    def ratio(self, workload, gateway, other="plain", less=None):
        """A ratio and its interval; `less`: of the difference to a third gateway. None where something was not measured."""
        cpu = lambda name: [self.of.get((turn, workload, name)) for turn in self.rounds]
        mine, theirs, third = cpu(gateway), cpu(other), cpu(less) if less else [0] * len(self.rounds)
        if None in mine or None in theirs or None in third:
            return None
        of = lambda draw: sum(mine[at] - third[at] for at in draw) / sum(theirs[at] for at in draw)
        every = range(len(self.rounds))
        chance = random.Random(1)
        drawn = sorted(of(chance.choices(every, k=len(every))) for _ in range(DRAWS))
        return of(every), drawn[DRAWS // 40], drawn[-1 - DRAWS // 40]


def said(ratio):
    return "{:.2f} ({:.2f} to {:.2f})".format(*ratio)


def summary(results, gateways):
    """One row a gateway and workload: the ratio of sums with its interval, and medians over the rounds."""
    sums = Sums(results)
    rows = []
    for workload in WORKLOADS:
        for gateway in (name for name in gateways if has(name, workload)):
            mine = [r for r in results if (r["gateway"], r["workload"]) == (gateway, workload)]
            median = {key: statistics.median(r[key] for r in mine) for key in ("cpu_us", "p50_us", "p99_us")}
            ratio, low, high = sums.ratio(workload, gateway)
            rows.append(
                {
                    "gateway": gateway,
                    "workload": workload,
                    "cpu_us": round(median["cpu_us"], 1),
                    "ratio": round(ratio, 3),
                    "ratio_low": round(low, 3),
                    "ratio_high": round(high, 3),
                    "p50_us": round(median["p50_us"]),
                    "p99_us": round(median["p99_us"]),
                    "rss_mb": round(max(r["rss_mb"] for r in mine), 1),
                }
            )
    return rows


def print_table(rows):
    say(f"\n{'workload':12}{'gateway':22}{'CPU us/request':>15}{'x plain':>9}{'95 %':>15}{'p50 us':>9}{'p99 us':>9}{'RSS MB':>9}")
    for r in rows:
        interval = f"{r['ratio_low']:.2f} to {r['ratio_high']:.2f}"
        figures = f"{r['cpu_us']:15.1f}{r['ratio']:9.2f}{interval:>15}{r['p50_us']:9}{r['p99_us']:9}{r['rss_mb']:9.1f}"
        say(f"{r['workload']:12}{r['gateway']:22}{figures}")


def within_bounds(sums):
    """Holds the bounds. One is passed only where the whole interval is above it."""
    good = True

    def hold(what, ratio, most):
        nonlocal good
        word = "FAIL" if ratio[1] > most else "ok  " if ratio[2] <= most else "open"
        good &= word != "FAIL"
        say(f"{word} {what}: {said(ratio)}, the bound is {most}")

    for workload, (_, most) in WORKLOADS.items():
        apart = abs(sums.ratio(workload, TWIN)[0] - 1)
        if apart > MOST_APART:
            say(f"none {workload}: no verdict, since two plain Envoys differ by {apart:.1%}: too much else runs on this machine")
            continue
        hold(f"{workload}: signalbox, x plain", sums.ratio(workload, "signalbox"), most)
        hold(f"{workload}: signalbox, x ai_protocol_manager", sums.ratio(workload, "signalbox", "ai_protocol_manager"), 1)
        if workload in COMPLEXITY:
            more = sums.ratio(workload, "complexity", less="signalbox")
            hold(f"{workload}: complexity routing, x plain more", more, COMPLEXITY[workload])
        if workload == AGENT:
            other = sums.ratio(AGENT, "other_dialect", "same_dialect")
            hold(f"{workload}: a fallback of another dialect, x one of the same", other, OTHER_DIALECT)
    return good


def say(line):
    print(line, flush=True)


if __name__ == "__main__":
    main()
