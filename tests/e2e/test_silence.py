"""What a provider may be silent about, and for how long: the cases B1, B2, B4 and S7, and an error whose body hangs.

Times are short by settings; what the defaults are, tests/silence.rs holds.
"""

import time

import openai
import pytest
from gateway import deployment
from provider import DONE, chunk, error, silent, stream, tokens, wait, whole
from raw import first_bytes

HELLO = [{"role": "user", "content": "hello"}]
ROLE = chunk({"role": "assistant", "content": ""})
TEXT = "0 1 2 3 4 "
PING = b": still thinking\n\n"
SHORT = {"first_token_timeout": 1, "answer_timeout": 1}


def either(plain, streamed):
    """A provider that answers in the way it is asked."""
    return lambda connection, request: (streamed if request.json.get("stream") else plain)(connection, request)


GOOD = either(whole(TEXT), stream(*tokens(5)))


def after(seconds, behaviour):
    """Reads the request and says nothing, not even a head, for so long."""

    def behave(connection, request):
        wait(connection, seconds)
        return behaviour(connection, request)

    return behave


def hangs(status, body=b"", kind="application/json"):
    """A head, the beginning of a body, and then nothing."""

    def behave(connection, _request):
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: 1000\r\n\r\n"
        connection.sendall(head.encode() + body)
        wait(connection, 30)
        return False

    return behave


@pytest.fixture
def pair(provider, gateway):
    """A primary and a fallback, each a group of one."""

    def make(primary, fallback=GOOD, router=None, **signalbox):
        main, other = provider(primary), provider(fallback)
        router = {"fallbacks": [{"main": ["other"]}]} | (router or {})
        return gateway(deployment("main", main), deployment("other", other), router=router, signalbox=SHORT | signalbox), main, other

    return make


@pytest.fixture
def lone(provider, gateway):
    """A model that nobody stands in for."""

    def make(behaviour, router=None, **signalbox):
        one = provider(behaviour)
        return gateway(deployment("main", one), router=router, signalbox=SHORT | signalbox), one

    return make


def ask(envoy, streamed=False, **options):
    """The text of an answer, and how long it took."""
    began = time.monotonic()
    got = envoy.client(timeout=20).chat.completions.create(model="main", messages=HELLO, stream=streamed, **options)
    if streamed:
        text = "".join(choice.delta.content or "" for part in got for choice in part.choices)
    else:
        text = got.choices[0].message.content
    return text, time.monotonic() - began


def failed(envoy, raised, streamed=False, **options):
    """The error, and how long it took."""
    began = time.monotonic()
    with pytest.raises(raised) as caught:
        ask(envoy, streamed, **options)
    return caught.value, time.monotonic() - began


@pytest.mark.parametrize("commit", ["first_token", "complete"])
@pytest.mark.parametrize("streamed", [False, True])
def test_b1_a_provider_that_says_nothing_is_left_without_any_timeout_configured(pair, streamed, commit):
    envoy, main, _ = pair(silent(15), stream_commit=commit)
    text, seconds = ask(envoy, streamed)
    assert text == TEXT and 0.8 < seconds < 3
    assert len(main.requests) == 1


@pytest.mark.parametrize("commit", ["first_token", "complete"])
@pytest.mark.parametrize("streamed", [False, True])
def test_b1_the_last_one_has_its_time_although_it_shows_no_head(pair, streamed, commit):
    envoy, main, other = pair(after(3, GOOD), after(3, GOOD), stream_commit=commit)
    text, seconds = ask(envoy, streamed)
    assert text == TEXT and 3.8 < seconds < 6
    assert (len(main.requests), len(other.requests)) == (1, 1), "nobody is asked twice"


def test_b1_the_last_one_has_its_time_also_where_the_first_failed_otherwise(pair):
    envoy, _, other = pair(error(401), after(3, GOOD))
    text, _ = ask(envoy, True)
    assert text == TEXT
    assert len(other.requests) == 2, "left at first, since Envoy has one timer, then asked again with all the time there is"


@pytest.mark.parametrize("streamed", [False, True])
def test_b1_an_explicit_timeout_binds_everybody(pair, streamed):
    envoy, *_ = pair(silent(15), silent(15), router={"timeout": 2})
    error_, seconds = failed(envoy, openai.APIStatusError, streamed)
    assert error_.status_code == 504 and error_.code == "timeout"
    assert "main-1: timeout, other-1: timeout" in str(error_)
    assert seconds < 6


def test_b1_a_lone_provider_has_its_timeout(lone):
    envoy, one = lone(silent(15), router={"timeout": 2})
    error_, seconds = failed(envoy, openai.APIStatusError)
    assert error_.status_code == 504 and 1.8 < seconds < 4
    assert len(one.requests) == 1


def test_what_the_relay_sends_on_is_what_the_provider_gets_directly(pair):
    envoy, _, other = pair(after(3, GOOD), after(2, GOOD))
    ask(envoy, extra_headers={"user-agent": "x/1"})
    (relayed,) = other.requests
    other.play(GOOD)
    ask(envoy, extra_headers={"user-agent": "x/1"})
    direct = other.requests[-1]
    assert (relayed.headers, relayed.body, relayed.path) == (direct.headers, direct.body, direct.path)


def test_a_refused_connection_is_known_for_what_it_is_behind_the_relay(provider, gateway):
    main = provider(silent(15))
    router = {"fallbacks": [{"main": ["other"]}]}
    envoy = gateway(deployment("main", main), deployment("other", "http://127.0.0.1:1"), router=router, signalbox=SHORT)
    error_, _ = failed(envoy, openai.APIStatusError)
    assert "main-1: timeout, other-1: connect" in str(error_)


B2 = {
    "stalls after its first token": stream(ROLE, chunk({"content": "0 "}), 15),
    "stalls before it": stream(ROLE, 15),
    "pings for ever": stream(ROLE, chunk({"content": "0 "}), *[part for _ in range(60) for part in (PING, 0.2)]),
    "is cut off after the timeout": stream(ROLE, chunk({"content": "0 "}), 1, PING, 1, PING, 1, PING, 0.7, "reset"),
    "ends too soon after the timeout": stream(ROLE, chunk({"content": "0 "}), 1, PING, 1, PING, 1, PING, 0.7),
}


@pytest.mark.parametrize("fault", B2)
def test_b2_what_breaks_while_nothing_was_sent_is_rescued_at_any_time(pair, fault):
    settings = {"stream_commit": "complete", "stream_idle_timeout": 2, "stream_progress_timeout": 4}
    envoy, *_ = pair(B2[fault], router={"timeout": 3, "num_retries": 0}, **settings)
    text, seconds = ask(envoy, True)
    assert text == TEXT and seconds < 9


def test_b2_a_stream_that_takes_longer_than_the_timeout_is_served_whole(pair):
    slowly = [part for n in range(5) for part in (chunk({"content": f"{n} "}), 0.8)]
    envoy, main, other = pair(stream(ROLE, *slowly, chunk({}, finish="stop"), DONE), router={"timeout": 2}, stream_commit="complete")
    text, seconds = ask(envoy, True)
    assert text == TEXT and seconds > 3.5
    assert (len(main.requests), len(other.requests)) == (1, 0)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_whose_body_hangs_costs_a_second_or_two(pair, streamed):
    envoy, main, _ = pair(hangs(503, b'{"error":{"message":"ov'))
    text, seconds = ask(envoy, streamed)
    assert text == TEXT and seconds < 3.5
    assert len(main.requests) == 1


@pytest.mark.parametrize("body", [b"", b'{"error":{"message":"Incorrect API'])
def test_an_error_whose_body_hangs_is_told_where_nobody_else_is_left(lone, body):
    envoy, _ = lone(hangs(401, body))
    error_, seconds = failed(envoy, openai.APIStatusError)
    assert error_.status_code == 502 and error_.response.headers["x-signalbox-error"] == "auth"
    assert error_.response.headers["x-signalbox-deployment"] == "main-1"
    assert seconds < 3.5


def test_a_document_in_place_of_a_stream_that_hangs_is_no_stream(pair):
    envoy, *_ = pair(hangs(200, b'{"error":{"mess', "text/event-stream"))
    text, seconds = ask(envoy, True)
    assert text == TEXT and seconds < 3.5


def test_a_whole_answer_whose_body_hangs_is_left(pair):
    envoy, *_ = pair(hangs(200, b'{"id":"chatcmpl'))
    text, seconds = ask(envoy)
    assert text == TEXT and seconds < 3.5


def test_a_whole_answer_whose_body_hangs_is_an_error_where_nobody_else_is_left(lone):
    envoy, _ = lone(hangs(200, b'{"id":"chatcmpl'), router={"timeout": 2})
    error_, seconds = failed(envoy, openai.APIStatusError)
    assert error_.status_code == 504 and seconds < 4


def test_b4_the_last_one_s_head_and_comments_reach_the_client_while_it_thinks(lone):
    thinks = [part for _ in range(30) for part in (PING, 0.3)]
    envoy, _ = lone(stream(*thinks, *tokens(5)), router={"timeout": 30})
    got = first_bytes(envoy, "main", 3.5)
    assert got.startswith(b"HTTP/1.1 200") and got.count(b": still thinking") > 3
    assert ask(envoy, True)[0] == TEXT


def test_b4_an_error_of_the_last_one_that_comes_soon_has_a_status(lone):
    envoy, _ = lone(stream(PING, 0.5, b'data: {"error":{"message":"no","code":"insufficient_quota"}}\n\n'))
    error_, _ = failed(envoy, openai.RateLimitError, True)
    assert error_.response.headers["x-signalbox-error"] == "quota"


def test_b4_an_error_of_the_last_one_that_comes_late_is_an_error_event(lone):
    envoy, _ = lone(stream(PING, 3, b'data: {"error":{"message":"no","code":"insufficient_quota"}}\n\n'))
    error_, _ = failed(envoy, openai.APIError, True)
    assert not isinstance(error_, openai.APIStatusError) and error_.code == "insufficient_quota"


def test_b4_while_somebody_else_can_be_tried_pings_are_no_answer(pair):
    envoy, *_ = pair(stream(*[part for _ in range(60) for part in (PING, 0.2)]))
    text, seconds = ask(envoy, True)
    assert text == TEXT and seconds < 3


EMPTY = chunk({"content": ""})


@pytest.mark.parametrize("sign_of_life", [PING, EMPTY], ids=["pings", "empty deltas"])
def test_s7_a_stream_that_only_pings_after_its_first_token_ends(lone, sign_of_life):
    for_ever = [part for _ in range(100) for part in (sign_of_life, 0.1)]
    envoy, _ = lone(stream(ROLE, chunk({"content": "0 "}), *for_ever), stream_progress_timeout=2)
    error_, seconds = failed(envoy, openai.APIError, True)
    assert "came no further" in str(error_) and 1.8 < seconds < 4
    assert envoy.settles("http.signalbox.downstream_rq_active", 0), "and the provider is left, too"


def test_s7_a_last_one_that_only_pings_has_no_more_time_than_its_timeout(lone):
    envoy, one = lone(stream(*[part for _ in range(100) for part in (PING, 0.1)]), router={"timeout": 3})
    error_, seconds = failed(envoy, openai.APIError, True)
    assert "no first token within 3000 ms" in str(error_) and seconds < 5
    assert one.cut.wait(5)


def test_s7_a_last_one_that_is_let_go_and_falls_silent_has_no_more_time_either(lone):
    envoy, one = lone(stream(PING, 20), router={"timeout": 3})
    _, seconds = failed(envoy, Exception, True)
    assert seconds < 5 and one.cut.wait(5)


def test_s7_the_request_s_own_timeout_binds_as_well(lone):
    envoy, _ = lone(stream(*[part for _ in range(100) for part in (PING, 0.1)]))
    error_, seconds = failed(envoy, openai.APIError, True, extra_body={"timeout": 3})
    assert "no first token within 3000 ms" in str(error_) and seconds < 5


def test_s7_progress_is_life_however_slow(lone):
    slowly = [part for n in range(5) for part in (chunk({"content": f"{n} "}), 0.4, PING, 0.4)]
    envoy, _ = lone(stream(ROLE, *slowly, chunk({}, finish="stop"), DONE), stream_progress_timeout=2)
    assert ask(envoy, True)[0] == TEXT
