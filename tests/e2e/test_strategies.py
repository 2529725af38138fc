"""What each strategy does to real traffic."""

import concurrent.futures
import time

from gateway import deployment
from minute import within_a_minute
from provider import DONE, chunk, stream, wait, whole

HELLO = [{"role": "user", "content": "hello"}]


def slowly(seconds, behaviour):
    """Waits before it answers."""

    def behave(connection, request):
        wait(connection, seconds)
        return behaviour(connection, request)

    return behave


def ask(envoy, times, stream=False, **more):
    """Asks one after the other; returns which deployments served."""
    served = []
    with envoy.client() as client:
        for _ in range(times):
            got = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, stream=stream, **more)
            served.append(got.headers["x-signalbox-deployment"])
            for _ in got.parse() if stream else ():
                pass
            # A stream is measured when it is over, which may be after its client has read the last of it.
            assert not stream or envoy.settles("http.signalbox.downstream_rq_active", 0)
    return served


def test_latency_based_prefers_the_quicker_once_both_are_known(provider, gateway):
    usage = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}
    slow, quick = provider(slowly(0.2, whole("a", usage=usage))), provider(slowly(0.01, whole("b", usage=usage)))
    envoy = gateway(
        deployment("m", slow, id="slow"), deployment("m", quick, id="quick"), router={"routing_strategy": "latency-based-routing"}
    )
    assert set(ask(envoy, 2)) == {"slow", "quick"}, "each is measured"
    assert ask(envoy, 20) == ["quick"] * 20


def test_latency_based_knows_streams_by_their_first_token(provider, gateway):
    def of(first, rest):
        return stream(chunk({"role": "assistant", "content": ""}), first, chunk({"content": "a"}), rest, chunk({}, finish="stop"), DONE)

    late, early = provider(of(0.25, 0.001)), provider(of(0.01, 0.3))
    envoy = gateway(
        deployment("m", late, id="late"), deployment("m", early, id="early"), router={"routing_strategy": "latency-based-routing"}
    )
    assert set(ask(envoy, 2, stream=True)) == {"late", "early"}
    assert ask(envoy, 5, stream=True) == ["early"] * 5, "though the whole of it takes longer"


@within_a_minute
def test_usage_based_spreads_by_tokens(provider, gateway):
    def of(tokens):
        return provider(whole("x", usage={"prompt_tokens": tokens - 1, "completion_tokens": 1, "total_tokens": tokens}))

    dear, frugal = of(900), of(100)
    envoy = gateway(
        deployment("m", dear, id="dear"), deployment("m", frugal, id="frugal"), router={"routing_strategy": "usage-based-routing-v2"}
    )
    served = ask(envoy, 20)
    assert 1 <= served.count("dear") <= 4, "one of its requests weighs as much as nine of the other's"


@within_a_minute
def test_usage_based_counts_streams_whose_usage_nobody_asked_for(provider, gateway):
    def of(tokens):
        usage = {"prompt_tokens": tokens - 1, "completion_tokens": 1, "total_tokens": tokens}
        return provider(stream(chunk({"role": "assistant", "content": ""}), chunk({"content": "x"}), chunk({}, finish="stop"), chunk({}, usage=usage), DONE))

    dear, frugal = of(900), of(100)
    envoy = gateway(
        deployment("m", dear, id="dear"), deployment("m", frugal, id="frugal"), router={"routing_strategy": "usage-based-routing-v2"}
    )
    served = []
    with envoy.client() as client:
        for _ in range(20):
            got = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, stream=True)
            events = list(got.parse())
            assert [event.choices[0].delta.content for event in events] == ["", "x", None], "the usage that it did not ask for is not shown"
            served.append(got.headers["x-signalbox-deployment"])
            assert envoy.settles("http.signalbox.downstream_rq_active", 0)
    assert 1 <= served.count("dear") <= 4, served
    for upstream in (dear, frugal):
        assert all(request.json["stream_options"] == {"include_usage": True} for request in upstream.requests)


def test_cost_based_picks_the_cheaper(provider, gateway):
    dear, cheap = provider(), provider()
    envoy = gateway(
        deployment("m", dear, "openai/gpt-4o", id="dear"),
        deployment("m", cheap, "openai/gpt-4o-mini", id="cheap"),
        router={"routing_strategy": "cost-based-routing"},
    )
    assert ask(envoy, 10) == ["cheap"] * 10
    assert dear.requests == []


def test_least_busy_avoids_the_one_that_is_slow(provider, gateway):
    slow, quick = provider(slowly(2, whole("a"))), provider(slowly(0.02, whole("b")))
    envoy = gateway(deployment("m", slow, id="slow"), deployment("m", quick, id="quick"), router={"routing_strategy": "least-busy"})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        served = [one for some in pool.map(lambda _: ask(envoy, 15), range(4)) for one in some]
    assert len(served) == 60
    assert served.count("slow") <= 12, "two or three of four at a time would be with it, if nobody looked"
    assert served.count("slow") >= 1
