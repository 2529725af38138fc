"""Complexity and task routing through the real Envoy: which provider is asked, and what the client, the log and the metrics are told."""

import json
import time
import urllib.request

import openai
import pytest
from gateway import deployment
from provider import answer, error, stream, tokens, whole

EASY = "hello"
HARD = "Design a distributed scalable system with grpc and protocol buffers; implement in rust with an api endpoint."
CODE = "Write a Python function that parses a CSV file and returns a list of dicts"
TRANSLATE = "Translate into French: the house is red and the garden is green"


def says(text):
    return [{"role": "user", "content": text}]


def router(name, kind="complexity", **config):
    params = {"model": f"auto_router/{kind}_router", f"{kind}_router_config": config}
    return {"model_name": name, "litellm_params": params}


TIERS = {"SIMPLE": "cheap", "COMPLEX": "strong"}


@pytest.fixture
def two(provider, gateway):
    """A gateway of a cheap and a strong provider, and a router `smart` over them."""

    def make(*more, signalbox=None, settings=None, **config):
        cheap, strong = provider(), provider()
        entries = [deployment("cheap", cheap, id="the-cheap"), deployment("strong", strong, id="the-strong"), *more]
        if settings is not False:
            entries.append(router("smart", **({"tiers": TIERS} | config)))
        return gateway(*entries, router=settings or None, signalbox=signalbox), cheap, strong

    return make


def ask(envoy, text, model="smart", headers=None, **params):
    """The SDK's raw answer."""
    create = envoy.client().chat.completions.with_raw_response.create
    return create(model=model, messages=says(text) if isinstance(text, str) else text, extra_headers=headers or {}, **params)


def told(headers):
    names = ("tier", "task", "score", "classifier", "cause", "shadow", "deployment")
    return {name: headers[f"x-signalbox-{name}"] for name in names if f"x-signalbox-{name}" in headers}


def test_an_easy_question_goes_to_the_cheap_model_and_a_hard_one_to_the_strong(two):
    envoy, cheap, strong = two()
    easy = ask(envoy, EASY)
    assert told(easy.headers) == {
        "tier": "SIMPLE",
        "score": "-0.15000000000000002",
        "classifier": "heuristic",
        "cause": "heuristic_scorer",
        "deployment": "the-cheap",
    }
    assert easy.parse().choices[0].message.content == "Hello."
    hard = told(ask(envoy, HARD).headers)
    assert (hard["tier"], hard["deployment"], hard["score"]) == ("COMPLEX", "the-strong", "0.55")
    assert (len(cheap.requests), len(strong.requests)) == (1, 1)
    assert cheap.requests[0].json == {"model": "upstream-model", "messages": says(EASY)}
    assert not [name for request in (*cheap.requests, *strong.requests) for name in request.headers if name.startswith("x-signalbox")]
    assert told(ask(envoy, EASY, model="strong").headers) == {"deployment": "the-strong"}, "a group by its own name is not judged"
    assert [model.id for model in envoy.client().models.list()] == ["cheap", "strong", "smart"]


def test_a_stream_says_why_too(two):
    envoy, cheap, _ = two()
    cheap.play(stream(*tokens(3, usage=False)))
    raw = ask(envoy, EASY, stream=True)
    assert told(raw.headers)["cause"] == "heuristic_scorer"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in raw.parse()) == "0 1 2 "


def test_the_tiers_own_fallback_works_and_the_routers_where_it_has_none(provider, gateway):
    cheap, strong, spare = provider(error(503)), provider(error(503)), provider()
    envoy = gateway(
        deployment("cheap", cheap),
        deployment("strong", strong),
        deployment("spare", spare, id="the-spare"),
        deployment("other", spare, id="the-other"),
        router("smart", tiers=TIERS),
        router={"num_retries": 0, "fallbacks": [{"strong": ["spare"]}, {"smart": ["other"]}]},
    )
    hard, easy = ask(envoy, HARD).headers, ask(envoy, EASY).headers
    assert (hard["x-signalbox-deployment"], hard["x-signalbox-tier"], hard["x-signalbox-fallbacks"]) == ("the-spare", "COMPLEX", "1")
    assert (easy["x-signalbox-deployment"], easy["x-signalbox-tier"], easy["x-signalbox-fallbacks"]) == ("the-other", "SIMPLE", "1")
    assert (len(cheap.requests), len(strong.requests)) == (1, 1)


def test_an_error_says_what_was_chosen(two):
    envoy, cheap, _ = two(settings={"num_retries": 0})
    cheap.play(error(400, "no"))
    with pytest.raises(openai.BadRequestError) as failed:
        ask(envoy, EASY)
    assert told(failed.value.response.headers) == {
        "tier": "SIMPLE",
        "score": "-0.15000000000000002",
        "classifier": "heuristic",
        "cause": "heuristic_scorer",
        "deployment": "the-cheap",
    }


def test_a_provider_cannot_say_what_the_router_chose(two):
    envoy, cheap, _ = two()
    cheap.play(answer(200, json.loads(_body()), x_signalbox_tier="REASONING", x_signalbox_cause="forged"))
    assert told(ask(envoy, EASY).headers)["tier"] == "SIMPLE"
    assert "tier" not in told(ask(envoy, EASY, model="cheap").headers)


def _body():
    message = {"role": "assistant", "content": "Hello."}
    return json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def test_in_the_shadow_the_default_serves(two):
    envoy, cheap, strong = two(shadow=True, default_model="cheap")
    hard = told(ask(envoy, HARD).headers)
    assert (hard["tier"], hard["shadow"], hard["deployment"]) == ("COMPLEX", "true", "the-cheap")
    assert not strong.requests
    ask(envoy, EASY)
    assert len(cheap.requests) == 2


def test_a_client_may_ask_for_a_tier_only_where_that_is_allowed(two):
    envoy, *_ = two()
    assert told(ask(envoy, EASY, headers={"x-signalbox-tier": "COMPLEX"}).headers)["deployment"] == "the-cheap"
    envoy, cheap, strong = two(allow_client_tier=True)
    wish = lambda tier, text=EASY: told(ask(envoy, text, headers={"x-signalbox-tier": tier, "x-signalbox-tiers": "x", "x-signalbox-retry": "now"}).headers)  # noqa: E731
    assert (wish("COMPLEX")["deployment"], wish("COMPLEX")["cause"]) == ("the-strong", "client_request")
    assert wish(">=MEDIUM") == {"tier": "COMPLEX", "score": "-0.15000000000000002", "classifier": "heuristic", "cause": "client_request", "deployment": "the-strong"}
    assert wish("min SIMPLE", HARD)["cause"] == "heuristic_scorer"
    assert wish("SIMPLE", HARD)["deployment"] == "the-cheap"
    assert wish("nonsense")["cause"] == "heuristic_scorer"
    names = {name for request in (*cheap.requests, *strong.requests) for name in request.headers}
    assert not [name for name in names if name.startswith("x-signalbox")], "nothing of it goes on"


def test_a_conversation_keeps_its_tier(two):
    envoy, *_ = two(session_affinity=True)
    talk = [*says(HARD), {"role": "assistant", "content": "Sure."}, *says("thanks")]
    assert told(ask(envoy, talk).headers) == {
        "tier": "COMPLEX",
        "score": "-0.15000000000000002",
        "classifier": "heuristic",
        "cause": "session_affinity_pin",
        "deployment": "the-strong",
    }


def test_gaps_are_filled_and_the_length_is_lowered(two):
    envoy, cheap, _ = two(tiers={"SIMPLE": {"model_name": "cheap", "litellm_params": {"temperature": 0.5}}, "COMPLEX": "strong"})
    ask(envoy, EASY)
    ask(envoy, EASY, temperature=1.5)
    assert cheap.requests[0].json == {"model": "upstream-model", "messages": says(EASY), "temperature": 0.5}
    assert cheap.requests[1].json["temperature"] == 1.5


def test_near_a_budget_the_tier_below_serves(provider, gateway):
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
    cheap, strong = provider(), provider(whole("x", usage=usage))
    envoy = gateway(
        deployment("cheap", cheap, id="the-cheap"),
        deployment("strong", strong, id="the-strong", input_cost_per_token=0.001, output_cost_per_token=0, max_budget=1.05, budget_duration="1d"),
        router("smart", tiers=TIERS, budget_lowering=0.9),
    )
    assert told(ask(envoy, HARD).headers)["cause"] == "heuristic_scorer"
    until = time.monotonic() + 5
    while (found := told(ask(envoy, HARD).headers))["cause"] != "budget_lowering" and time.monotonic() < until:
        time.sleep(0.05)
    assert (found["tier"], found["cause"], found["deployment"]) == ("SIMPLE", "budget_lowering", "the-cheap")


def test_tasks_lead_to_their_experts(provider, gateway):
    coder, linguist, reader, rest = provider(), provider(), provider(), provider()
    tasks = {"code_generation": "coder", "translation": "linguist", "long_context": "reader"}
    envoy = gateway(
        deployment("coder", coder, id="the-coder"),
        deployment("linguist", linguist, id="the-linguist"),
        deployment("reader", reader, id="the-reader"),
        deployment("rest", rest, id="the-rest"),
        router("expert", "task", tasks=tasks, default_model="rest", long_context_tokens=1000),
    )
    of = lambda text: told(ask(envoy, text, model="expert").headers)  # noqa: E731
    code = of(CODE)
    assert (code["task"], code["classifier"], code["cause"], code["deployment"]) == ("code_generation", "task", "task_cues", "the-coder")
    assert 0.4 <= float(code["score"]) <= 1
    assert (of(TRANSLATE)["task"], of(TRANSLATE)["deployment"]) == ("translation", "the-linguist")
    assert (of("lorem ipsum " * 1000)["task"], of("lorem ipsum " * 1000)["deployment"]) == ("long_context", "the-reader")
    assert (of(EASY)["task"], of(EASY)["cause"], of(EASY)["deployment"]) == ("general", "task_unclear", "the-rest")


def test_signalboxs_own_key_and_scorer(two):
    routers = {"smart": {"tiers": TIERS}, "expert": {"tasks": {"code_generation": "strong"}, "default_model": "cheap"}}
    envoy, *_ = two(settings=False, signalbox={"routers": routers})
    easy, code = told(ask(envoy, EASY).headers), told(ask(envoy, CODE, model="expert").headers)
    assert (easy["classifier"], easy["cause"], easy["deployment"]) == ("signalbox", "signalbox_scorer", "the-cheap")
    assert (code["task"], code["deployment"]) == ("code_generation", "the-strong")


def test_metrics_and_log_tell_what_was_chosen(two):
    envoy, *_ = two(router("expert", "task", tasks={"code_generation": "strong"}, default_model="cheap"), signalbox={"access_log": True})
    for text, model in ((EASY, "smart"), (EASY, "smart"), (HARD, "smart"), (CODE, "expert"), (EASY, "cheap")):
        ask(envoy, text, model=model)
    assert envoy.settles("wasmcustom.signalbox.decisions.tier.SIMPLE.cause.heuristic_scorer.router.smart", 2)
    assert envoy.settles("wasmcustom.signalbox.decisions.tier.COMPLEX.cause.heuristic_scorer.router.smart", 1)
    assert envoy.settles("wasmcustom.signalbox.decisions.task.code_generation.cause.task_cues.router.expert", 1)
    scraped = urllib.request.urlopen(f"{envoy.admin}/stats/prometheus").read().decode()
    lines = [line for line in scraped.splitlines() if "signalbox_decisions" in line and not line.startswith("#")]
    assert len(lines) == 3 and any('tier="SIMPLE"' in line and 'cause="heuristic_scorer"' in line and 'router="smart"' in line for line in lines), lines
    assert envoy.becomes(lambda: envoy.log.count("POST /v1/chat/completions") == 5)
    assert "tier=SIMPLE task=- score=-0.15000000000000002 cause=heuristic_scorer" in envoy.log
    assert "tier=- task=code_generation score=" in envoy.log and "cause=task_cues" in envoy.log
    assert "tier=- task=- score=- cause=-" in envoy.log


def test_d1_a_session_does_not_die_of_one_image(provider, gateway):
    blind, seeing, claude = provider(), provider(), provider()
    entries = [
        deployment("blind", blind, id="blind") | {"model_info": {"id": "blind", "supports_vision": False}},
        deployment("claude", claude, "anthropic/claude-haiku-4-5", id="claude"),
        deployment("seeing", seeing, id="seeing"),
        router("smart", tiers={"SIMPLE": "blind", "MEDIUM": "seeing"}, session_affinity=True),
        router("foreign", tiers={"SIMPLE": "claude", "MEDIUM": "seeing"}, session_affinity=True),
    ]
    envoy = gateway(*entries)
    image = {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AAAA"}}  # which Anthropic's dialect cannot say
    for model, first, cause in (("smart", "blind", "needs_image"), ("foreign", "claude", "needs_other_dialect")):
        talk = says(EASY)
        if model == "smart":
            assert told(ask(envoy, talk, model).headers)["deployment"] == first
        shown = talk + [{"role": "assistant", "content": "hi"}, {"role": "user", "content": [{"type": "text", "text": "look"}, image]}]
        for messages in (shown, shown + [{"role": "assistant", "content": "a cat"}, *says("thanks")]):
            found = told(ask(envoy, messages, model).headers)
            assert (found["deployment"], found["tier"], found["cause"]) == ("seeing", "MEDIUM", cause)
        without = talk + [{"role": "assistant", "content": "a cat"}, *says("thanks")]
        if model == "smart":
            assert told(ask(envoy, without, model).headers)["deployment"] == first
    assert envoy.becomes(lambda: any("needs_image" in name for name in envoy.stats()))
    assert not claude.requests
