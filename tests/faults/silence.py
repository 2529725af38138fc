"""F11 to F15: providers that say nothing, or nothing that matters, and connections that are dead. What is silent is played without any
`timeout` in the configuration, since then the defaults must do."""

import threading
import time

from gateway import deployment
from provider import chunk, silent, stream, whole
from raw import first_bytes
from wire import Front, TwoAddresses, Wire

from .ours import half_an_answer, slowly
from .public import EVENTS, spaced
from .registry import scenario
from .stage import FALLBACK_TEXT, TEXT, ask, either, good

UNTIMED = ("untimed", "untimed-complete")
ROLE = chunk({"role": "assistant", "content": ""})
EMPTY = chunk({"content": ""})
PING = b": still thinking\n\n"


def for_ever(sign_of_life, every):
    """A sign of life again and again, for longer than anybody waits."""
    return [part for _ in range(2_000) for part in (sign_of_life, every)]


def judge_moved_on(pair, within):
    """Asks where the primary is silent before its first token: the fallback serves, and the primary is not asked twice."""
    got = pair.ask(timeout=within + 10)
    conduct = {f"inside {within:.1f} s": got.seconds < within, "the silent one is asked once": len(pair.primary.requests) == 1}
    pair.judge(got, conduct, got.is_whole(FALLBACK_TEXT))


def judge_begun(stage, pair, within):
    """Asks where the primary falls silent after its first token: rescued where nothing was sent, else ended with a clear error."""
    got = pair.ask(timeout=within + 10)
    conduct = {f"inside {within:.1f} s": got.seconds < within, "the silent one is asked once": len(pair.primary.requests) == 1}
    pair.judge(got, conduct, got.is_whole(FALLBACK_TEXT) if stage.commits_late else got.clear_error())


@scenario("F11", "it falls silent, at any moment", UNTIMED)
def f11(stage):
    profile = stage.profile
    long = profile.seconds(120)
    moments = {
        "before the headers, plain": (silent(long), 70),
        "before the headers, stream": (silent(long), 15),
        "after the headers, plain": (half_an_answer(long), 70),
        "after the headers, stream": (stream(long), 15),
        "after the role, stream": (stream(ROLE, long), 15),
        "in mid-stream": (stream(*spaced(20), long), 45),
    }
    pairs = stage.pairs_of({moment: [script] for moment, (script, _) in moments.items()}, lambda moment: "stream" in moment)

    def play(pair):
        within = profile.slack(moments[pair.name][1])
        judge_begun(stage, pair, within) if pair.name == "in mid-stream" else judge_moved_on(pair, within)

    side_by_side(play, pairs)


@scenario("F12", "it only pings", UNTIMED)
def f12(stage):
    profile = stage.profile
    every = profile.seconds(2)
    scripts = {
        "comments before the first token": stream(*for_ever(PING, every)),
        "empty deltas before the first token": stream(ROLE, *for_ever(EMPTY, every)),
        "comments after the first token": stream(*spaced(5), *for_ever(PING, every)),
        "empty deltas after the first token": stream(*spaced(5), *for_ever(EMPTY, every)),
        "comments, then it answers, and nobody else could": stream(*[PING, 0.3] * 15, *EVENTS),
    }
    lone = [name for name in scripts if "nobody" in name]
    pairs = stage.pairs_of({name: [script] for name, script in scripts.items()}, lambda _: True, lone=lone)

    def play(pair):
        if pair.name in lone:
            heard = first_bytes(stage.gateway, pair.model, 3.5)
            # A stream that is held until it is whole is held, whatever comes.
            reached = heard.startswith(b"HTTP/1.1 200") and heard.count(PING.strip()) > 2
            stage.case("the head and the comments reach the caller", stage.commits_late or reached, heard[:80])
            got = pair.ask()
            pair.judge(got, {"inside 10 s": got.seconds < 10}, got.is_whole(TEXT))
        elif "before" in pair.name:
            judge_moved_on(pair, profile.slack(15))
        else:
            judge_begun(stage, pair, profile.slack(60))

    side_by_side(play, pairs)


def side_by_side(play, of):
    """Plays cases that mostly wait at the same time. The first error of any is raised here."""
    wrong = []

    def one(case):
        try:
            play(case)
        except Exception as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=one, args=(case,)) for case in of]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]


@scenario("F13", "its connection is dead, and nobody says so", ("default",), alone=True)
def f13(stage):
    # What finds a dead connection is generated, not set, so it takes its time in either profile.
    within = {"HTTP/2, idle": 3, "HTTP/2, in use": 14.5, "HTTP/1, idle": 20, "HTTP/1, in use": 20}
    scripts = {name: [silent(60), good()] if "in use" in name else [good()] for name in within}
    providers = {name: stage.provider(*script) for name, script in scripts.items()}
    wires, deployments = {}, []
    for number, (name, provider) in enumerate(providers.items()):
        front = stage.closes(Front(stage.folder / f"front-{number}", provider)) if "HTTP/2" in name else None
        wire = wires[name] = stage.closes(Wire((front or provider).port))
        base = f"{'https://localhost' if front else 'http://127.0.0.1'}:{wire.port}"
        deployments.append(deployment(name, base, id=f"m{number}"))
    certificates = stage.folder / "front.pem"
    certificates.write_text("".join(file.read_text() for file in sorted(stage.folder.glob("front-*/front.pem"))))
    gateway = stage.start(deployments, signalbox={"ca_file": str(certificates)})

    def play(name):
        how = "mute" if "HTTP/2" in name else "dead"
        asking = threading.Thread(target=lambda: asked.append(ask(gateway, name, False)))
        asked = []
        if "idle" in name:
            ask(gateway, name, False)
            time.sleep(1.5)
            wires[name].die(how)
            asking.start()
        else:
            asking.start()
            while not providers[name].requests:
                time.sleep(0.01)
            wires[name].die(how)
        asking.join()
        (got,) = asked
        stage.case(f"{name}: it is found within {within[name]} s", got.is_whole(TEXT) and got.seconds < within[name] + 3, got, 2, got.seconds)

    side_by_side(play, within)


@scenario("F14", "one of its addresses is dead", ("default",), alone=True)
def f14(stage):
    providers = {way: stage.provider(good()) for way in ("plain", "stream")}
    deployments = [deployment(way, f"http://localhost:{provider.port}", id=way) for way, provider in providers.items()]
    gateway = stage.start(deployments, kind=TwoAddresses)
    for way, provider in providers.items():
        answers = [ask(gateway, way, way == "stream") for _ in range(20)]
        failed = [str(got) for got in answers if not got.is_whole(TEXT)]
        slowest = max(got.seconds for got in answers)
        stage.case(f"{way}: all 20 are served", not failed, failed[:2], 2, slowest)
        stage.case(f"{way}: at once", slowest < 2, f"{slowest:.1f} s", 2, slowest)
        stage.case(f"{way}: by the one that lives", len(provider.requests) == 20, len(provider.requests))
    stage.case("it does not rest", "cooling" not in gateway.log, "it cools")


@scenario("F15", "`complete`, and it stalls or is cut before and after the timeout", ("complete",))
def f15(stage):
    seconds = stage.profile.seconds
    steady = [part for event in EVENTS[1:38] for part in (event, seconds(1))]
    scripts = {
        "it stalls at 0.3 s": stream(ROLE, EVENTS[1], 0.3, seconds(120)),
        "it stalls after the timeout": stream(ROLE, *steady, seconds(120)),
        "it is cut at 37 s": stream(ROLE, *steady, "reset"),
        "it ends too soon at 37 s": stream(ROLE, *steady),
        "it takes 37 s, and is whole": either(whole(TEXT), slowly(seconds(37))),
    }
    pairs = stage.pairs_of({name: [script] for name, script in scripts.items()}, lambda _: True)

    def play(pair):
        got = pair.ask(timeout=200)
        if "whole" in pair.name:
            pair.judge(got, {"asked once": pair.attempts == 1}, got.is_whole(TEXT))
        else:
            # Cut twice more, since the same model is tried again; silence is not.
            within = stage.profile.slack(4 * 37)
            pair.judge(got, {f"inside {within:.0f} s": got.seconds < within}, got.is_whole(FALLBACK_TEXT))

    side_by_side(play, pairs)
