"""Routing, pass-through and explanation through the real Envoy."""

import json
import time
import urllib.request

import openai
import pytest
from gateway import deployment
from provider import answer, closed_port, error, stream, tokens, whole

HELLO = [{"role": "user", "content": "hello"}]


def test_the_clients_own_bytes_go_on_with_only_the_model_replaced(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("fast", upstream, id="primary"))
    body = b'{ "messages":[{"role":"user","content":"h\\u00e9llo"}],\n "x_unknown": [1, 2.50],"model" : "fast" , "seed":7}'
    request = urllib.request.Request(
        f"{envoy.base}/v1/chat/completions", body, {"content-type": "application/json", "authorization": "Bearer sk-client"}
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 200
        headers = {name.lower(): value for name, value in response.getheaders()}
    seen = upstream.requests[0]
    assert seen.body == body.replace(b'"fast"', b'"upstream-model"')
    assert seen.path == "/v1/chat/completions"
    assert "authorization" not in seen.headers, "the client's key is not the provider's to see"
    assert not [name for name in seen.headers if name.startswith(("x-signalbox", "x-envoy", "x-forwarded"))]
    assert headers["x-signalbox-deployment"] == "primary"
    assert headers["x-signalbox-provider"] == "openai"
    assert headers["x-signalbox-model-group"] == "fast"
    assert headers["x-signalbox-model"] == "upstream-model"
    assert headers["x-signalbox-attempts"] == "1"
    assert headers["x-signalbox-fallbacks"] == "0"
    assert "dur=" in headers["server-timing"]
    assert "x-signalbox-retry" not in headers


def test_a_same_named_model_is_not_touched(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("gpt-x", upstream, "openai/gpt-x"))
    envoy.client().chat.completions.create(model="gpt-x", messages=HELLO)
    assert upstream.requests[0].json["model"] == "gpt-x"


def test_aliases_wildcards_and_ids_lead_to_their_deployments(provider, gateway):
    one, two = provider(), provider()
    envoy = gateway(
        deployment("fast", one, id="the-one"),
        deployment("openai/*", two, "openai/*"),
        router={"model_group_alias": {"quick": "fast"}},
    )
    ask = lambda model: envoy.client().chat.completions.with_raw_response.create(model=model, messages=HELLO)  # noqa: E731
    assert ask("quick").headers["x-signalbox-deployment"] == "the-one"
    assert ask("the-one").headers["x-signalbox-model-group"] == "fast"
    assert ask("openai/gpt-zzz").headers["x-signalbox-model"] == "gpt-zzz"
    assert two.requests[0].json["model"] == "gpt-zzz"
    listed = [model.id for model in envoy.client().models.list()]
    assert listed == ["fast", "quick"]
    assert envoy.client().models.retrieve("fast").id == "fast"


def test_completions_and_embeddings_pass_through(provider, gateway):
    vectors = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": "AAAAPwAAgD4="}], "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    text = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "c", "choices": [{"text": " hi", "index": 0, "logprobs": None, "finish_reason": "stop"}]}
    upstream = provider(answer(200, vectors), answer(200, text))
    envoy = gateway(deployment("embed", upstream))
    assert envoy.client().embeddings.create(model="embed", input="x").data[0].embedding == [0.5, 0.25]
    assert envoy.client().completions.create(model="embed", prompt="x").choices[0].text == " hi"
    assert [request.path for request in upstream.requests] == ["/v1/embeddings", "/v1/completions"]


def test_weights_spread_the_load(provider, gateway):
    often, seldom, never = provider(), provider(), provider()
    envoy = gateway(
        deployment("m", often, weight=3), deployment("m", seldom, weight=1), deployment("m", never), router={"num_retries": 0}
    )
    client = envoy.client()
    for _ in range(200):
        client.chat.completions.create(model="m", messages=HELLO)
    assert 120 <= len(often.requests) <= 175, "3 of 4, with room for chance"
    assert len(often.requests) + len(seldom.requests) == 200
    assert never.requests == []


def test_a_lower_order_serves_until_it_fails(provider, gateway):
    first, second = provider(whole("a"), whole("b"), error(500)), provider()
    envoy = gateway(deployment("m", second, order=2), deployment("m", first, order=1), router={"num_retries": 0})
    for _ in range(3):
        envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert (len(first.requests), len(second.requests)) == (3, 1)


def test_a_cooled_deployment_is_left_alone_for_its_time(provider, gateway):
    """LiteLLM's first tutorial: allowed_fails 1, so the second failure cools."""
    bad, good = provider(error(500)), provider()
    envoy = gateway(
        deployment("m", bad, order=1),
        deployment("m", good, order=1),
        router={"num_retries": 2, "allowed_fails": 1, "cooldown_time": 60, "routing_strategy": "simple-shuffle"},
    )
    for _ in range(20):
        envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert len(bad.requests) == 2
    assert len(good.requests) == 20
    assert envoy.log.count("signalbox: m-1 is cooling for 60 s: upstream, status 500") == 1, envoy.log[-4000:]


def test_explicit_chains_are_followed_in_their_order(provider, gateway):
    """LiteLLM's second tutorial."""
    primary, secondary, tertiary = provider(error(503)), provider(error(503)), provider(whole("third"))
    chains = [{"primary": ["secondary", "tertiary"]}, {"secondary": ["tertiary"]}]
    envoy = gateway(
        deployment("primary", primary),
        deployment("secondary", secondary),
        deployment("tertiary", tertiary),
        router={"fallbacks": chains, "max_fallbacks": 3, "num_retries": 0},
    )
    got = envoy.client().chat.completions.with_raw_response.create(model="primary", messages=HELLO)
    assert got.parse().choices[0].message.content == "third"
    assert got.headers["x-signalbox-model-group"] == "tertiary"
    assert (got.headers["x-signalbox-attempts"], got.headers["x-signalbox-fallbacks"]) == ("3", "2")
    with pytest.raises(openai.APIStatusError) as refused:
        envoy.client().chat.completions.create(model="primary", messages=HELLO, extra_body={"disable_fallbacks": True})
    assert refused.value.status_code == 503
    assert "disable_fallbacks" not in primary.requests[-1].json, "a wish for the gateway is not the provider's to see"


def test_the_requests_own_num_retries_counts(provider, gateway):
    upstream = provider(error(500))
    envoy = gateway(deployment("m", upstream))
    with pytest.raises(openai.InternalServerError):
        envoy.client().chat.completions.create(model="m", messages=HELLO, extra_body={"num_retries": 0})
    assert [request.json for request in upstream.requests] == [{"messages": HELLO, "model": "upstream-model"}]


def test_keys_come_from_the_environment_and_show_up_nowhere(provider, gateway):
    upstream, named = provider(), provider(answer(500, {"error": {"message": "your key sk-THE-SECRET-1234567890abcdef is odd"}}))
    envoy = gateway(
        deployment("m", upstream, api_key="os.environ/TEST_PROVIDER_KEY"),
        deployment("n", named, api_key="os.environ/TEST_PROVIDER_KEY"),
        env={"TEST_PROVIDER_KEY": "sk-THE-SECRET-1234567890abcdef"},
        router={"num_retries": 0},
    )
    envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-THE-SECRET-1234567890abcdef"
    with pytest.raises(openai.InternalServerError) as failed:
        envoy.client().chat.completions.create(model="n", messages=HELLO)
    dump = urllib.request.urlopen(f"{envoy.admin}/config_dump?include_eds").read().decode()
    for place in (dump, envoy.bootstrap.read_text(), envoy.log, failed.value.response.text, json.dumps(dict(failed.value.response.headers))):
        assert "THE-SECRET" not in place


def test_streams_pass_through_with_usage(provider, gateway):
    upstream = provider(stream(*tokens(5)))
    envoy = gateway(deployment("m", upstream))
    chunks = list(
        envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True, stream_options={"include_usage": True})
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "0 1 2 3 4 "
    assert chunks[-1].usage.total_tokens == 8


def test_a_large_body_survives_a_failover_whole(provider, gateway):
    bad, good = provider(error(500)), provider()
    envoy = gateway(deployment("m", bad, order=1), deployment("m", good, order=2), router={"num_retries": 0})
    text = "x" * 1_000_000
    envoy.client().chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    assert good.requests[0].json["messages"][0]["content"] == text
    assert good.requests[0].json["model"] == "upstream-model"


def test_every_worker_shares_what_is_known(provider, gateway):
    bad, good = provider(error(401)), provider()
    envoy = gateway(deployment("m", bad, order=1), deployment("m", good, order=2), concurrency=2, router={"cooldown_time": 30})
    for turn in range(12):
        envoy.client().chat.completions.create(model="m", messages=HELLO)
        if turn == 0:
            envoy.settled()
    assert len(bad.requests) == 1, "one worker's refusal is every worker's"


def test_a_group_that_rests_counts_as_a_fallback_taken(provider, gateway):
    bad, other = provider(error(401)), provider()
    envoy = gateway(deployment("m", bad), deployment("n", other), router={"fallbacks": [{"m": ["n"]}], "cooldown_time": 30})
    for attempts in ("2", "1"):
        got = envoy.client().chat.completions.with_raw_response.create(model="m", messages=HELLO)
        assert (got.headers["x-signalbox-attempts"], got.headers["x-signalbox-fallbacks"]) == (attempts, "1")
    assert len(bad.requests) == 1


def test_a_further_level_of_order_is_another_deployment_and_not_waited_for(provider, gateway):
    limited, other = provider(error(429, retry_after="4")), provider()
    envoy = gateway(deployment("m", limited, order=1), deployment("m", other, order=2))
    began = time.monotonic()
    envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert time.monotonic() - began < 2
    assert (len(limited.requests), len(other.requests)) == (1, 1)


def test_nothing_listens_and_nothing_else_is_left(gateway):
    envoy = gateway(deployment("m", f"http://127.0.0.1:{closed_port()}"), router={"num_retries": 0})
    with pytest.raises(openai.InternalServerError) as failed:
        envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert failed.value.status_code == 502
    assert "x-should-retry" not in failed.value.response.headers, "nobody tried again: the SDK may"
    assert failed.value.response.json()["error"]["message"]
