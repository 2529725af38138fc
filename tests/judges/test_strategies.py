"""LiteLLM's own Router as the judge of the strategies: the same deployments, the same history, and how often each is chosen.

Nothing is sent: both only choose. LiteLLM's history is put where its Router keeps it; ours goes through `signalbox explain --state`, and
`--draws` counts. Where the two differ, docs/litellm.md says so and the case names what each does; a difference that no longer occurs
fails as well.
"""

import asyncio
import collections
import datetime
import json
import os
import pathlib
import subprocess

import litellm_oracle  # noqa: F401 (no socket, no log)
import pytest
from litellm import Router

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))
DRAWS = 1000
# Of the draws. The difference of two shares of a thousand draws is below this in all but one of a million runs.
TOLERANCE = 0.11


def now(zone=None):
    return datetime.datetime.now(zone)


def latencies(router, state):
    minute = now().strftime("%Y-%m-%d-%H-%M")
    names = {"latency": ["latency", "latency_normalized"], "first_token": ["time_to_first_token_seconds"]}
    told = {}
    for deployment, seen in state.items():
        told[deployment] = {name: list(seen[ours]) for ours, theirs in names.items() if ours in seen for name in theirs}
        told[deployment][minute] = {"tpm": seen.get("tokens", 0), "rpm": seen.get("requests", 0)}
    router.cache.set_cache("m_map", told)


def in_flight(router, state):
    router.cache.set_cache("m_request_count", {deployment: seen["in_flight"] for deployment, seen in state.items()})
    for deployment, seen in state.items():
        router.cache.set_cache(f"m_request_count:{deployment}", seen["in_flight"])


def usage(router, state):
    minute = now(datetime.timezone.utc).strftime("%H-%M")
    for deployment, seen in state.items():
        router.cache.set_cache(f"{deployment}:openai/gpt-4o:tpm:{minute}", seen.get("tokens", 0))
        router.cache.set_cache(f"{deployment}:openai/gpt-4o:rpm:{minute}", seen.get("requests", 0))


HISTORY = {
    "latency-based-routing": latencies,
    "least-busy": in_flight,
    "usage-based-routing-v2": usage,
}


def model_list(deployments):
    params = {"model": "openai/gpt-4o", "api_key": "none"}
    entry = {"model_name": "m"}
    return [
        {**entry, "litellm_params": {**params, **more}, "model_info": {"id": f"d{number}"}}
        for number, more in enumerate(deployments)
    ]


def litellms(deployments, settings, state, stream, tags):
    """How often LiteLLM chooses each; "none" where it raises."""
    while True:
        minute = now().minute
        router = Router(model_list=model_list(deployments), **settings)
        HISTORY.get(settings.get("routing_strategy"), lambda *_: None)(router, state)
        counts = asyncio.run(draw(router, stream, tags))
        # What was used counts for one minute of the clock.
        if now().minute == minute:
            return {deployment: times / DRAWS for deployment, times in counts.items()}


async def draw(router, stream, tags):
    messages = [{"role": "user", "content": "hi"}]
    counts = collections.Counter()
    for _ in range(DRAWS):
        request = {"stream": stream, "metadata": {"tags": tags} if tags else {}}
        try:
            chosen = await router.async_get_available_deployment(model="m", messages=messages, request_kwargs=request)
            counts[chosen["model_info"]["id"]] += 1
        except Exception:  # Each strategy raises its own.
            counts["none"] += 1
    return counts


def ours(deployments, settings, state, stream, tags, directory):
    """How often Signalbox chooses each; "none" where it refuses."""
    files = {
        "config.yaml": {"model_list": model_list(deployments), "router_settings": settings},
        "request.json": {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]},
        "state.json": {"deployments": state},
    }
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content))
    command = [BINARY, "explain", "config.yaml", "request.json", "--state", "state.json", "--json"]
    command += ["--draws", str(DRAWS), "--tags", ",".join(tags)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    assert done.returncode < 2, done.stderr
    counts = json.loads(done.stdout)["first_in_draws"]
    return {deployment: times / DRAWS for deployment, times in counts.items()} or {"none": 1.0}


def near(one, other):
    return all(abs(one.get(name, 0) - other.get(name, 0)) < TOLERANCE for name in {*one, *other})


def by(strategy, deployments, state=None, stream=False, tags=(), differs=None, **settings):
    """A case: the deployments' parameters, what is known of them, and (LiteLLM's choice, ours) where they differ on purpose."""
    return deployments, {"routing_strategy": strategy, **settings}, state or {}, stream, list(tags), differs


def price(into, out):
    return {"input_cost_per_token": into, "output_cost_per_token": out}


def tagged(tags, match_any=True, default=True):
    deployments = [{"tags": ["free"]}, {"tags": ["paid", "eu"]}, {}] + [{"tags": ["default"]}] * default
    return by("simple-shuffle", deployments, tags=tags, enable_tag_filtering=True, tag_filtering_match_any=match_any)


FAST_AND_SLOW = {"d0": {"latency": [0.1]}, "d1": {"latency": [0.11]}, "d2": {"latency": [0.3]}}
TWO_STREAMS = {
    "d0": {"latency": [0.01], "first_token": [1, 1, 9]},
    "d1": {"latency": [0.05], "first_token": [2]},
}
NEARLY_FULL = {"d0": {"tokens": 5, "requests": 9}, "d1": {"tokens": 99, "requests": 1}}
EVEN = {"d0": 0.5, "d1": 0.5}

CASES = {
    "weights": by("simple-shuffle", [{"weight": 3}, {"weight": 1}, {}]),
    "weights of nothing": by("simple-shuffle", [{"weight": 0}, {"weight": 0}]),
    "rpm as weights": by("simple-shuffle", [{"rpm": 900}, {"rpm": 100}, {}]),
    "tpm as weights": by("simple-shuffle", [{"tpm": 900}, {"tpm": 100}]),
    "a weight beats rpm": by("simple-shuffle", [{"weight": 1}, {"rpm": 900}]),
    "rpm beats tpm": by("simple-shuffle", [{"rpm": 1}, {"tpm": 900}]),
    "order": by("simple-shuffle", [{"order": 2}, {"order": 1}, {}]),
    "the fastest": by("latency-based-routing", [{}, {}, {}], FAST_AND_SLOW),
    "nobody measured": by("latency-based-routing", [{}, {}, {}]),
    "one not measured": by("latency-based-routing", [{}, {}, {}], {"d0": {"latency": [0.1]}, "d1": {"latency": [0.2]}}),
    "a buffer": by(
        "latency-based-routing", [{}, {}, {}], FAST_AND_SLOW, routing_strategy_args={"lowest_latency_buffer": 0.2}
    ),
    "the mean": by(
        "latency-based-routing", [{}, {}], {"d0": {"latency": [0.1, 0.3]}, "d1": {"latency": [0.19]}}
    ),
    "no stream": by("latency-based-routing", [{}, {}], TWO_STREAMS),
    "a stream": by("latency-based-routing", [{}, {}], TWO_STREAMS, stream=True),
    "a percentile": by(
        "latency-based-routing", [{}, {}], TWO_STREAMS, stream=True, routing_strategy_args={"ttft_percentile": 0.5}
    ),
    "the fastest is full": by(
        "latency-based-routing",
        [{"rpm": 3}, {"rpm": 3}],
        {"d0": {"latency": [0.1], "requests": 3}, "d1": {"latency": [0.2], "requests": 2}},
    ),
    "the least busy": by(
        "least-busy", [{}, {}, {}], {"d0": {"in_flight": 2}, "d1": {"in_flight": 1}, "d2": {"in_flight": 5}}
    ),
    "all are idle": by(
        "least-busy", [{}, {}], {"d0": {"in_flight": 0}, "d1": {"in_flight": 0}}, differs=({"d0": 1.0}, EVEN)
    ),
    "the cheapest": by("cost-based-routing", [price(1e-6, 9e-6), price(6e-6, 3e-6), price(8e-6, 3e-6)]),
    "the same price": by("cost-based-routing", [price(1e-6, 2e-6)] * 2, differs=({"d0": 1.0}, EVEN)),
    "a name with a provider": by(
        "cost-based-routing", [{}, {"model": "openai/gpt-4o-mini"}], differs=({"d0": 1.0}, {"d1": 1.0})
    ),
    "for nothing": by("cost-based-routing", [price(1e-6, 2e-6), price(0, 0)], differs=({"d0": 1.0}, {"d1": 1.0})),
    "the fewest tokens": by(
        "usage-based-routing-v2", [{}, {}, {}], {f"d{n}": {"tokens": t, "requests": 1} for n, t in enumerate([5, 1, 3])}
    ),
    "as many tokens": by(
        "usage-based-routing-v2", [{}, {}, {}], {f"d{n}": {"tokens": t, "requests": 1} for n, t in enumerate([1, 1, 3])}
    ),
    "no room for tokens": by(
        "usage-based-routing-v2", [{"tpm": 10}, {}], {"d0": {"tokens": 10, "requests": 1}, "d1": {"tokens": 90, "requests": 1}}
    ),
    "the last slot": by(
        "usage-based-routing-v2", [{"rpm": 10}, {"tpm": 99}], NEARLY_FULL, differs=({"none": 1.0}, {"d0": 1.0})
    ),
    "no slot": by(
        "usage-based-routing-v2", [{"rpm": 9}, {"tpm": 99}], NEARLY_FULL
    ),
    **{
        f"tags {tags} {'any' if match_any else 'all'}{' default' if default else ''}": tagged(tags, match_any, default)
        for tags in ([], ["free"], ["free", "paid"], ["paid", "eu"], ["zzz"], ["!free"], ["&eu"], ["&eu", "free"])
        for match_any in (True, False)
        for default in (True, False)
    },
}


@pytest.mark.parametrize("name", CASES)
def test_who_is_chosen_how_often(name, tmp_path):
    deployments, settings, state, stream, tags, differs = CASES[name]
    theirs = litellms(deployments, settings, state, stream, tags)
    found = ours(deployments, settings, state, stream, tags, tmp_path)
    expected, wanted = differs or (found, theirs)
    assert near(theirs, expected), f"LiteLLM: {theirs}, Signalbox: {found}"
    assert near(found, wanted), f"LiteLLM: {theirs}, Signalbox: {found}"
