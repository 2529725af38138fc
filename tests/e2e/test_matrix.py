"""Every client dialect, by its official SDK, against every provider's simulator, through the real Envoy: client x provider x feature.

A client dialect is a class of matrix_clients.py and a line of CLIENTS; a provider is a Column of PROVIDERS, once `signalbox sim` speaks its
dialect; a feature is a function here. What is known not to work stands in KNOWN or with its provider, with its reason. The table is written to
target/matrix.md.
"""

import json
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field

import pytest
from aws import signature_fits
from gateway import ROOT, SIGNALBOX, Gateway
from matrix_clients import Chat, City, Messages, Responses

CLIENTS = {"chat": Chat, "messages": Messages, "responses": Responses}


@dataclass
class Column:
    """A provider."""

    model: str
    path: str = ""  # below which its API lies at the simulator
    thinking: str = ""  # a model that reasons, where `model` does not
    params: dict = field(default_factory=dict)  # what its deployments have besides
    env: dict = field(default_factory=dict)  # what Envoy's environment has for it
    seeing: str = ""  # a model that sees images, where `model` does not
    embeds: str = ""  # a model that embeds
    whole_calls: bool = False  # its streams bring a call in one piece
    like: str = ""  # whose dialect it speaks: a failover to that one says as much as one to it
    by_turns: bool = False  # its failovers are played by one client each, in turns
    known: dict = field(default_factory=dict)  # feature, or (client, feature): why not


NO_SEQUENCES = "the dialect has no stop sequences"
NOT_BELOW_16 = "the API takes no limit below 16 tokens, and the simulator says 12"
AWS = {"AWS_ACCESS_KEY_ID": "AKIDMATRIX", "AWS_SECRET_ACCESS_KEY": "matrix", "AWS_EC2_METADATA_DISABLED": "true"}
PROVIDERS = {
    "openai": Column(
        "openai/gpt-4o",
        path="/v1",
        thinking="openai/gpt-5",
        embeds="openai/text-embedding-3-small",
        known={"stop_sequence_named": "OpenAI's chat does not say which sequence stopped it"},
    ),
    "anthropic": Column("anthropic/claude-haiku-4-5"),
    "gemini": Column(
        "gemini/gemini-2.5-flash",
        path="/v1beta",
        embeds="gemini/gemini-embedding-001",
        whole_calls=True,
        known={"stop_sequence_named": "Gemini does not say which sequence stopped it"},
    ),
    "openai_responses": Column(
        "openai/responses/gpt-4o",
        path="/v1",
        thinking="openai/responses/gpt-5",
        known={
            "stop_sequence": NO_SEQUENCES,
            "stop_sequence_named": NO_SEQUENCES,
            ("chat", "stop_length"): NOT_BELOW_16,
            ("chat", "stop_length_stream"): NOT_BELOW_16,
            ("messages", "stop_length"): NOT_BELOW_16,
            ("messages", "stop_length_stream"): NOT_BELOW_16,
        },
    ),
    "bedrock": Column(
        "bedrock/anthropic.claude-haiku-4-5-20251001-v1:0",
        params={"aws_region_name": "us-east-1"},
        env=AWS,
        known={"stop_sequence_named": "Converse does not say which sequence stopped it"},
    ),
    "cohere": Column(
        "cohere/command-a-03-2025",
        path="/v2",
        thinking="cohere/command-a-reasoning-08-2025",
        seeing="cohere/command-a-vision-07-2025",
        embeds="cohere/embed-v4.0",
        by_turns=True,
        known={"stop_sequence_named": "Cohere does not say which sequence stopped it"},
    ),
    "ollama": Column(
        "ollama/llama3.2",
        thinking="ollama/qwen3",
        embeds="ollama/nomic-embed-text",
        whole_calls=True,
        by_turns=True,
        known={
            "usage": "Ollama does not say what came from its cache",
            "usage_stream": "Ollama does not say what came from its cache",
            "stop_sequence_named": "Ollama does not say that a sequence stopped it",
        },
    ),
    "mistral": Column(
        "mistral/mistral-medium-latest",
        path="/v1",
        embeds="mistral/codestral-embed",
        whole_calls=True,
        like="openai",
        by_turns=True,
        known={"stop_sequence_named": "OpenAI's chat does not say which sequence stopped it"},
    ),
    "azure": Column(
        "azure/gpt-4o",
        thinking="azure/gpt-5",
        embeds="azure/text-embedding-3-small",
        params={"api_version": "2025-04-01-preview"},
        like="openai",
        by_turns=True,
        known={"stop_sequence_named": "OpenAI's chat does not say which sequence stopped it"},
    ),
}
# (client, feature): why not, at any provider.
KNOWN = {
    ("responses", "stop_sequence"): NO_SEQUENCES,
    ("responses", "stop_sequence_named"): NO_SEQUENCES,
    ("chat", "stop_sequence_named"): "the dialect does not say which sequence stopped it",
}
FEATURES = {}
ROWS = {}


def feature(check):
    FEATURES[check.__name__] = check
    return check


class Pair:
    """A client against one group of the gateway, and the simulators behind it."""

    def __init__(self, client, model, world):
        self.client, self.model, self.world = client, model, world
        self.first = model.partition("_then_")[0]

    def ask(self, text="hello", **options):
        model = f"{self.model}_thinking" if options.get("effort") else self.model
        return self.client.ask(model, [self.client.user(text)], **options)

    def fault(self, spec):
        self.world.fault(self.first, spec)

    def loop(self, line, results, stream):
        """A turn of tools, and the answer after it."""
        asked = [self.client.user(line)]
        got = self.client.ask(self.model, asked, tools=True, stream=stream)
        assert got.stop == "tools"
        then = self.client.ask(self.model, [*asked, *self.client.back(got, results)], tools=True, stream=stream)
        assert (then.stop, then.calls) == ("end", []) and then.text
        return got


@feature
def text(pair):
    got = pair.ask()
    assert (got.text, got.stop) == (f"[{pair.first}] You said: hello. The signal is green and the line Done.", "end")


@feature
def stream(pair):
    got = pair.ask(stream=True)
    assert (got.text, got.stop) == (f"[{pair.first}] You said: hello. The signal is green and the line Done.", "end")
    assert got.pieces >= 10, "as it comes, not at the end"


ONE = 'call get_weather {"city": "Oslo"}'
TWO = f'{ONE} and call get_weather {{"city": "Rome"}}'
OSLO, ROME = ("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})


@feature
def tool(pair):
    assert pair.loop(ONE, ["4"], stream=False).calls == [OSLO]


@feature
def tool_stream(pair):
    got = pair.loop(ONE, ["4"], stream=True)
    least = 1 if PROVIDERS[pair.first].whole_calls else 2
    assert got.calls == [OSLO] and got.pieces >= least, "the arguments come in pieces"


@feature
def tools_parallel(pair):
    got = pair.loop(TWO, ["4", "21"], stream=False)
    assert got.calls == [OSLO, ROME] and len(set(got.ids)) == 2


@feature
def tools_parallel_stream(pair):
    got = pair.loop(TWO, ["4", "21"], stream=True)
    assert got.calls == [OSLO, ROME] and len(set(got.ids)) == 2


@feature
def tools_in_turns(pair):
    """Two turns of calls, so that the ids of the first come back beside those of the second."""
    client = pair.client
    turns = [client.user(f"{ONE}\n{TWO}")]
    first = client.ask(pair.model, turns, tools=True)
    turns += client.back(first, ["4"])
    second = client.ask(pair.model, turns, tools=True)
    turns += client.back(second, ["5", "21"])
    assert (first.calls, second.calls) == ([OSLO], [OSLO, ROME])
    assert client.ask(pair.model, turns, tools=True).stop == "end"


@feature
def image(pair):
    model = f"{pair.model}_seeing" if PROVIDERS[pair.first].seeing else pair.model
    got = pair.client.ask(model, [pair.client.user("look", image=True)])
    assert "You said: look, with images: 1." in got.text


@feature
def json_schema(pair):
    assert pair.ask(schema=True).parsed == City(name="Rome", people=1)


@feature
def json_schema_stream(pair):
    assert pair.ask(schema=True, stream=True).parsed == City(name="Rome", people=1)


@feature
def reasoning(pair):
    got = pair.ask(effort="low")
    assert got.thoughts == "A simple question; a short answer will do." and got.text.endswith("Done.")


@feature
def reasoning_stream(pair):
    got = pair.ask(effort="low", stream=True)
    assert got.thoughts == "A simple question; a short answer will do." and got.text.endswith("Done.")


def counts(got):
    prompt, cached, answer = got.usage
    assert prompt == 9 and cached == 2, "as the simulator counted"
    assert answer == 12


@feature
def usage(pair):
    counts(pair.ask())


@feature
def usage_stream(pair):
    counts(pair.ask(stream=True))


@feature
def stop_length(pair):
    got = pair.ask(limit=6)
    assert got.stop == "length" and not got.text.endswith("Done.")


@feature
def stop_length_stream(pair):
    assert pair.ask(limit=6, stream=True).stop == "length"


@feature
def stop_sequence(pair):
    got = pair.ask(stop="green")
    assert got.text.rstrip().endswith("The signal is") and got.stop in ("end", "sequence")


@feature
def stop_sequence_named(pair):
    assert pair.ask(stop="green").stop == "sequence"


@feature
def refusal(pair):
    pair.fault("refusal")
    got = pair.ask()
    assert "I cannot help with that." in got.text + got.refusal
    assert got.stop in ("end", "refusal")


@feature
def refusal_stream(pair):
    pair.fault("refusal")
    got = pair.ask(stream=True)
    assert "I cannot help with that." in got.text + got.refusal


def raises(pair, name, **options):
    with pytest.raises(getattr(pair.client.errors, name)) as failed:
        pair.ask(**options)
    assert failed.value.body, "an error in the client's own dialect"
    return failed.value


@feature
def error_rate_limit(pair):
    pair.fault("status=429,retry_after=7")
    found = raises(pair, "RateLimitError")
    assert int(found.response.headers["retry-after"]) <= 7


@feature
def error_bad_request(pair):
    pair.fault("body=context_length")
    found = str(raises(pair, "BadRequestError"))
    assert any(words in found for words in ("maximum context", "context length", "too long", "maximum number of tokens", "too many tokens")), found


@feature
def error_before_a_stream(pair):
    pair.fault("status=503")
    raises(pair, "InternalServerError", stream=True)


@feature
def error_in_a_stream(pair):
    """After the first token: what came stays, and then the SDK raises."""
    pair.fault("error_event=overloaded,error_after=4,token_delay=20ms")
    heard = []
    with pytest.raises(pair.client.errors.APIError):
        heard.extend(pair.client.listen(pair.model, [pair.client.user("hello")]))
    assert "".join(heard).startswith(f"[{pair.first}] You said:")


@feature
def cut_in_a_stream(pair):
    """A provider that ends its stream too soon is an error, not an answer."""
    pair.fault("cut_after=4,token_delay=20ms")
    heard = []
    with pytest.raises(pair.client.errors.APIError):
        heard.extend(pair.client.listen(pair.model, [pair.client.user("hello")]))
    assert "".join(heard).startswith(f"[{pair.first}] You said:")


FAILOVERS = {
    "failover": ("status=503", {}),
    "failover_rate_limit": ("status=429", {}),
    "failover_stream": ("status=500", {"stream": True}),
    "failover_before_the_first_token": ("error_event=overloaded", {"stream": True}),
    "failover_reset": ("reset", {"stream": True}),
    "failover_web_page": ("body=html", {}),
}


# Who fails over to whom: each to each dialect, and to those that speak one of the others' once.
PAIRS = [(one, other) for one in PROVIDERS for other in PROVIDERS if one != other and PROVIDERS[other].like in ("", one)]


def failovers():
    for place, (one, other) in enumerate(PAIRS):
        by_turns = PROVIDERS[one].by_turns or PROVIDERS[other].by_turns
        for turn, what in enumerate(FAILOVERS, place):
            for nth, client in enumerate(CLIENTS):
                if not by_turns or nth == turn % len(CLIENTS):
                    yield client, one, other, what


class World:
    """The simulators of all providers, and one gateway before them."""

    def __init__(self, folder):
        listeners = [f"--listen={name}=127.0.0.1:0" for name in PROVIDERS]
        self.sim = subprocess.Popen([SIGNALBOX, "sim", "--quiet", *listeners], stdout=subprocess.PIPE, text=True)
        self.at = dict(self.sim.stdout.readline().split() for _ in PROVIDERS)
        groups = {name: [name] for name in PROVIDERS}
        groups |= {f"{one}_then_{other}": [one, other] for one, other in PAIRS}
        entries = [self.entry(group, name, order) for group, names in groups.items() for order, name in enumerate(names, 1)]
        entries += [self.entry(f"{name}_thinking", name, 1, column.thinking) for name, column in PROVIDERS.items()]
        for kind in ("seeing", "embeds"):
            entries += [self.entry(f"{name}_{kind}", name, 1, getattr(column, kind)) for name, column in PROVIDERS.items() if getattr(column, kind)]
        router = {"disable_cooldowns": True, "num_retries": 1}
        env = {name: value for column in PROVIDERS.values() for name, value in column.env.items()}
        self.gateway = Gateway(folder, entries, router=router, env=env)
        self.clients = {name: made(self.gateway.base) for name, made in CLIENTS.items() if self.serves(made.path)}

    def entry(self, group, name, order, model=""):
        column = PROVIDERS[name]
        params = {"model": model or column.model, "api_base": self.at[name] + column.path, "order": order} | column.params
        return {"model_name": group, "litellm_params": params, "model_info": {"id": f"{group}.{name}"}}

    def serves(self, path):
        """Whether the gateway has the path of a client dialect."""
        try:
            urllib.request.urlopen(urllib.request.Request(self.gateway.base + path, data=b"{}", headers={"content-type": "application/json"}))
        except urllib.error.HTTPError as error:
            return error.code != 404
        return True

    def fault(self, name, spec):
        urllib.request.urlopen(f"{self.at[name]}/sim/fault", data=spec.encode()).close()

    def requests(self, name):
        """What a simulator was asked."""
        with urllib.request.urlopen(f"{self.at[name]}/sim/requests") as said:
            return json.load(said)

    def heal(self):
        for name in PROVIDERS:
            self.fault(name, "")

    def close(self):
        self.gateway.close()
        self.sim.terminate()
        self.sim.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("matrix"))
    yield made
    made.close()
    write_table()


def known(client, provider, what):
    column = PROVIDERS[provider].known if provider in PROVIDERS else {}
    return KNOWN.get((client, what)) or column.get((client, what)) or column.get(what)


def judged(world, client, model, what, check):
    """Plays one cell of the table, and fails where it differs from what is known."""
    if client not in world.clients:
        pytest.skip("the gateway does not serve this dialect yet")
    why = known(client, model, what)
    world.heal()
    try:
        check(Pair(world.clients[client], model, world))
    except Exception as error:
        ROWS[what, client, model] = why or f"{type(error).__name__}: {error}"
        if why is None:
            raise
        pytest.xfail(why)
    else:
        ROWS[what, client, model] = "pass"
        assert why is None, f"this works, but KNOWN says: {why}"


@pytest.mark.parametrize("what", FEATURES)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_feature(world, client, provider, what):
    judged(world, client, provider, what, FEATURES[what])


@pytest.mark.parametrize("provider", [name for name, column in PROVIDERS.items() if column.embeds])
def test_embeddings(world, provider):
    """As floats and, as the SDK asks where nobody says otherwise, as base64: the simulator's vectors are the same whoever it plays."""
    sdk = world.clients["chat"].sdk
    world.heal()
    whole = [sdk.embeddings.create(model=f"{name}_embeds", input=["a", "b"], dimensions=8) for name in ("openai", provider)]
    floats = sdk.embeddings.create(model=f"{provider}_embeds", input="b", dimensions=8, encoding_format="float")
    wanted, got = ([item.embedding for item in made.data] for made in whole)
    assert [len(vector) for vector in got] == [8, 8]
    assert got == [pytest.approx(vector, abs=1e-6) for vector in wanted] and floats.data[0].embedding == pytest.approx(got[1], abs=1e-6)
    assert [item.index for item in whole[1].data] == [0, 1] and whole[1].object == "list"


@pytest.mark.parametrize(("client", "one", "other", "what"), failovers())
def test_failover(world, client, one, other, what):
    spec, options = FAILOVERS[what]

    def check(pair):
        pair.fault(spec)
        assert pair.ask(**options).text.startswith(f"[{other}] You said: hello.")

    judged(world, client, f"{one}_then_{other}", what, check)


def test_each_request_to_bedrock_was_signed_for_what_it_was(world):
    """By AWS' own code, whatever the rows above have sent, retries among them."""
    world.heal()
    world.clients["chat"].ask("bedrock", [world.clients["chat"].user("hello")])
    asked = world.requests("bedrock")
    assert asked and all(signature_fits(one["path"], one["headers"], AWS["AWS_ACCESS_KEY_ID"], AWS["AWS_SECRET_ACCESS_KEY"], "us-east-1") for one in asked)


def write_table():
    """The table of all that was played, to target/matrix.md."""
    lines = ["# Client x provider x feature", "", "Written by tests/e2e/test_matrix.py; the simulators play the providers.", ""]
    for names, models in ((FEATURES, list(PROVIDERS)), (FAILOVERS, sorted({model for _, _, model in ROWS if "_then_" in model}))):
        pairs = [(client, model) for client in CLIENTS for model in models if any((what, client, model) in ROWS for what in names)]
        lines += ["| feature | " + " | ".join(f"{client} → {model.replace('_then_', ', then ')}" for client, model in pairs) + " |"]
        lines += ["|---" * (len(pairs) + 1) + "|"]
        for what in names:
            cells = [ROWS.get((what, client, model), "not played").splitlines()[0][:120].replace("|", "/") for client, model in pairs]
            lines += [f"| {what} | " + " | ".join(cells) + " |"]
        lines += [""]
    target = ROOT / "target" / "matrix.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines))
