"""What a scenario plays on: scripted providers, a gateway of its own, and callers.

A `Pair` is a primary and a fallback model, each a group of one deployment; a scenario has a pair for each of its cases, so that no case
sees what another did to a deployment's health. So most scenarios of a mode can share one gateway, that of a `Hall`, which opens when
each of them has said what it needs.
"""

import contextlib
import os
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import openai
from gateway import Gateway, deployment
from provider import Provider, chunk, stream, tokens, whole

from .judge import FAIL, PASS, Case, judge
from .registry import MODES

HELLO = [{"role": "user", "content": "hello"}]
TOKENS = 60
TEXT = "".join(f"{n} " for n in range(TOKENS))
FALLBACK_TEXT = "This is the whole answer of the fallback model."
FALLBACK_MODEL = "fallback-model"
FALLBACK_USAGE = {"prompt_tokens": 11, "completion_tokens": 9, "total_tokens": 20}


@dataclass(frozen=True)
class Profile:
    """How long things take. What a scenario waits for is given in the catalogue's seconds, and scaled."""

    name: str
    scale: float

    def seconds(self, catalogued):
        return catalogued * self.scale

    def slack(self, catalogued):
        """A limit scaled, with room for a busy machine."""
        return catalogued * self.scale + (0.5 if self.scale < 1 else 0)


    def settings(self, mode):
        """What the gateway of a mode is told, as `router_settings` and `signalbox`. With the catalogue's timings all is as by default, else
        the defaults are scaled too. (Pings alone would be waited for during minutes.)"""
        router = {"num_retries": 2} | ({"timeout": self.seconds(30)} if MODES[mode]["timed"] else {})
        signalbox = {"stream_commit": MODES[mode]["commit"], "stream_progress_timeout": self.seconds(40)}
        if self.scale != 1:
            router |= {"cooldown_time": self.seconds(5)}
            signalbox |= {"max_cooldown": self.seconds(20), "first_token_timeout": self.seconds(10)}
            signalbox |= {"answer_timeout": self.seconds(60), "stream_idle_timeout": self.seconds(30)}
        return router, signalbox


FAST, FULL = Profile("fast", 0.1), Profile("full", 1.0)


# Not by reading the whole: some bodies are made to be hard to read.
STREAMED = re.compile(rb'"stream"\s*:\s*true')


def either(plain, streamed):
    """A provider that answers in the way it is asked."""

    def behave(connection, request):
        return (streamed if STREAMED.search(request.body) else plain)(connection, request)

    return behave


def good(text=TEXT, model="primary-model"):
    """A whole answer."""
    words = [text[start : start + 7] for start in range(0, len(text), 7)]
    events = [chunk({"role": "assistant", "content": ""}, model=model)] + [chunk({"content": word}, model=model) for word in words]
    return either(whole(text, model), stream(*events, chunk({}, finish="stop", model=model), chunk({}, usage=FALLBACK_USAGE, model=model), tokens(0)[-1]))


def rescuer():
    """What the fallback says."""
    plain = whole(FALLBACK_TEXT, FALLBACK_MODEL, FALLBACK_USAGE)
    return either(plain, good(FALLBACK_TEXT, FALLBACK_MODEL))


@dataclass
class Answer:
    """What the caller got."""

    text: str = ""
    finish: str | None = None
    model: str | None = None
    usage: dict | None = None
    headers: dict = field(default_factory=dict)
    error: Exception | None = None
    seconds: float = 0.0
    asked: str = ""

    def is_whole(self, *texts):
        return self.error is None and self.finish == "stop" and self.text in (texts or (TEXT, FALLBACK_TEXT))

    def clear_error(self):
        """Whether it is an error that says why. A caller's own timeout says only that nobody ended it."""
        if self.error is None or isinstance(self.error, openai.APITimeoutError | httpx.TimeoutException):
            return False
        if isinstance(self.error, openai.APIStatusError):
            body = self.error.body
            return isinstance(body, dict) and bool(body.get("message"))
        if isinstance(self.error, openai.APIConnectionError):
            return False
        # In a stream that had begun: our error event, or the transport's word that it was cut.
        return isinstance(self.error, openai.APIError | httpx.RemoteProtocolError) and bool(str(self.error))

    def __str__(self):
        if self.error is not None:
            return f"{type(self.error).__name__}: {str(self.error)[:160]}"
        return f"finish {self.finish}, {len(self.text)} characters: {self.text[:40]!r}"


def ask(gateway, model, streamed, timeout=60, caller=None, **options):
    """Asks as an application does: the official SDK, without retries of its own."""
    caller = caller or gateway.caller
    options["timeout"] = timeout
    answer, began = Answer(), time.monotonic()
    try:
        if streamed:
            options = {"stream_options": {"include_usage": True}} | options
            got = caller.chat.completions.with_raw_response.create(model=model, messages=HELLO, stream=True, **options)
            answer.headers = got.headers
            for part in got.parse():
                for choice in part.choices:
                    answer.text += choice.delta.content or ""
                    answer.finish = choice.finish_reason or answer.finish
                answer.model = part.model
                answer.usage = part.usage.model_dump() if part.usage else answer.usage
        else:
            got = caller.chat.completions.with_raw_response.create(model=model, messages=HELLO, **options)
            answer.headers = got.headers
            whole_answer = got.parse()
            answer.text, answer.finish = whole_answer.choices[0].message.content or "", whole_answer.choices[0].finish_reason
            answer.model, answer.usage = whole_answer.model, whole_answer.usage.model_dump() if whole_answer.usage else None
    except (openai.OpenAIError, httpx.HTTPError, ValueError) as error:
        answer.error = error
    finally:
        answer.seconds = time.monotonic() - began
    if gateway.sabotage == "short":
        answer.text = answer.text[:-9]
    return answer


@dataclass
class Pair:
    """A case's own models."""

    stage: "Stage"
    name: str
    model: str
    streamed: bool
    primary: Provider
    fallback: Provider
    began: float = 0.0
    attempts: int = 0  # the most that one request took, at both

    def asked(self):
        return len(self.primary.requests) + len(self.fallback.requests)

    def ask(self, **options):
        before, self.began = self.asked(), time.monotonic()
        answer = ask(self.stage.gateway, self.model, self.streamed, **options)
        self.attempts = max(self.attempts, self.asked() - before)
        return answer

    def journal(self, provider):
        """When a provider was asked, in seconds since the caller asked."""
        return [request.at - self.began for request in provider.requests]

    def judge(self, answer, conduct=None, served=None):
        """Judges the case: what had to hold of the conduct, in words, and whether it did. `served` is whether the caller has what it should
        have; without it, the whole answer of either model."""
        served = answer.is_whole() if served is None else served
        self.stage.cases.append(judge(self.name, answer, served, conduct or {}, self.attempts))

    def healthy_afterwards(self):
        """Whether the primary, once it is well, serves the next caller."""
        before = len(self.primary.requests)
        self.primary.play(good())
        return self.ask().is_whole(TEXT) and len(self.primary.requests) == before + 1


class Hall:
    """The gateway that the scenarios of a mode share. It starts when each of them has brought its deployments, or will bring none."""

    def __init__(self, folder, profile, mode, sabotage, parties):
        self.folder, self.sabotage, self.parties = folder, sabotage, parties
        self.router, self.signalbox = profile.settings(mode)
        self.deployments, self.chains, self.gateway, self.failed = [], [], None, None
        self._changed, self._waited_for, self._inside = threading.Condition(), set(parties), set(parties)

    def enter(self, party, deployments, chains):
        """Brings a scenario's deployments, and waits for the gateway."""
        with self._changed:
            self.deployments += deployments
            self.chains += chains
            self._is_ready(party)
            while self.gateway is None and self.failed is None:
                self._changed.wait()
        if self.failed is not None:
            raise self.failed
        return self.gateway

    def leave(self, party):
        """The scenario is over. The last to leave ends the gateway, which must live until then, and so must its VMs."""
        with self._changed:
            self._inside.discard(party)
            if party in self._waited_for:
                self._is_ready(party)
            if not self._inside and self.gateway is not None:
                self.gateway.close()

    def _is_ready(self, party):
        self._waited_for.discard(party)
        if self._waited_for or not self.deployments:
            return
        bare = self.sabotage == "bare"
        router = self.router | ({"num_retries": 0} if bare else {"fallbacks": self.chains})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.gateway = started(self.folder, self.sabotage, self.deployments, router=router, signalbox=self.signalbox)
        except Exception as wrong:  # noqa: BLE001
            self.failed = wrong
        self._changed.notify_all()


STARTING = threading.Lock()


def rests(pid, seconds=20):
    """Waits until a process takes less than a fifth of a core."""
    until, share = time.monotonic() + seconds, 1.0
    while share > 0.2 and time.monotonic() < until:
        before, began = ticks(pid), time.monotonic()
        time.sleep(0.25)
        share = (ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)


def ticks(pid):
    """What a process has taken of the processor, in the kernel's ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def started(folder, sabotage, deployments, kind=Gateway, **options):
    """A gateway with a caller. One starts at a time, and serves when it has compiled its module: several that compile take all cores for seconds,
    and what the others do comes late."""
    with STARTING:
        gateway = kind(folder, deployments, **options)
        rests(gateway.process.pid)
    gateway.sabotage, gateway.caller = sabotage, gateway.client()
    return gateway


class Stage:
    """One scenario in one mode."""

    def __init__(self, name, folder, profile, mode, sabotage=None, hall=None):
        self.name, self.folder, self.profile, self.mode, self.sabotage, self.hall = name, folder, profile, mode, sabotage, hall
        self.is_timed, self.commits_late = MODES[mode]["timed"], MODES[mode]["commit"] == "complete"
        self.cases, self.gateway = [], None
        self._open = contextlib.ExitStack()
        if hall is not None:
            self._open.callback(hall.leave, name)

    def closes(self, made):
        """Closes it when the scenario is over."""
        self._open.callback(made.close)
        return made

    def provider(self, *script):
        return self.closes(Provider(*script))

    def start(self, deployments, router=None, signalbox=None, **options):
        """Starts a gateway of its own. It must live, and so must its VMs, until the scenario is over."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.gateway = self.closes(started(self.folder, self.sabotage, deployments, router=router, signalbox=signalbox, **options))
        return self.gateway

    def pairs(self, *script, ways=("plain", "stream"), **params):
        """A pair for each way of asking. `script` is what the primary does, `params` are its deployment's."""
        return self.pairs_of({way: script for way in ways}, lambda way: way == "stream", **params)

    def pairs_of(self, scripts, streamed, fallback=None, lone=(), **params):
        """A pair for each named script, but for those that stand `lone`, without a fallback."""
        pairs, deployments, chains = [], [], []
        for number, (name, script) in enumerate(scripts.items()):
            main, other = f"{self.name}-main-{number}", f"{self.name}-other-{number}"
            pair = Pair(self, name, main, streamed(name), self.provider(*script), self.provider(fallback or rescuer()))
            deployments += [deployment(main, pair.primary, **params), deployment(other, pair.fallback)]
            chains += [] if name in lone else [{main: [other]}]
            pairs.append(pair)
        if self.hall is not None:
            self.gateway = self.hall.enter(self.name, deployments, chains)
        else:
            self.start(deployments, {"num_retries": 0} if self.sabotage == "bare" else {"fallbacks": chains})
        return pairs

    def case(self, name, passed, said="", attempts=0, seconds=0.0):
        """A case that knows only pass and fail."""
        self.cases.append(Case(name, PASS if passed else FAIL, [] if passed else [str(said) or "did not hold"], attempts, seconds))

    def close(self):
        self._open.close()
