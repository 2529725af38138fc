"""LiteLLM as the judge of prices: what a request costs, and which model a name means.

The binary is the judged one: `SIGNALBOX_BIN`, or target/debug/signalbox. Every difference is listed with its reason; an unlisted one
fails, and so does a listed one that no longer occurs. Where LiteLLM's map is newer than data/models.csv, `make models` brings them together.
"""

import csv
import json
import os
import pathlib
import re
import subprocess

import litellm_oracle  # noqa: F401  (the bundled price map, no socket)
import litellm
import pytest
from litellm.types.utils import PromptTokensDetailsWrapper, Usage

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))

# Prompt tokens, of these cached, of these written to the cache, tokens of the answer. The last three are long prompts for some models.
USAGES = [
    (1000, 0, 0, 0),
    (1234, 0, 0, 567),
    (4096, 1024, 0, 33),
    (4096, 0, 2048, 33),
    (9000, 3000, 2000, 1000),
    (1, 0, 0, 1),
    (200_000, 0, 0, 1000),
    (272_001, 100_000, 0, 5000),
    (500_000, 100_000, 50_000, 5000),
]

COST_DIFFERENCES = {
    "anthropic/claude-3-haiku": "LiteLLM has it at Vertex alone, without cache prices; Anthropic's are 0.03 and 0.30",
}
# LiteLLM knows DeepSeek's cheaper hours. The table has no clock, and tells the dearer price.
OFF_PEAK = {f"deepseek/{model}" for model in ("deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro")}


def signalbox(*args, exit_code=0):
    done = subprocess.run([BINARY, "models", *args], capture_output=True, timeout=30)
    assert done.returncode == exit_code, done.stderr.decode()
    return json.loads(done.stdout) if "--json" in args and exit_code == 0 else done.stdout.decode()


def ours(usage, *name):
    flags = zip(("--input", "--cached", "--written", "--output"), map(str, usage), strict=True)
    return signalbox(*name, "--json", *(word for flag in flags for word in flag))["models"]


def theirs(key, usage):
    prompt, cached, written, completion = usage
    counts = Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptTokensDetailsWrapper(cached_tokens=cached, cache_creation_tokens=written),
        cache_read_input_tokens=cached,
        cache_creation_input_tokens=written,
    )
    entry = litellm.model_cost[key]
    provider = entry["litellm_provider"].split("-")[0] if entry["litellm_provider"].startswith("vertex") else entry["litellm_provider"]
    return sum(litellm.cost_per_token(model=key, custom_llm_provider=provider, usage_object=counts))


def agree(one, other):
    return one == pytest.approx(other, rel=1e-9, abs=1e-12)


def sources():
    lines = (ROOT / "data" / "models.csv").read_text().splitlines()
    return {f"{row['provider']}/{row['model']}": row["source"] for row in csv.DictReader(line for line in lines if line[0] != "#")}


def test_costs_are_litellms():
    names, differing, compared = sources(), {}, 0
    for usage in USAGES:
        for model in ours(usage):
            name = f"{model['provider']}/{model['model']}"
            if not names[name] or names[name] not in litellm.model_cost:
                continue
            compared += 1
            expected = theirs(names[name], usage)
            if not agree(model["cost"], expected):
                differing.setdefault(name, []).append((usage, model["cost"], expected))
    assert compared > 2500
    cheaper_now = {name: differing.pop(name) for name in OFF_PEAK if name in differing}
    assert all(mine > expected for found in cheaper_now.values() for _, mine, expected in found), cheaper_now
    # They show at some hours only: what must be true at all hours is that LiteLLM still has them.
    assert all(litellm.model_cost[names[name]].get("off_peak_pricing") for name in OFF_PEAK)
    assert set(differing) == set(COST_DIFFERENCES), differing


# --- Names ----------------------------------------------------------------------------------------------------------------

PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "azure": "azure",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "vertex_ai-anthropic_models": "vertex_ai",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "xai": "xai",
    "groq": "groq",
    "together_ai": "together_ai",
    "fireworks_ai": "fireworks_ai",
}

# Names for which another price is found than LiteLLM has, as patterns, and why.
NAME_DIFFERENCES = {
    r"bedrock/[a-z]+-[a-z]+-\d/(deepseek|qwen|mistral|minimax|moonshotai|nvidia)\..*": "dearer in some regions outside the US; a price in the configuration tells",
    r"bedrock/anthropic\.claude-3-7-sonnet-20240620-v1:0": "LiteLLM's date is a slip, and its price that of us-gov",
}


def named():
    """LiteLLM's names as they stand in a configuration, with their key in the map."""
    for key, entry in litellm.model_cost.items():
        provider = PROVIDERS.get(entry.get("litellm_provider"))
        priced = entry.get("mode") == "chat" and entry.get("input_cost_per_token") is not None
        if provider and priced and "off_peak_pricing" not in entry:
            yield (key if key.startswith(f"{provider}/") else f"{provider}/{key}"), key


def test_names_find_the_price_that_litellm_has():
    usage = (1000, 0, 0, 1000)
    found, differing = 0, {}
    for name, key in named():
        done = subprocess.run(
            [BINARY, "models", name, "--json", "--input", "1000", "--output", "1000"], capture_output=True, timeout=30
        )
        models = json.loads(done.stdout)["models"] if done.returncode == 0 else []
        if len(models) != 1:
            continue
        found += 1
        expected = theirs(key, usage)
        if not agree(models[0]["cost"], expected):
            differing[name] = (f"{models[0]['provider']}/{models[0]['model']}", models[0]["cost"], expected)
    assert found > 500
    unlisted = {name: found for name, found in differing.items() if not any(re.fullmatch(p, name) for p in NAME_DIFFERENCES)}
    assert not unlisted
    assert all(any(re.fullmatch(pattern, name) for name in differing) for pattern in NAME_DIFFERENCES)


def test_litellm_has_no_price_where_we_have_one():
    # The trap that cost-based routing falls into: a name with its provider, as people write it, is not in the map.
    for name in ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "azure/gpt-35-turbo-0125", "openrouter/anthropic/claude-sonnet-4.5"):
        assert name not in litellm.model_cost
    assert agree(ours((1000, 0, 0, 1000), "openai/gpt-4o")[0]["cost"], theirs("gpt-4o", (1000, 0, 0, 1000)))
    assert "nothing is known" not in signalbox("openrouter/anthropic/claude-sonnet-4.5")


# --- The table ------------------------------------------------------------------------------------------------------------


def test_the_table_says_what_its_source_says():
    lines = (ROOT / "data" / "models.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if line[0] != "#"))
    listed = signalbox("--json")
    assert listed["made_from"] in lines[0]
    assert [(row["provider"], row["model"]) for row in rows] == [(model["provider"], model["model"]) for model in listed["models"]]
    words = {"tools": "function_calling", "parallel_tools": "parallel_function_calling", "audio": "audio_input", "pdf": "pdf_input"}
    words["json_schema"] = "response_schema"
    for row, model in zip(rows, listed["models"], strict=True):
        known = {f"supports_{words.get(w.removeprefix('-'), w.removeprefix('-'))}": w[0] != "-" for w in row["capabilities"].split()}
        assert model["capabilities"] == known, row
        assert str(model["max_input_tokens"] or "") == row["max_input"]
        assert str(model["max_output_tokens"] or "") == row["max_output"]
        assert agree(model["price"]["input_cost_per_token"] * 1e6, float(row["input"])), row
        assert str(model["price"].get("long_prompts_from_tokens", "")) == row["long_from"]
