"""A model's name without a provider has the provider that LiteLLM infers, for every name that LiteLLM knows.

Ours is what `signalbox check` says of a deployment of that name: its provider, or, where that is not served here, whose name it says it is.
"""

import json
import os
import pathlib
import re
import subprocess

import litellm_oracle  # noqa: F401 (no socket, no log)
import litellm

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))

# No names of LiteLLM's map: what its rules for names that are newer make of them, and what belongs to nobody.
OTHERS = {
    "claude-newfamily-9-1",
    "claude-newfamily-9-20990101",
    "anthropic.claude-newfamily-9-v1:0",
    "us-gov.anthropic.claude-newfamily-9-v1:0",
    "anthropic.other-9",
    "us.amazon.nova-newer-v9:0",
    "gpt-image-9",
    "ft:gpt-4o-mini:mine",
    "llama2",
    "qwen-max",
    "name",
}
# What OpenAI calls completions is another provider to LiteLLM, at the same host; the second name is Bedrock's in LiteLLM's older words.
SAME = {"text-completion-openai": "openai", "bedrock_converse": "bedrock", "anthropic_text": "anthropic"}
BASE = "http://host.test/v1"


def theirs(name):
    try:
        provider = litellm.get_llm_provider(name, api_base=BASE)[1]
    except litellm.exceptions.BadRequestError:
        return None
    return SAME.get(provider, provider)


def ours(names, folder):
    entries = [{"model_name": f"m{index}", "litellm_params": {"model": name, "api_base": BASE, "api_key": "k"}} for index, name in enumerate(names)]
    file = folder / "config.json"
    file.write_text(json.dumps({"model_list": entries}))
    said = json.loads(subprocess.run([BINARY, "check", "--json", file], env={}, capture_output=True, text=True).stdout)
    assert said["ok"], [one["problem"] for one in said["diagnostics"] if one["severity"] == "error"]
    found = {names[int(one["group"][1:])]: SAME.get(one["provider"], one["provider"]) for one in said["summary"]["deployments"]}
    for one in said["diagnostics"]:
        known = re.match(r"LiteLLM takes `[^`]+` for ([\w-]+), a provider", one["problem"])
        for place in one["places"]:
            index = re.match(r"model_list\[(\d+)\]\.litellm_params\.model$", place["path"])
            if index and known:
                found.setdefault(names[int(index[1])], known[1])
    return found


def test_a_name_without_a_provider_has_litellms(tmp_path):
    names = sorted({name for name in [*litellm.model_cost, *litellm.model_list] if "/" not in name and name != "sample_spec"} | OTHERS)
    assert len(names) > 500
    mine = ours(names, tmp_path)
    wrong = {name: (mine.get(name), theirs(name)) for name in names if mine.get(name) != theirs(name)}
    assert not wrong, wrong


def test_what_a_model_is_for_is_litellms():
    """`data/names.csv` is what LiteLLM's map says today, so that `make names` would change nothing."""
    before = (ROOT / "data" / "names.csv").read_text()
    import importlib.util

    spec = importlib.util.spec_from_file_location("models", ROOT / "tools" / "models.py")
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    assert models.names_text() == before
