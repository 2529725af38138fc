"""Nothing goes where LiteLLM would not send it: every way to name a host with every way to name a key, for every provider.

Ours is what `signalbox check` says of each deployment, LiteLLM's is the request that its Router makes. The value of each variable is its
own name, so that a key tells where it came from. Of hosts none may differ; of keys, ours may be missing where only the entry or
`litellm_settings` names the host (docs/litellm.md), never another.
"""

import csv
import itertools
import json
import os
import pathlib
import re
import subprocess

import litellm_hosts
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))



def listed():
    """The rows of data/providers.csv that say which model LiteLLM is asked for."""
    text = (ROOT / "data" / "providers.csv").read_text().splitlines()
    return {row["name"]: row for row in csv.DictReader(line for line in text if not line.startswith("#")) if row["probe"]}


LISTED = listed()


# An account that is a part of the host.
ACCOUNT = re.compile(r"\{(\w+)\}")


def variables(cell):
    return [name for name in cell.split() if not name.startswith("setting:")]


def last(cell):
    """The last variable that LiteLLM looks at: all others are tried over it."""
    return (variables(cell) or [None])[-1]


# The variables of the base and of the key, of those with something of their own and of some others; and of all others.
SOME = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_KEY"),
    "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_API_KEY"),
    "fireworks_ai": ("FIREWORKS_API_BASE", "FIREWORKS_AI_API_KEY"),
    "hosted_vllm": ("HOSTED_VLLM_API_BASE", "HOSTED_VLLM_API_KEY"),
    "azure": ("AZURE_API_BASE", "AZURE_API_KEY"),
    "azure_ai": ("AZURE_AI_API_BASE", "AZURE_AI_API_KEY"),
    **{name: (last(LISTED[name]["base_from"]), last(LISTED[name]["key_from"])) for name in ("featherless_ai", "groq", "together_ai", "deepseek", "xai", "openrouter")},
}
OTHERS = {name: (last(row["base_from"]), last(row["key_from"])) for name, row in LISTED.items() if name not in SOME}
PROVIDERS = SOME | OTHERS
# Where the base URL has to be written.
HOMELESS = {"hosted_vllm", "azure", "azure_ai"} | {name for name, row in LISTED.items() if not row["api_base"]}
OTHER_BASES = {"OPENAI_API_BASE": "openai", "ANTHROPIC_BASE_URL": "anthropic", "FEATHERLESS_AI_API_BASE": "featherless_ai"}
# What LiteLLM puts where it has no key.
NO_KEY = {"fake-api-key", "sk-no-key-required"}


def configuration(bases, keys, providers):
    """A configuration with one deployment a provider, and its environment. `bases` and `keys` are ways to name a host and a key."""
    config, env = {"model_list": [], "litellm_settings": {}, "environment_variables": {}}, {}
    shared = {}
    for provider, (base_variable, key_variable) in providers.items():
        params = {"model": f"{provider}/some-model"}
        for way in bases:
            url = f"http://{way.replace('_', '-')}.{provider.replace('_', '-')}.test/v1".lower()
            match way:
                case "api_base" | "base_url":
                    params[way] = url
                case "reference":
                    params["api_base"], env[f"{provider.upper()}_HERE"] = f"os.environ/{provider.upper()}_HERE", url
                case "credential":
                    shared.setdefault(provider, {})["api_base"] = url
                case "variable" if base_variable:
                    env[base_variable] = url
                case "in_file" if base_variable:
                    config["environment_variables"][base_variable] = url
                case "other_variable":
                    env |= {name: url for name, whose in OTHER_BASES.items() if whose == provider}
                case "settings":
                    config["litellm_settings"]["api_base"] = "http://settings.test/v1"
                case "own":
                    params |= OWN.get(provider, {})
        if key_variable:
            env[key_variable] = key_variable
        env |= {name: "some-account" for name in ACCOUNT.findall(LISTED.get(provider, {}).get("api_base", ""))}
        for way in keys:
            match way:
                case "api_key":
                    params["api_key"], env["MINE"] = "os.environ/MINE", "MINE"
                case "credential":
                    shared.setdefault(provider, {})["api_key"] = "os.environ/SHARED"
                    env["SHARED"] = "SHARED"
                case "settings":
                    config["litellm_settings"]["api_key"], env["GLOBAL"] = "os.environ/GLOBAL", "GLOBAL"
                case "settings_of_provider":
                    for name in ("openai", "anthropic", "groq", "openrouter", "xai"):
                        config["litellm_settings"][f"{name}_key"] = f"os.environ/{name.upper()}_SET"
                        env[f"{name.upper()}_SET"] = f"{name.upper()}_SET"
                case "in_file" if key_variable:
                    config["environment_variables"][key_variable] = f"os.environ/{key_variable}_IN_FILE"
                    env[f"{key_variable}_IN_FILE"] = f"{key_variable}_IN_FILE"
        if provider in shared:
            params["litellm_credential_name"] = provider
        config["model_list"].append({"model_name": provider, "litellm_params": params})
    config["credential_list"] = [{"credential_name": name, "credential_values": values} for name, values in shared.items()]
    # Those without a host of their own are asked where something that counts for them names one.
    if not any(way in bases for way in ("api_base", "base_url", "reference", "credential")):
        base_of = {name: base for name, (base, _) in providers.items()}
        by_variable = any(way in bases for way in ("variable", "in_file"))
        by_setting = {"hosted_vllm", "azure", "azure_ai", *(name for name, row in LISTED.items() if "setting:api_base" in row["base_from"])}
        has_host = lambda name: name not in HOMELESS or by_variable and base_of[name] or "settings" in bases and name in by_setting  # noqa: E731
        config["model_list"] = [entry for entry in config["model_list"] if has_host(entry["model_name"])]
    return config, env


OWN = {
    "openai": {"api_base": "https://api.openai.com/v1"},
    "groq": {"api_base": "https://api.groq.com/openai/v1/"},
    "anthropic": {"api_base": "https://api.anthropic.com"},
}
UNASKED = {"azure", "snowflake"}
BASES = [(), ("api_base",), ("base_url",), ("reference",), ("credential",), ("variable",), ("in_file",), ("other_variable",), ("settings",), ("own",)]
SEVERAL = [("api_base", "variable", "settings"), ("base_url", "credential"), ("variable", "in_file"), ("variable", "settings"), ("credential", "api_base")]
KEYS = [(), ("api_key",), ("credential",), ("settings",), ("settings_of_provider",), ("in_file",), ("settings", "settings_of_provider"), ("api_key", "credential", "settings")]


def ours(config, env, folder):
    file = folder / "config.yaml"
    file.write_text(json.dumps(config))
    environment = {"PATH": os.environ["PATH"], **env}
    done = subprocess.run([BINARY, "check", "--json", file], env=environment, capture_output=True, text=True)
    said = json.loads(done.stdout)
    assert said["ok"], [one["problem"] for one in said["diagnostics"] if one["severity"] == "error"]
    return {one["group"]: one for one in said["summary"]["deployments"]}


# LiteLLM puts a version behind the version that is there.
TWICE = {"anthropic": "/v1/v1/messages", "heroku": "/v1/v1/chat/completions"}


def compared(theirs, deployment):
    """What is wrong with a deployment of ours, given LiteLLM's request; empty: nothing."""
    provider = deployment["provider"]
    # C11: the path of Anthropic's API begins with the version that many write with the host.
    twice = TWICE.get(provider, "/v1/v1/")
    url = theirs["url"].replace(twice, twice.removeprefix("/v1")) if provider in TWICE else theirs["url"]
    mine = deployment["chat_url"]
    if mine != url:
        return [f"{provider}: {mine} instead of {url}"]
    keys = {key for key in theirs["keys"] if key not in NO_KEY}
    key = deployment["key_variable"]
    if key is not None and {key} != keys:
        return [f"{provider}: the key {key} instead of {keys} goes to {mine}"]
    if key is not None and deployment["key_header"] not in theirs["headers"]:
        return [f"{provider}: the key does not go in {deployment['key_header']}"]
    return []


CASES = [(bases, keys, SOME) for bases, keys in [*itertools.product(BASES, KEYS), *itertools.product(SEVERAL, KEYS[:3])]]
CASES += [(bases, keys, OTHERS) for bases, keys in [*((bases, ()) for bases in BASES), *(((), keys) for keys in KEYS[1:])]]


@pytest.mark.parametrize(("bases", "keys", "providers"), CASES, ids=lambda ways: "" if isinstance(ways, dict) else "+".join(ways) or "none")
def test_a_host_is_litellms_and_a_key_is_litellms_or_none(bases, keys, providers, tmp_path):
    config, env = configuration(bases, keys, providers)
    theirs, mine = litellm_hosts.destinations(config, env), ours(config, env, tmp_path)
    sent = {name: request for name, request in theirs.items() if request}
    unasked = {entry["model_name"] for entry in config["model_list"]} - set(sent)
    # They make no request without a key, and take none that `litellm_settings` names for others.
    assert unasked <= UNASKED, unasked
    wrong = [one for name, request in sent.items() for one in compared(request, mine[name])]
    assert not wrong, "\n".join(wrong)
    # Where LiteLLM has a key and nobody but the provider's own names decide, ours is there too.
    if bases in ((), ("own",), ("variable",)) or "api_key" in keys:
        has_key = lambda name: any(key not in NO_KEY for key in sent[name]["keys"])  # noqa: E731
        lost = [name for name in sent if name not in HOMELESS and has_key(name) and mine[name]["key_variable"] is None]
        assert not lost, lost


@pytest.mark.parametrize("name", ["01-base_url", "02-credential", "03-environment"])
def test_published_configurations_go_where_litellm_sends_them(name, tmp_path):
    import yaml

    config = yaml.safe_load((ROOT / "tests" / "golden" / "config" / "faults" / f"{name}.yaml").read_text())
    env = {"HOUSE_KEY": "HOUSE_KEY", "OPENAI_API_KEY": "OPENAI_API_KEY"}
    theirs, mine = litellm_hosts.destinations(config, env), ours(config, env, tmp_path)
    assert theirs and all(theirs.values())
    assert [one for group, request in theirs.items() for one in compared(request, mine[group])] == []


THINKING = {"type": "enabled", "budget_tokens": 2048}
# What entries say.
BROUGHT = [
    {"model": "openai/gpt-4o", "temperature": 0.1, "max_tokens": 7, "seed": 3},
    {"model": "openai/gpt-4o", "extra_body": {"top_k": 5}, "additional_drop_params": ["seed"], "seed": 3},
    {"model": "openai/gpt-4o", "extra_body": {"seed": 5}, "additional_drop_params": ["seed", "extra_body"]},
    {"model": "openai/gpt-4o", "stream_options": {"include_usage": True}},
    {"model": "openai/gpt-4o", "organization": "o", "extra_headers": {"x-a": "1"}, "headers": {"x-b": "2", "x-a": "3"}},
    {"model": "groq/llama", "organization": "o", "headers": {}},
    {"model": "anthropic/claude-sonnet-4-5", "extra_headers": {"x-a": "1"}, "thinking": THINKING},
    {"model": "anthropic/claude-sonnet-4-5", "top_k": 5, "cache_control": {"type": "ephemeral"}, "max_tokens": 99},
    *({"model": f"fireworks_ai/{name}"} for name in ("x", "x-fast", "auto", "routers/x", "models/x", "a#b", "fireworks_ai/x", "accounts/me/models/x", "FW-x")),
    *({"model": f"{provider}/{provider}/x"} for provider in SOME if provider not in HOMELESS),
]
ACCOUNTS = [
    {},
    {"litellm_settings": {"headers": {"x-c": "4", "x-a": "5"}}},
    {"litellm_settings": {"organization": "of-all"}},
    {"env": {"OPENAI_ORGANIZATION": "OPENAI_ORGANIZATION", "OPENAI_PROJECT_ID": "OPENAI_PROJECT_ID"}},
    {"env": {"OPENAI_ORG_ID": "OPENAI_ORG_ID"}},
]
# The connection's, the SDK's, the key's, and what LiteLLM says of itself.
# OpenRouter is asked for its own sums by LiteLLM; accounts at OpenAI are no business of Featherless.
NOT_SENT = {"openrouter": {"usage"}, "featherless_ai": {"openai-organization", "openai-project"}}
NOT_OF_ENTRIES = {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent", "authorization", "x-api-key", "anthropic-version", "http-referer", "x-title"}


@pytest.mark.parametrize("common", ACCOUNTS, ids=json.dumps)
def test_a_deployment_brings_what_it_brings_in_litellm(common, tmp_path):
    entries = [{"model_name": f"m{index}", "litellm_params": {"api_key": "k", **params}} for index, params in enumerate(BROUGHT)]
    config = {"model_list": entries, "litellm_settings": common.get("litellm_settings", {})}
    env = common.get("env", {})
    theirs, mine = litellm_hosts.destinations(config, env), ours(config, env, tmp_path)
    for name, request in theirs.items():
        sends = mine[name]["sends"]
        ignored = {"messages", "stream", *NOT_SENT.get(mine[name]["provider"], ())}
        body = {key: value for key, value in json.loads(request["body"]).items() if key not in ignored}
        limit = {} if "max_tokens" in sends["parameters"] else {"max_tokens": body.get("max_tokens")}
        wanted = {"model": sends["model"], **sends["parameters"], **sends["extra_body"], **(limit if mine[name]["provider"] == "anthropic" else {})}
        wanted = {key: value for key, value in wanted.items() if key not in ("stream_options", *sends["never"])}
        assert body == wanted, name
        headers = {key for key in request["headers"] if key not in NOT_OF_ENTRIES | ignored and not key.startswith("x-stainless-")}
        assert headers == set(sends["headers"]), (name, entries[int(name[1:])])
