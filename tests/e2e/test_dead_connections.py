"""Connections that die without a word, with what is generated as it is: the case B3.

All are played side by side behind one gateway, since each takes as long as the generated times say: a connection of HTTP/2 that idled is
asked for a sign of life ahead of a request (3 s), one in use is every 10 s (and has 3 s; Envoy spreads the ten by 15 %), and one of HTTP/1
is TCP's matter (20 s). A machine that acknowledges and says nothing on HTTP/1 is silent, not dead: that is test_silence.py's.
"""

import threading
import time

import httpx
import openai
import pytest
from gateway import Gateway, deployment
from provider import Provider, chunk, silent, stream, tokens, whole
from wire import Front, Wire

pytestmark = pytest.mark.long
HELLO = [{"role": "user", "content": "hello"}]
SOON, IN_USE, BY_TCP = 3, 14.5, 20
# What the connection speaks, how it dies, what it does just then; and when that is found, in seconds.
CASES = {
    ("h2", "mute", "idles"): SOON,
    ("h2", "dead", "idles"): SOON,
    ("h2", "mute", "waits for an answer"): IN_USE,
    ("h2", "dead", "waits for an answer"): IN_USE,
    ("h2", "mute", "waits, and another can be tried"): IN_USE,
    ("h2", "mute", "streams"): IN_USE,
    ("h1", "dead", "idles"): BY_TCP,
    ("h1", "dead", "idles, and is asked for a stream"): BY_TCP,
    ("h1", "dead", "waits for an answer"): BY_TCP,
    ("h1", "dead", "waits, and another can be tried"): BY_TCP,
    ("h1", "dead", "streams"): BY_TCP,
}
BUSY = 4  # what a busy machine may add


class Play:
    """One case: a deployment behind a wire of its own, and what came of its requests."""

    def __init__(self, number, case, front, plain):
        self.speaks, self.how, self.moment = case
        self.name = f"m{number}"
        self.wire = Wire((front if self.speaks == "h2" else plain).port)
        base = f"https://localhost:{self.wire.port}" if self.speaks == "h2" else f"http://127.0.0.1:{self.wire.port}"
        self.deployment = deployment(self.name, base, f"openai/{self.name}")
        self.got = None

    def script(self):
        """What the provider does when it is asked by the connection that dies, and then."""
        if self.moment == "streams":
            return [stream(chunk({"content": "begun "}), 60), stream(*tokens(3))]
        first = whole("before") if self.moment.startswith("idles") else silent(60)
        return [first, stream(*tokens(3)) if "stream" in self.moment else whole("served")]

    def play(self, envoy, requests):
        client = envoy.client(timeout=40)

        def ask(streamed):
            if not streamed:
                return client.chat.completions.create(model=self.name, messages=HELLO).choices[0].message.content
            parts = client.chat.completions.create(model=self.name, messages=HELLO, stream=True)
            return "".join(choice.delta.content or "" for part in parts for choice in part.choices)

        if self.moment.startswith("idles"):
            assert ask(False) == "before"
            time.sleep(1.5)
            began = self._die()
            self.got = ask("stream" in self.moment), time.monotonic() - began
            return
        asking = threading.Thread(target=self._keep, args=(ask, self.moment == "streams"))
        asking.start()
        while not any(request.json["model"] == self.name for request in requests):
            time.sleep(0.01)
        time.sleep(0.3)
        began = self._die()
        asking.join()
        self.got = self.got, time.monotonic() - began

    def _keep(self, ask, streamed):
        try:
            self.got = ask(streamed)
        except (openai.APIError, httpx.HTTPError) as error:
            self.got = error

    def _die(self):
        assert self.wire.made == 1
        self.wire.die(self.how)
        return time.monotonic()


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """All plays, when they are over; they take as long as the longest."""
    folder = tmp_path_factory.mktemp("dead")
    scripts = {}

    def by_model(connection, request):
        script = scripts[request.json["model"]]
        return (script.pop(0) if len(script) > 1 else script[0])(connection, request)

    plain, other = Provider(by_model), Provider(whole("another"))
    front = Front(folder, plain)
    plays = {case: Play(number, case, front, plain) for number, case in enumerate(CASES)}
    scripts |= {play.name: play.script() for play in plays.values()}
    fallbacks = [{play.name: ["another"]} for play in plays.values() if "another" in play.moment]
    deployments = [play.deployment for play in plays.values()] + [deployment("another", other)]
    envoy = Gateway(folder, deployments, router={"fallbacks": fallbacks, "num_retries": 1}, signalbox={"ca_file": str(front.certificate)})
    threads = [threading.Thread(target=play.play, args=(envoy, plain.requests)) for play in plays.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield plays
    envoy.close()
    for one in (front, plain, other, *(play.wire for play in plays.values())):
        one.close()


@pytest.mark.parametrize("case", CASES, ids=", ".join)
def test_b3_a_connection_that_dies_without_a_word_is_found(played, case):
    play = played[case]
    got, seconds = play.got
    if play.moment == "streams":
        assert isinstance(got, openai.APIError | httpx.RemoteProtocolError), "it cannot be repaired, and its client learns it"
    else:
        assert got == ("0 1 2 " if "stream" in play.moment else "served")
    assert seconds < CASES[case] + BUSY
    assert play.wire.made == (1 if play.moment == "streams" else 2), "what came after went by a new connection"
