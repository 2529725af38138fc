"""F01 to F10: our own faults. They are played with default settings; what is silent or dead is in `silence.py`."""

import gzip
import json
import socket
import struct
import threading
import time

import openai
from gateway import WASM, deployment
from provider import answer, chunk, error, silent, stream, tokens
from raw import connect, post, wait_for

from . import trap
from .public import SPACED, hang_up
from .registry import scenario
from .stage import FALLBACK_TEXT, TEXT, ask, either, good, rescuer

DEFAULT = ("default",)


@scenario("F01", "a 200 whose first event is an error", DEFAULT)
def f01(stage):
    classes = {"overloaded_error": "overloaded", "rate_limit_exceeded": "rate_limit", "server_error": "upstream"}
    events = {code: f'data: {{"error":{{"message":"no","type":"{code}","code":"{code}"}}}}\n\n'.encode() for code in classes}
    pairs = stage.pairs_of({code: [stream(event)] for code, event in events.items()}, lambda _: True)
    for pair in pairs:
        got = pair.ask()
        pair.judge(got, {"at most 3 attempts on the primary": len(pair.primary.requests) <= 3}, got.is_whole(FALLBACK_TEXT))
    for pair in pairs:
        # With a fallback that is no better, the class comes out.
        pair.fallback.play(stream(events[pair.name]))
        got = pair.ask()
        told = isinstance(got.error, openai.APIStatusError) and got.error.response.headers.get("x-signalbox-error")
        stage.case(f"{pair.name}, of the class {classes[pair.name]}", told == classes[pair.name], f"{told}; {got}")


@scenario("F02", "a 200 with a web page or half a document", DEFAULT)
def f02(stage):
    kinds = {
        "a web page": answer(200, b"<html><body>Welcome to nginx</body></html>", "text/html"),
        "half a document": answer(200, b'{"id":"chatcmpl-1","object":"chat.completion","choices":[{"ind'),
        "nothing": answer(200, b""),
        "fewer bytes than promised": hang_up(half_an_answer()),
    }
    scripts = {f"{kind}, {way}": [behaviour] for kind, behaviour in kinds.items() for way in ("plain", "stream")}
    for pair in stage.pairs_of(scripts, lambda name: name.endswith("stream")):
        got = pair.ask()
        pair.judge(got, {"at most 3 attempts on the primary": len(pair.primary.requests) <= 3}, got.is_whole(FALLBACK_TEXT))


def half_an_answer(then=0):
    """The first half of a whole answer, then silence for so many seconds."""

    def behave(connection, request):
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
        connection.sendall(head + b'{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,')
        return silent(then)(connection, request) if then else None

    return behave


def moved_on_at_once(stage, base, seconds):
    """Asks twice in each way where the primary cannot be reached."""
    fallback = stage.provider(rescuer())
    stage.start(
        [deployment("main", base), deployment("other", fallback)],
        router={"fallbacks": [{"main": ["other"]}]},
    )
    for way in ("plain", "stream") * 2:
        got = ask(stage.gateway, "main", way == "stream")
        stage.case(f"{way}, within {seconds} s", got.is_whole(FALLBACK_TEXT) and got.seconds < seconds, got, 2, got.seconds)


@scenario("F03", "its name does not resolve", DEFAULT, alone=True)
def f03(stage):
    moved_on_at_once(stage, "http://no-such-host.invalid", 6)


@scenario("F04", "its TLS handshake fails", DEFAULT, alone=True)
def f04(stage):
    moved_on_at_once(stage, f"https://localhost:{stage.provider().port}", 6)


@scenario("F05", "it refuses the connection", DEFAULT, alone=True)
def f05(stage):
    # Bound, but not listened to: nobody else can take the port meanwhile.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        moved_on_at_once(stage, f"http://127.0.0.1:{taken.getsockname()[1]}", 2)


@scenario("F06", "401 at one deployment of two", DEFAULT, alone=True)
def f06(stage):
    bad, sound = stage.provider(error(401, "Incorrect API key provided.", "invalid_api_key")), stage.provider(good())
    stage.start([deployment("m", bad, id="bad"), deployment("m", sound, id="sound")], router={"cooldown_time": 3})
    answers = [ask(stage.gateway, "m", number % 2 == 1) for number in range(30)]
    slowest = max(got.seconds for got in answers)
    unserved = [str(got) for got in answers if not got.is_whole(TEXT)]
    stage.case("30 requests, all served", not unserved, unserved[:2], 2, slowest)
    soon = sum(request.at < bad.requests[0].at + 2.8 for request in bad.requests)
    stage.case("the bad one is asked once, and then left alone", soon == 1, f"it was asked {soon} times in 2.8 s")
    bad.play(good())
    until = time.monotonic() + 15
    while len(bad.requests) < 2 and time.monotonic() < until:
        ask(stage.gateway, "m", False)
        time.sleep(0.2)
    stage.case("and again when it may be well", len(bad.requests) >= 2, "it was not asked again within 15 s")


SLOWLY = [part for n in range(400) for part in (chunk({"content": f"{n} "}), 0.05)]


@scenario("F07", "the client goes away", DEFAULT, alone=True)
def f07(stage):
    held = stream(chunk({"role": "assistant", "content": ""}), 20)
    moments = {
        "before the headers": (silent(20), False, 0),
        "before a stream's headers": (silent(20), True, 0),
        "in mid-answer": (half_an_answer(20), False, 0),
        "while a stream is held": (held, True, 0),
        "in mid-stream": (stream(*SLOWLY), True, 300),
    }
    cases = {(moment, farewell): stage.provider(script[0]) for moment, script in moments.items() for farewell in ("close", "reset")}
    places = [deployment(f"m{n}", provider, id=f"m{n}", order=1) for n, provider in enumerate(cases.values())]
    spare = stage.provider(rescuer())
    spares = [deployment(f"m{n}", spare, id=f"spare{n}", order=2) for n in range(len(cases))]
    # Any blame would cool the deployment, and the next request would go to the spare one.
    gateway = stage.start(places + spares, router={"allowed_fails": 0, "cooldown_time": 60}, signalbox={"first_token_timeout": 0})
    for number, ((moment, farewell), provider) in enumerate(cases.items()):
        _, is_stream, reads = moments[moment]
        connection = connect(gateway, is_stream, model=f"m{number}")
        wait_for(provider.requests)
        began = time.monotonic()
        connection.recv(reads, socket.MSG_WAITALL)
        if farewell == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        ended = provider.cut.wait(5)
        settled = gateway.settles(f"cluster.m{number}.upstream_rq_active", 0) and gateway.settles("http.signalbox.downstream_rq_active", 0)
        provider.play(good())
        seconds = time.monotonic() - began
        got = ask(gateway, f"m{number}", is_stream)
        blamed = not got.is_whole(TEXT) or spare.requests
        wrong = {"the attempt goes on": not ended, "a counter leaks": not settled, "the deployment is blamed": blamed}
        found = [words for words, is_so in wrong.items() if is_so]
        stage.case(f"{moment}, {farewell}", not found, found, 1, seconds)


def traps_on_request():
    """A request of the size on which the module traps."""
    body = json.dumps({"model": "calm", "messages": [{"role": "user", "content": "%"}]})
    return body.replace("%", "x" * (trap.REQUEST_BYTES - len(body) + 1)).encode()


def traps_on_answer():
    """A whole answer of that size."""
    body = json.dumps({"id": "1", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "%"}}]})
    return answer(200, body.replace("%", "x" * (trap.RESPONSE_BYTES - len(body) + 1)).encode())


def traps_in_stream():
    """A stream in which an event has that size."""
    event = chunk({"content": "x" * (trap.RESPONSE_BYTES - len(chunk({"content": ""})))})
    assert len(event) == trap.RESPONSE_BYTES
    return stream(*SPACED[:20], 0.3, event, 0.3, *SPACED[20:])


@scenario("F08", "the VM traps in the middle of other requests", DEFAULT, alone=True)
def f08(stage):
    stage.folder.mkdir(parents=True, exist_ok=True)
    module = stage.folder / "traps.wasm"
    module.write_bytes(trap.with_traps(WASM.read_bytes()))
    calm = stage.provider(either(hang_up(silent_then_good(1.5)), stream(*(part for event in tokens(60) for part in (event, 0.04)))))
    quick, whole_trap, stream_trap = stage.provider(good()), stage.provider(traps_on_answer()), stage.provider(traps_in_stream())
    names = {"calm": calm, "quick": quick, "whole-trap": whole_trap, "stream-trap": stream_trap}
    # A trap is what this is about, so the gateway's own check that there was none is left out.
    gateway = stage.start([deployment(name, provider) for name, provider in names.items()], wasm=module, may_trap=True)
    triggers = {
        "while a request is planned": lambda: post_raw(gateway, traps_on_request()),
        "while an answer is read": lambda: ask(gateway, "whole-trap", False, timeout=10),
        "while a stream is read": lambda: ask(gateway, "stream-trap", True, timeout=10),
    }
    for number, (moment, trigger) in enumerate(triggers.items()):
        others, callers = [], []
        for n in range(8):
            caller = threading.Thread(target=lambda n=n: others.append(ask(gateway, "calm", n % 2 == 1, timeout=15)))
            caller.start()
            callers.append(caller)
        time.sleep(0.5)
        trigger()
        after = ask(gateway, "quick", number % 2 == 1, timeout=10)
        again = ask(gateway, "quick", number % 2 == 0, timeout=10)
        for caller in callers:
            caller.join()
        stage.case(f"{moment}: the module trapped", gateway.traps() == number + 1, f"{gateway.traps()} traps so far")
        stage.case(f"{moment}: the next request is served", after.is_whole(TEXT), after, 1, after.seconds)
        stage.case(f"{moment}: and the one after it", again.is_whole(TEXT), again, 1, again.seconds)
        hung = [str(got) for got in others if got.error is None and not got.is_whole() or isinstance(got.error, openai.APITimeoutError)]
        stage.case(f"{moment}: the others are served, or told", not hung and len(others) == 8, hung[:2], 1)
    settled = gateway.settles("http.signalbox.downstream_rq_active", 0)
    stage.case("no counter leaks", settled, "http.signalbox.downstream_rq_active is not 0")
    # What a VM had on its way when it died is forgotten by the others after five seconds.
    settled = gateway.settles("wasmcustom.signalbox.in_flight.deployment.calm-1", 0, 12)
    stage.case("no phantom in flight", settled, "in_flight of `calm-1` is not 0")


def silent_then_good(seconds):
    def behave(connection, request):
        silent(seconds)(connection, request)
        return good()(connection, request)

    return behave


def post_raw(gateway, body):
    """Sends a request and takes what comes."""
    try:
        return post(gateway, body)
    except (OSError, ValueError, KeyError, IndexError) as nothing:
        return nothing


def slowly(seconds, text=TEXT):
    """A whole stream that takes so long."""
    words = [text[start : start + 10] for start in range(0, len(text), 10)]
    parts = [part for word in words for part in (chunk({"content": word}), seconds / len(words))]
    return stream(*parts, chunk({}, finish="stop"), tokens(0)[-1])


def after(seconds, behaviour):
    """Keeps the caller waiting first."""

    def behave(connection, request):
        time.sleep(seconds)
        return behaviour(connection, request)

    return behave


@scenario("F09", "configuration is replaced while requests run", DEFAULT, alone=True)
def f09(stage):
    served = {name: stage.provider(either(good(), slowly(2))) for name in ("one", "two", "three", "steady")}
    dying, spare = stage.provider(after(2, error(503))), stage.provider(good(FALLBACK_TEXT))

    def configuration(name, *more, **router):
        """A model that stays, one that moves with each replacement, one that goes, one that comes."""
        # By name, so that a new cluster is not ready at once.
        moved = deployment("moves", f"http://localhost:{served[name].port}", id=name)
        own = deployment(f"only-in-{name}", served[name], id=f"own-{name}")
        return [deployment("steady", served["steady"], id="steady"), moved, own, *more], router

    spared = deployment("dying", dying, id="dying"), deployment("spare", spare, id="spare")
    first = configuration("one", *spared, fallbacks=[{"dying": ["spare"]}])
    then = {"two": configuration("two", num_retries=0), "three": configuration("three"), "one": first}
    gateway = stage.start(*first, followed=True, concurrency=2, more=["--drain-time-s", "12"])
    # A connection that stays idle until two replacements later, when not even the listener after its own is in force.
    idle = gateway.client()
    ask(gateway, "moves", True, caller=idle)
    before = "one"
    for name, (deployments, router) in then.items():
        callers = Callers(gateway)
        callers.keep_asking("moves", "steady", streamed=False)
        callers.keep_asking("steady", "moves", streamed=True)
        callers.keep_asking("moves", "steady", streamed=False, fresh=True)
        callers.once(f"only-in-{before}", streamed=True)
        if before == "one":
            callers.once("dying", streamed=False)
        time.sleep(0.6)
        gateway.configure(deployments, router)
        began = time.monotonic()
        while not (got := ask_afresh(gateway, f"only-in-{name}")).is_whole() and time.monotonic() - began < 5:
            time.sleep(0.02)
        stage.case(f"{name}: it is in force within 5 s", got.is_whole(), got, 1)
        time.sleep(1)
        answers = callers.stop()
        failed = [f"{got.asked} after {got.seconds:.2f} s: {got}" for got in answers if not got.is_whole()]
        said = f"{len(failed)} of {len(answers)} failed: {failed[:3]}"
        stage.case(f"{name}: none of those on their way fails", not failed and len(answers) > 20, said, 1, max(got.seconds for got in answers))
        turned_to = ask_afresh(gateway, "moves").headers.get("x-signalbox-deployment")
        stage.case(f"{name}: a model that moved is served from its new place", turned_to == name, turned_to)
        gone = ask_afresh(gateway, f"only-in-{before}")
        stage.case(f"{name}: a model that went is not known", isinstance(gone.error, openai.NotFoundError), gone)
        if name == "three":
            late = ask(gateway, "moves", False, caller=idle)
            stage.case(f"{name}: a connection that was idle meanwhile is served", late.is_whole(), late, 1)
            idle.close()
        before = name
    drained = gateway.settles("listener_manager.total_filter_chains_draining", 0, 20)
    stage.case("what was replaced goes", drained, "filter chains are still draining")
    last = [ask(gateway, "moves", True), ask_afresh(gateway, "steady")]
    stage.case("and requests are served after that", all(got.is_whole() for got in last), [str(got) for got in last])


def ask_afresh(gateway, model, streamed=False):
    """Asks on a connection of its own."""
    with gateway.client() as caller:
        return ask(gateway, model, streamed, caller=caller)


class Callers:
    """Applications that ask without a pause, until they are stopped."""

    def __init__(self, gateway):
        self.gateway, self.answers, self.over, self.threads = gateway, [], threading.Event(), []

    def once(self, model, streamed):
        self._run(lambda: self._ask(model, streamed, False))

    def keep_asking(self, *models, streamed, fresh=False):
        def ask_on():
            while not self.over.is_set():
                for model in models:
                    self._ask(model, streamed, fresh)

        self._run(ask_on)

    def _ask(self, model, streamed, fresh):
        got = ask_afresh(self.gateway, model, streamed) if fresh else ask(self.gateway, model, streamed)
        got.asked = model
        self.answers.append(got)

    def _run(self, target):
        self.threads.append(threading.Thread(target=target))
        self.threads[-1].start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.answers


@scenario("F10", "bodies and headers that no client should send", DEFAULT, alone=True)
def f10(stage):
    gateway = stage.start([deployment("m", stage.provider(good()))])
    sound = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    deep = b'{"model":"m","messages":[],"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    huge = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 20_000_000 + b'"}]}'
    odd = b"x-odd: \xff\xfe\x80\r\nuser-agent: \xc3(\r\n"
    tries = {
        "header bytes that are not UTF-8": ((sound, odd), {200}),
        "a 20 MB body": ((huge,), {200, 413}),
        "a 60 MB body": ((b" " * 60_000_000,), {413}),
        "a gzip body": ((gzip.compress(sound), b"content-encoding: gzip\r\n"), {200, 415}),
        "a body that is not JSON": ((b"not json",), {400}),
        "a body of half a document": ((sound[:-3],), {400}),
        "a body that is not UTF-8": ((b"\xff\xfe\x00{",), {400}),
        "a body nested 10,000 deep": ((deep,), {200, 400}),
        "messages nested 10,000 deep": ((deep.replace(b'[],"x":', b'', 1),), {200, 400}),
    }
    for name, (sent, statuses) in tries.items():
        began = time.monotonic()
        try:
            status, said = post(gateway, *sent)
        except (OSError, ValueError, KeyError, IndexError) as nothing:
            stage.case(name, False, f"no answer: {type(nothing).__name__}: {nothing}")
            continue
        seconds = time.monotonic() - began
        shaped = "choices" in said if status == 200 else set(said["error"]) == {"message", "type", "param", "code"} and said["error"]["message"]
        stage.case(name, status in statuses and shaped, f"{status}: {str(said)[:200]}", 1, seconds)
        next_one = ask(gateway, "m", False)
        stage.case(f"{name}: the next request is served", next_one.is_whole(TEXT), next_one)
