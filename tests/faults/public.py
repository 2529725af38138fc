"""S01 to S16: the sixteen faults of the public catalogue. Numbers in them are the catalogue's, in its seconds."""

import time

import openai
from provider import chunk, error, reset, silent, stream, tokens

from .judge import judge
from .registry import scenario
from .stage import FALLBACK_MODEL, FALLBACK_TEXT, FALLBACK_USAGE, TEXT, good, rescuer

EVENTS = tokens(60)
# Tokens come one after the other, so that what was said before the fault has reached the caller, unless it was held.
SPACED = [part for event in EVENTS for part in (event, 0.005)]


def spaced(count):
    """The first events of the stream: the role and so many tokens."""
    return SPACED[: 2 * (count + 1)]


def hang_up(behaviour):
    """Closes the connection after it."""

    def behave(connection, request):
        behaviour(connection, request)
        return False

    return behave


@scenario("S01", "429 with Retry-After: 2, then healthy")
def s01(stage):
    # Two seconds are two seconds in either profile, and nobody waits for longer than half of a timeout.
    timeout = {"timeout": 30} if stage.is_timed else {}
    for pair in stage.pairs(error(429, code="rate_limit_exceeded", retry_after="2"), good(), **timeout):
        got = pair.ask()
        primary, everywhere = pair.journal(pair.primary), pair.journal(pair.primary) + pair.journal(pair.fallback)
        conduct = {
            "the primary is asked again no sooner than 1.8 s later": all(at - primary[0] >= 1.8 for at in primary[1:]),
            "at most 2 attempts in the first 1.5 s": sum(at < 1.5 for at in everywhere) <= 2,
        }
        pair.judge(got, conduct)


@scenario("S02", "429 for ever, without a header")
def s02(stage):
    for pair in stage.pairs(error(429, code="rate_limit_exceeded")):
        got = pair.ask()
        primary = pair.journal(pair.primary)
        conduct = {
            "at most 4 attempts on the primary in 3 s": sum(at < 3 for at in primary) <= 4,
            "at most 6 attempts on the primary": len(primary) <= 6,
        }
        pair.judge(got, conduct, got.is_whole(FALLBACK_TEXT))


@scenario("S03", "500 once, then healthy")
def s03(stage):
    for pair in stage.pairs(error(500), good()):
        got = pair.ask()
        same = (len(pair.primary.requests), len(pair.fallback.requests)) == (2, 0)
        pair.judge(got, {"the second attempt goes to the same provider": same})


@scenario("S04", "503 for ever")
def s04(stage):
    for pair in stage.pairs(error(503)):
        got = pair.ask()
        pair.judge(got, {"at most 6 attempts on the primary": len(pair.primary.requests) <= 6}, got.is_whole(FALLBACK_TEXT))


@scenario("S05", "connection reset before any byte, then healthy")
def s05(stage):
    for pair in stage.pairs(reset(), good()):
        pair.judge(pair.ask())


@scenario("S06", "accepts and never answers")
def s06(stage):
    profile = stage.profile
    for pair in stage.pairs(silent(profile.seconds(120))):
        got = pair.ask(timeout=profile.slack(100))
        conduct = {
            "the silent route is asked once": len(pair.primary.requests) == 1,
            "inside 100 s": got.seconds < profile.slack(100),
        }
        pair.judge(got, conduct, got.is_whole(FALLBACK_TEXT))


@scenario("S07", "headers at once, the first token after 20 s")
def s07(stage):
    profile = stage.profile
    late = stream(chunk({"role": "assistant", "content": ""}), profile.seconds(20), *EVENTS[1:])
    (pair,) = stage.pairs(late, ways=("stream",))
    got = pair.ask()
    pair.judge(got, {"inside 15 s": got.seconds < profile.seconds(15)})


def broken_off():
    """A stream that dies after 40 of 60 tokens, in each way that it can."""
    return {
        "closed": [hang_up(stream(*spaced(40), ends=False))],
        "reset": [stream(*spaced(40), "reset")],
        "ended": [stream(*spaced(40))],
    }


@scenario("S08", "the stream dies after 40 of 60 tokens")
def s08(stage):
    for pair in stage.pairs_of(broken_off(), lambda _: True):
        pair.judge(pair.ask())


@scenario("S09", "the stream goes silent after 20 tokens")
def s09(stage):
    profile = stage.profile
    script = stream(*spaced(20), profile.seconds(120), *EVENTS[21:])
    (pair,) = stage.pairs(script, ways=("stream",))
    got = pair.ask(timeout=profile.slack(60))
    conduct = {"ended inside 45 s": got.seconds < profile.slack(45)}
    pair.primary.play(good())
    pair.judge(got, conduct | {"healthy afterwards": pair.ask().is_whole()}, got.is_whole(FALLBACK_TEXT))


@scenario("S10", "the tenth event of the stream is not JSON")
def s10(stage):
    events = [*EVENTS[:9], b'data: {"id":"chatcmpl-2","choi\n\n', *EVENTS[9:]]
    blob = b"".join(events)
    scripts = {
        "event by event": [stream(*(part for event in events for part in (event, 0.005)))],
        "in odd pieces": [stream(*(blob[start : start + 37] for start in range(0, len(blob), 37)))],
    }
    for pair in stage.pairs_of(scripts, lambda _: True):
        got = pair.ask()
        conduct = {"asked once": pair.attempts == 1, "healthy afterwards": pair.healthy_afterwards()}
        pair.judge(got, conduct)


@scenario("S11", "a complete stream without [DONE]")
def s11(stage):
    (pair,) = stage.pairs(stream(*SPACED[:-2]), ways=("stream",))
    got = pair.ask()
    conduct = {"with usage": (got.usage or {}).get("total_tokens") == 8, "inside 8 s": got.seconds < 8}
    pair.judge(got, conduct)


@scenario("S12", "400 context_length_exceeded")
def s12(stage):
    refused = error(400, "This model's maximum context length is 8192 tokens.", "context_length_exceeded", "invalid_request_error")
    for pair in stage.pairs(refused):
        got = pair.ask()
        pair.judge(got, {"the primary is asked once": len(pair.primary.requests) == 1}, got.is_whole(FALLBACK_TEXT))


@scenario("S13", "400 content_policy_violation")
def s13(stage):
    reason = "Your request was rejected as a result of our safety system."
    for pair in stage.pairs(error(400, reason, "content_policy_violation", "invalid_request_error")):
        got = pair.ask()
        told = isinstance(got.error, openai.BadRequestError) and got.error.code == "content_policy_violation" and reason in str(got.error)
        conduct = {"asked once": len(pair.primary.requests) == 1, "not routed round": not pair.fallback.requests}
        pair.judge(got, conduct, told)


PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."


def without_prefill(connection, request):
    """A model that takes no half of an answer to go on from."""
    if request.json["messages"][-1]["role"] == "assistant":
        return error(400, PREFILL, kind="invalid_request_error")(connection, request)
    return rescuer()(connection, request)


@scenario("S14", "the same, and the fallback refuses a prefill")
def s14(stage):
    for pair in stage.pairs_of(broken_off(), lambda _: True, without_prefill):
        got = pair.ask()
        pair.judge(got, {"the refusal of the prefill is not the final error": "prefill" not in str(got.error)})


@scenario("S15", "503 for 60 s, then healthy; a request every 4 s")
def s15(stage):
    profile = stage.profile
    until = [float("inf")]

    def down_for_a_while(connection, request):
        return (error(503) if time.monotonic() < until[0] else good())(connection, request)

    (pair,) = stage.pairs(down_for_a_while, ways=("plain",))
    began = time.monotonic()
    until[0] = began + profile.seconds(60)
    asked, unserved, back_after, slowest = 0, [], None, 0.0
    while back_after is None and time.monotonic() < until[0] + profile.seconds(30):
        time.sleep(max(0, began + asked * profile.seconds(4) - time.monotonic()))
        pair.streamed = asked % 2 == 1
        before, at = len(pair.primary.requests), time.monotonic()
        got = pair.ask()
        asked, slowest = asked + 1, max(slowest, got.seconds)
        if not got.is_whole():
            unserved.append(f"request {asked}: {got}")
        elif got.text == TEXT and at >= until[0] and len(pair.primary.requests) > before:
            back_after = time.monotonic() - until[0]
    times = sorted(request.at - began for request in pair.primary.requests if request.at < until[0])
    while_down = sum(n * profile.seconds(4) < profile.seconds(60) for n in range(asked))
    got.seconds = slowest
    conduct = {
        f"back on the primary within 30 s of recovery (it came back after {back_after and round(back_after, 1)} s)": back_after is not None,
        f"few probes while it is down: no more than half of the {while_down} requests asked it ({len(times)} did)": len(times) <= while_down / 2,
    }
    case = judge("a request every 4 s", got, not unserved, conduct, pair.attempts)
    case.notes += unserved[:3]
    stage.cases.append(case)


@scenario("S16", "503 for ever: which server says that it answered")
def s16(stage):
    for pair in stage.pairs(error(503)):
        got = pair.ask()
        conduct = {
            "the answer names the fallback model": got.model == FALLBACK_MODEL,
            "with its usage": (got.usage or {}).items() >= FALLBACK_USAGE.items(),
        }
        pair.judge(got, conduct, got.is_whole(FALLBACK_TEXT))


