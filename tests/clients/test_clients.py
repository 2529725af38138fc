"""Programs that people point at a gateway: SDKs, frameworks and coding agents, each through a scripted loop of tools.

They are what their registries give, at the versions in package.json and requirements.txt, and know nothing of Signalbox but its address.
Behind the gateway are OpenAI's and Anthropic's simulators, which call the tools that the prompt names: `call bash {"command": "..."}`.
Each program has a HOME of its own, and no key that means anything.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "e2e")]

import anthropic_wire  # noqa: E402
from gateway import ROOT, SIGNALBOX, Gateway, deployment  # noqa: E402
from provider import DONE, Provider, chunk, stream  # noqa: E402

PLACE = ROOT / "target" / "clients"  # `make test-clients` installs there
BIN = PLACE / "node_modules" / ".bin"
AIDER = PLACE / "aider" / "bin" / "aider"
MODELS = {"chat": ("openai/gpt-4o", "openai", "/v1"), "claude": ("anthropic/claude-haiku-4-5", "anthropic", "")}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}


class World:
    def __init__(self, folder):
        listeners = ["--listen=openai=127.0.0.1:0", "--listen=anthropic=127.0.0.1:0"]
        self.sim = subprocess.Popen([SIGNALBOX, "sim", "--quiet", *listeners], stdout=subprocess.PIPE, text=True)
        self.at = dict(self.sim.stdout.readline().split() for _ in listeners)
        entries = []
        for group, (model, name, path) in MODELS.items():
            params = {"model": model, "api_base": self.at[name] + path}
            entries.append({"model_name": group, "litellm_params": params, "model_info": {"id": f"{group}-1"}})
        self.gateway = Gateway(folder, entries)
        self.base = self.gateway.base

    def serves(self, dialect):
        try:
            urllib.request.urlopen(urllib.request.Request(self.base + PATHS[dialect], data=b"{}"))
        except urllib.error.HTTPError as error:
            return error.code != 404
        return True

    def requests(self, model):
        """What the simulator behind a model was asked since the last time."""
        at = self.at[MODELS[model][1]] + "/sim/requests"
        found = json.load(urllib.request.urlopen(at))
        urllib.request.urlopen(urllib.request.Request(at, method="DELETE")).close()
        return found

    def close(self):
        self.gateway.close()
        self.sim.terminate()
        self.sim.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("clients"))
    yield made
    made.close()


@pytest.fixture
def home(world, tmp_path):
    """A HOME for a program, and a directory to work in; the simulators have forgotten what they were asked before."""
    for model in MODELS:
        world.requests(model)
    (tmp_path / "work").mkdir()
    return tmp_path


def run(home, command, seconds=60, **env):
    """Runs a program to its end, with nothing of this machine's but its PATH."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "CI": "1", "NO_COLOR": "1"} | env
    ended = subprocess.run(command, cwd=home / "work", env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    assert ended.returncode == 0, f"{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


def needs(world, dialect):
    if not world.serves(dialect):
        pytest.skip(f"the gateway does not serve {PATHS[dialect]} yet")


LIBRARIES = {
    "openai chat": "chat",
    "openai responses": "responses",
    "anthropic": "messages",
    "ai openai chat": "chat",
    "ai openai responses": "responses",
    "ai openai-compatible": "chat",
    "ai anthropic": "messages",
    "langchain openai": "chat",
    "langchain anthropic": "messages",
}


# For Python.
LOOPS = {
    "openai chat": "chat",
    "openai responses": "responses",
    "anthropic": "messages",
    "langchain openai": "chat",
    "langchain openai responses": "responses",
    "langchain anthropic": "messages",
}


def looped(world, model, printed):
    """Two calls in one turn, streamed, and an answer that comes in pieces."""
    found = json.loads(printed)
    assert sorted(found["asked"]) == ["Oslo", "Rome"]
    assert found["text"].endswith("Done.") and found["pieces"] > 3
    assert len(world.requests(model)) == 2


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("client", LIBRARIES)
def test_library(world, home, client, model):
    needs(world, LIBRARIES[client])
    shutil.copy(HERE / "loops.mjs", PLACE / "loops.mjs")
    looped(world, model, run(home, ["node", PLACE / "loops.mjs", client, world.base, model]))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("client", LOOPS)
def test_python(world, home, client, model):
    needs(world, LOOPS[client])
    looped(world, model, run(home, [PLACE / "venv" / "bin" / "python", HERE / "loops.py", client, world.base, model]))


@pytest.mark.parametrize("model", MODELS)
def test_llm(world, home, model):
    """`llm`, from the shell, with a function of the user's own."""
    entry = {"model_id": "sb", "model_name": model, "api_base": f"{world.base}/v1", "supports_tools": True}
    (home / "extra-openai-models.yaml").write_text(json.dumps([entry]))
    function = "def get_weather(city: str) -> str:\n    open('asked', 'a').write(city)\n    return '4 degrees'\n"
    line = 'call get_weather {"city": "Oslo"}'
    env = {"LLM_USER_PATH": str(home), "OPENAI_API_KEY": "k"}
    said = run(home, [PLACE / "venv" / "bin" / "llm", "-m", "sb", "--functions", function, line], **env)
    assert (home / "work" / "asked").read_text() == "Oslo"
    assert said.strip().endswith("Done.")


WRITES = "I write it.\n\nproof.txt\n```\nmade\n```\n"


@pytest.mark.parametrize("model", MODELS)
def test_aider(home, tmp_path, model):
    """It has no tools: the model writes a file within its text, in pieces."""
    pieces = [WRITES[at : at + 7] for at in range(0, len(WRITES), 7)]
    if model == "claude":
        upstream = Provider(anthropic_wire.streamed({"type": "text", "text": WRITES}))
        entry = deployment(model, upstream, "anthropic/claude-haiku-4-5")
    else:
        said = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in pieces)]
        upstream = Provider(stream(*said, chunk({}, "stop"), DONE))
        entry = deployment(model, upstream)
    gateway = Gateway(tmp_path, [entry], alone=True)
    try:
        options = ["--no-git", "--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings", "--no-pretty", "--map-tokens=0"]
        at = ["--model", f"openai/{model}", "--openai-api-base", f"{gateway.base}/v1", "--openai-api-key", "k", "--edit-format", "whole"]
        # It asks for a newer list of prices at its start, and waits.
        run(home, [AIDER, *at, *options, "--message", "Make proof.txt."], seconds=120, LITELLM_LOCAL_MODEL_COST_MAP="True")
    finally:
        gateway.close()
        upstream.close()
    assert (home / "work" / "proof.txt").read_text() == "made\n"
    assert len(upstream.requests) == 1 and "Make proof.txt." in upstream.requests[0].body.decode()


def proved(world, home, model, said):
    """The agent ran the command that the model asked for, and told the end."""
    assert (home / "work" / "proof.txt").read_text().strip() == "made"
    requests = [request for request in world.requests(model) if "proof.txt" in json.dumps(request["body"])]
    assert len(requests) >= 2, "the call, and its result"
    assert "Done." in said


BASH = 'call bash {"command": "echo made > proof.txt", "description": "makes a file"}'


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dialect", PATHS)
def test_opencode(world, home, dialect, model):
    needs(world, dialect)
    package = {"chat": "@ai-sdk/openai-compatible", "messages": "@ai-sdk/anthropic", "responses": "@ai-sdk/openai"}[dialect]
    options = {"baseURL": f"{world.base}/v1", "apiKey": "k"}
    models = {name: {} for name in MODELS}
    settings = {"provider": {"sb": {"npm": package, "options": options, "models": models}}, "model": f"sb/{model}", "small_model": f"sb/{model}", "autoupdate": False, "share": "disabled", "permission": "allow"}
    (home / "work" / "opencode.json").write_text(json.dumps(settings))
    # An argument with a space in it would reach the model in quotes.
    said = run(home, [BIN / "opencode", "run", "--model", f"sb/{model}", *f"Run this:\n{BASH}".split(" ")], seconds=120)
    proved(world, home, model, said)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dialect", PATHS)
def test_pi(world, home, dialect, model):
    needs(world, dialect)
    api = {"chat": "openai-completions", "messages": "anthropic-messages", "responses": "openai-responses"}[dialect]
    base = world.base if dialect == "messages" else f"{world.base}/v1"
    provider = {"baseUrl": base, "api": api, "apiKey": "k", "models": [{"id": name} for name in MODELS]}
    (home / ".pi" / "agent").mkdir(parents=True)
    (home / ".pi" / "agent" / "models.json").write_text(json.dumps({"providers": {"sb": provider}}))
    said = run(home, [BIN / "pi", "--provider", "sb", "--model", model, "-p", f"Run this:\n{BASH}"])
    proved(world, home, model, said)


@pytest.mark.parametrize("model", MODELS)
def test_codex(world, home, model):
    needs(world, "responses")
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        f'model = "{model}"\nmodel_provider = "sb"\n[model_providers.sb]\nname = "sb"\nbase_url = "{world.base}/v1"\nenv_key = "SB_KEY"\nwire_api = "responses"\n'
    )
    line = 'call exec_command {"cmd": "echo made > proof.txt"}'
    command = [BIN / "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", f"Run this:\n{line}"]
    proved(world, home, model, run(home, command, SB_KEY="k"))


@pytest.mark.parametrize("model", MODELS)
def test_claude_code(world, home, model):
    line = 'call Bash {"command": "echo made > proof.txt", "description": "makes a file"}'
    env = {"ANTHROPIC_BASE_URL": world.base, "ANTHROPIC_API_KEY": "k", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    said = run(home, [BIN / "claude", "-p", f"Run this:\n{line}", "--model", model, "--allowedTools", "Bash"], seconds=120, **env)
    proved(world, home, model, said)


@pytest.mark.parametrize("model", MODELS)
def test_qwen_code(world, home, model):
    line = 'call run_shell_command {"command": "echo made > proof.txt", "description": "makes a file", "is_background": false}'
    env = {"OPENAI_BASE_URL": f"{world.base}/v1", "OPENAI_API_KEY": "k", "OPENAI_MODEL": model}
    proved(world, home, model, run(home, [BIN / "qwen", "--yolo", "-p", f"Run this:\n{line}"], seconds=120, **env))


@pytest.mark.parametrize("model", MODELS)
def test_cline(world, home, model):
    """It takes another address for OpenAI's dialect alone."""
    run(home, [BIN / "cline", "auth", "-p", "openai", "-k", "k", "-m", model, "-b", f"{world.base}/v1"])
    line = 'call run_commands {"commands": ["echo made > proof.txt"]}'
    command = [BIN / "cline", "-P", "openai", "-m", model, "-t", "100", f"Run this:\n{line}"]
    proved(world, home, model, run(home, command, seconds=120))
