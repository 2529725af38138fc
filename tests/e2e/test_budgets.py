"""What requests cost, where it is reported, and what happens when it is spent."""

import re
import time
import urllib.request

import openai
import pytest
from gateway import deployment
from provider import DONE, chunk, stream, whole

HELLO = [{"role": "user", "content": "hello"}]
# A thousand tokens of each kind.
USAGE = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
# gpt-4o-mini: 0.15 and 0.6 USD a million.
OF_MINI = "0.00075"


def ask(envoy, model="m", **more):
    return envoy.client().chat.completions.with_raw_response.create(model=model, messages=HELLO, **more)


def served_by(envoy, times=1):
    return [ask(envoy).headers["x-signalbox-deployment"] for _ in range(times)]


def a_stream():
    return stream(chunk({"role": "assistant", "content": ""}), chunk({"content": "x"}), chunk({}, finish="stop"), chunk({}, usage=USAGE), DONE)


def nanodollars(envoy, deployment, seconds=3):
    """What the metric says once it has been told."""
    until = time.monotonic() + seconds
    while True:
        text = urllib.request.urlopen(f"{envoy.admin}/stats/prometheus").read().decode()
        found = re.search(rf'^signalbox_cost_nanodollars{{deployment="{deployment}"}} (\d+)$', text, re.M)
        if found or time.monotonic() > until:
            return int(found[1]) if found else None
        time.sleep(0.05)


def logged(envoy, *costs):
    """Whether these are the access log's figures, in order."""
    return envoy.becomes(lambda: re.findall(r" cost=(\S+) ", envoy.log) == list(costs))


def test_a_known_model_has_its_price(provider, gateway):
    envoy = gateway(deployment("m", provider(whole("x", usage=USAGE)), "openai/gpt-4o-mini", id="mini"), signalbox={"access_log": True})
    got = ask(envoy)
    assert got.headers["x-signalbox-cost"] == OF_MINI
    assert nanodollars(envoy, "mini") == 750_000
    assert logged(envoy, OF_MINI)


def test_the_configuration_has_its_own_price(provider, gateway):
    envoy = gateway(
        deployment("m", provider(whole("x", usage=USAGE)), id="own", input_cost_per_token=0.000002, output_cost_per_token=0.00001),
        deployment("free", provider(whole("x", usage=USAGE)), id="free", input_cost_per_token=0, output_cost_per_token=0),
        deployment("unknown", provider(whole("x", usage=USAGE)), id="unknown"),
        signalbox={"access_log": True},
    )
    assert ask(envoy).headers["x-signalbox-cost"] == "0.012"
    assert ask(envoy, "free").headers["x-signalbox-cost"] == "0"
    assert "x-signalbox-cost" not in ask(envoy, "unknown").headers
    assert nanodollars(envoy, "own") == 12_000_000
    assert logged(envoy, "0.012", "0", "-")


def test_a_streams_cost_is_in_the_log_and_the_metric_not_in_a_header(provider, gateway):
    upstream = provider(a_stream())
    envoy = gateway(deployment("m", upstream, "openai/gpt-4o-mini", id="mini"), signalbox={"access_log": True})
    got = ask(envoy, stream=True)
    assert "x-signalbox-cost" not in got.headers
    assert not [event for event in got.parse() if event.usage], "the client did not ask for usage"
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}
    assert nanodollars(envoy, "mini") == 750_000
    assert logged(envoy, OF_MINI)


def test_a_stream_through_a_wildcard_has_its_models_price(provider, gateway):
    envoy = gateway(deployment("openai/*", provider(a_stream()), "openai/*", id="wild"))
    assert list(ask(envoy, "openai/gpt-4o-mini", stream=True).parse())
    assert nanodollars(envoy, "wild") == 750_000


@pytest.mark.parametrize("options", [{"include_usage": False}, {"include_obfuscation": False}, None])
def test_a_client_cannot_talk_its_way_past_the_books(provider, gateway, options):
    upstream = provider(a_stream())
    envoy = gateway(deployment("m", upstream, "openai/gpt-4o-mini", id="mini"))
    got = ask(envoy, stream=True, extra_body={"stream_options": options})
    assert not [event for event in got.parse() if event.usage], "it is not shown what it did not ask for"
    assert upstream.requests[0].json["stream_options"] == (options or {}) | {"include_usage": True}
    assert upstream.requests[0].body.count(b"stream_options") == 1
    assert nanodollars(envoy, "mini") == 750_000


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_deployment_that_has_spent_its_budget_is_left_alone(provider, gateway, is_stream):
    behaviour = a_stream() if is_stream else whole("x", usage=USAGE)
    first, second = provider(behaviour), provider(behaviour)
    envoy = gateway(
        deployment("m", first, "openai/gpt-4o-mini", id="first", order=1, max_budget=0.001, budget_duration="4s"),
        deployment("m", second, "openai/gpt-4o-mini", id="second", order=2, max_budget=0.0001, budget_duration="30s"),
    )

    def served():
        got = ask(envoy, stream=is_stream)
        for _ in got.parse() if is_stream else ():
            pass
        envoy.settled()
        return got.headers["x-signalbox-deployment"]

    began = time.monotonic()
    assert [served(), served(), served()] == ["first", "first", "second"], "0.00075 is within 0.001, 0.0015 is not"
    with pytest.raises(openai.RateLimitError) as spent:
        served()
    assert spent.value.code == "budget_exceeded"
    assert 1 <= int(spent.value.response.headers["retry-after"]) <= 4, "until the first may spend again"
    time.sleep(max(0, began + 4.5 - time.monotonic()))
    assert served() == "first", "its window is over"


def test_a_providers_budget_holds_for_all_of_its_deployments(provider, gateway):
    from anthropic_wire import message

    one, two, other = provider(whole("x", usage=USAGE)), provider(whole("x", usage=USAGE)), provider(message("other"))
    envoy = gateway(
        deployment("m", one, "openai/gpt-4o-mini", id="one", order=1),
        deployment("m2", two, "openai/gpt-4o-mini", id="two", order=1),
        deployment("m2", other, "anthropic/claude-haiku-4-5", id="other", order=2),
        router={"provider_budget_config": {"openai": {"budget_limit": 0.0005, "time_period": "1d"}}},
    )
    assert served_by(envoy) == ["one"]
    envoy.settled()
    with pytest.raises(openai.RateLimitError) as spent:
        served_by(envoy)
    assert 86_000 <= int(spent.value.response.headers["retry-after"]) <= 86_400
    assert ask(envoy, "m2").headers["x-signalbox-deployment"] == "other"
    assert two.requests == []
