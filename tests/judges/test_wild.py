"""Configurations in the shape of published ones (tests/golden/config/wild; names, hosts and keys replaced), with all their variables set.

`signalbox check` accepts each but those of REFUSED. Envoy accepts what `signalbox envoy` makes of it, each deployment goes to the host where
LiteLLM's own Router sends it, by the same model's name, and what is left out LiteLLM leaves out too, or `docs/litellm.md` names the limit.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import litellm_hosts
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))
ENVOY = ROOT / ".envoy" / (ROOT / "envoy" / "VERSION").read_text().strip() / "envoy"
WASM = ROOT / "dist" / "signalbox.wasm"
FILES = sorted((ROOT / "tests" / "golden" / "config" / "wild").glob("*.yaml"))

# Why, in the words of `check`. LiteLLM has nothing to ask in the first two either, and does not start with the third.
REFUSED = {
    "W0030": "does not say which provider runs it",
    "W0031": "does not say which provider runs it",
    "W0055": "unknown strategy",
    "W0077": "no credential is named",
    "W0078": "no credential is named",
}
# Entries that are left out where others remain: limits that docs/litellm.md names. All others LiteLLM must leave out too.
LIMITS = ("does not support yet", "no credential is named", "unknown automatic router", "automatic routers are not supported", "names no model")


def environment(text):
    """Every variable that a file names, with a value that fits."""

    def value(name):
        if re.search("BASE|URL|HOST|ENDPOINT", name):
            return f"https://{name.lower().replace('_', '-')}.example/v1"
        if "REGION" in name:
            return "us-east-1"
        return f"openai/{name.lower()}" if re.search("MODEL|BACKEND", name) else name

    return {name: value(name) for name in re.findall(r"(?:os\.environ/|\$\{)([A-Za-z0-9_]+)", text)}


def checked(file, env, *options):
    said = subprocess.run([BINARY, "check", "--json", file, *options], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True)
    return json.loads(said.stdout)


def errors(said):
    return [one["problem"] for one in said["diagnostics"] if one["severity"] == "error"]


@pytest.mark.parametrize("options", [(), ("--no-env",)], ids=["all variables set", "no environment"])
def test_what_is_refused_is_in_the_table(options):
    refused = {}
    for file in FILES:
        said = checked(file, environment(file.read_text()), *options)
        if not said["ok"]:
            refused[file.stem] = errors(said)
    # Until it is here: some have nothing else.
    refused = {name: found for name, found in refused.items() if not any("`bedrock` is one of LiteLLM's that" in problem for problem in found)}
    causes = collections.Counter(cause for found in refused.values() for cause in set(found))
    assert set(refused) == set(REFUSED), causes.most_common()
    assert all(any(REFUSED[name] in problem for problem in found) for name, found in refused.items()), refused


ACCEPTED = [file for file in FILES if file.stem not in REFUSED]


def deployments_of(config):
    """The entries of a configuration that are deployments, each with its place."""
    is_router = lambda entry: str(entry["litellm_params"].get("model", "")).startswith("auto_router/")  # noqa: E731
    return [(index, entry) for index, entry in enumerate(config["model_list"]) if not is_router(entry)]


def asked_by_litellm(config, env):
    """What LiteLLM's Router sends for each entry, by the entry's place: each under a name of its own."""
    entries = [{**entry, "model_name": f"entry-{index}"} for index, entry in deployments_of(config) if "*" not in entry["litellm_params"].get("model", "*")]
    settings = {name: value for name, value in (config.get("litellm_settings") or {}).items() if name in ("api_base", "api_key", "api_version", "headers")}
    only = {key: config[key] for key in ("environment_variables", "credential_list") if config.get(key)}
    if not entries:
        return {}
    found = litellm_hosts.destinations({"model_list": entries, "litellm_settings": settings, **only}, env)
    return {int(name.removeprefix("entry-")): request for name, request in found.items()}


@pytest.mark.parametrize("file", ACCEPTED, ids=lambda file: file.stem)
def test_each_deployment_is_where_litellm_has_it(file):
    config, env = yaml.safe_load(file.read_text()), environment(file.read_text())
    said = checked(file, env)
    if not said["ok"]:
        assert any("`bedrock` is one of LiteLLM's that" in problem for problem in errors(said)), errors(said)
        return
    left_out = {}
    for one in said["diagnostics"]:
        for place in one["places"]:
            if "is left out" in one["remedy"] and (index := re.match(r"model_list\[(\d+)\]", place["path"])):
                left_out[int(index[1])] = one["problem"]
    ours = collections.defaultdict(list)
    for one in said["summary"]["deployments"]:
        ours[one["group"]].append(one)
    wrong = []
    for index, theirs in asked_by_litellm(config, env).items():
        entry = config["model_list"][index]
        if index in left_out:
            if theirs and not any(limit in left_out[index] for limit in LIMITS):
                wrong.append(f"{entry} is left out, and LiteLLM asks {theirs['url']}")
            continue
        if not theirs:
            # LiteLLM asks nobody: it lacks a library, a login or a key.
            continue
        host = urllib.parse.urlsplit(theirs["url"]).netloc
        said_by_them = urllib.parse.unquote(theirs["url"]) + theirs["body"]
        name = entry["model_name"]
        mine = ours[env[name.removeprefix("os.environ/")] if name.startswith("os.environ/") else name]
        fits = [one for one in mine if urllib.parse.urlsplit(one["chat_url"]).netloc == host and one["sends"]["model"] in said_by_them]
        if not fits:
            wrong.append(f"{theirs['url']} instead of {[(one['chat_url'], one['sends']['model']) for one in mine]}")
    assert not wrong, "\n".join(wrong)


def differing():
    """Some of them that have every provider among them: Envoy takes seconds for each."""
    seen, some = set(), []
    for file in ACCEPTED:
        entries = [entry["litellm_params"].get("model", "").split("/")[0] for entry in yaml.safe_load(file.read_text())["model_list"]]
        if set(entries) - seen:
            some.append(file)
            seen |= set(entries)
    return some


@pytest.mark.parametrize("file", differing(), ids=lambda file: file.stem)
def test_envoy_accepts_it(file, tmp_path):
    env = {"PATH": os.environ["PATH"], **environment(file.read_text())}
    if not checked(file, env)["ok"]:
        return
    # A guard that is not enforced is only a warning on loopback, which is where it listens.
    bootstrap = tmp_path / "envoy.yaml"
    subprocess.run([BINARY, "envoy", file, "-o", bootstrap, "--wasm", WASM], check=True, capture_output=True, env=env)
    # A key that stands in the file goes into a variable of its deployment's.
    named = re.findall(r"environment_variable: (\w+)", bootstrap.read_text())
    keys = {name: "sk-test" for name in [one["name"] for one in checked(file, env)["summary"]["environment"]] + named}
    done = subprocess.run([ENVOY, "--mode", "validate", "-c", bootstrap], capture_output=True, text=True, env=os.environ | keys | env)
    assert done.returncode == 0, done.stderr[-2000:]
