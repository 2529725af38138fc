"""What users copy and operators run: the pinned Envoy accepts it, and it names what there is."""

import json
import os
import re
import subprocess
import urllib.request

import pytest
import yaml
from gateway import ENVOY, ROOT, SIGNALBOX, WASM, deployment
from provider import error

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml")) + [ROOT / "demo" / "config.yaml"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_envoy_accepts_what_is_made_of_an_example(example, tmp_path):
    checked = subprocess.run([SIGNALBOX, "check", example, "--json", "--no-env", "--strict"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    bootstrap = tmp_path / "envoy.yaml"
    subprocess.run([SIGNALBOX, "envoy", example, "-o", bootstrap, "--wasm", WASM], check=True, capture_output=True)
    keys = {variable["name"]: "sk-test" for variable in json.loads(checked.stdout)["summary"]["environment"]}
    validated = subprocess.run([ENVOY, "--mode", "validate", "-c", bootstrap], capture_output=True, text=True, env=os.environ | keys)
    assert validated.returncode == 0, validated.stderr[-4000:]


def expressions(node):
    """What `expr` says anywhere in a document."""
    if isinstance(node, list):
        return [found for value in node for found in expressions(value)]
    if not isinstance(node, dict):
        return []
    return [node[key] for key in node if key == "expr"] + expressions(list(node.values()))


def read_by(document):
    """The metrics that the expressions of a document read, and the labels that they name."""
    text = "\n".join(expressions(document))
    metrics = re.findall(r"\b(?:envoy|signalbox)_\w+(?=[\[{ ])", text)
    labels = re.findall(r"(\w+)(?:=|!=|=~|!~)\"", text) + re.findall(r"\w+", " ".join(re.findall(r"by \((.*?)\)", text)))
    return set(metrics), set(labels)


def router(name, kind, **config):
    return {"model_name": name, "litellm_params": {"model": f"auto_router/{kind}_router", f"{kind}_router_config": config}}


def test_alerts_and_dashboard_read_metrics_that_exist(provider, gateway):
    routers = [router("auto", "complexity", tiers={"SIMPLE": "chat"}), router("expert", "task", tasks={"math": "chat"}, default_model="chat")]
    broken = deployment("broken", provider(error(503)), id="broken")
    # Its price is known, so that its cost is counted.
    served = deployment("chat", provider(), "openai/gpt-4o", id="served")
    envoy = gateway(served, broken, *routers, router={"routing_strategy": "least-busy", "fallbacks": [{"broken": ["chat"]}]})
    for model in ("auto", "expert", "broken"):
        envoy.client().chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])

    def scraped():
        text = urllib.request.urlopen(f"{envoy.admin}/stats/prometheus").read().decode()
        return set(re.findall(r"^(\w+){", text, re.M)), set(re.findall(r"[{,](\w+)=\"", text)) | {"instance"}

    documents = [yaml.safe_load((ROOT / "envoy" / "alerts.yaml").read_text()), json.loads((ROOT / "envoy" / "dashboard.json").read_text())]
    for document in documents:
        metrics, labels = read_by(document)
        assert len(metrics) >= 4 and len(labels) >= 4
        envoy.becomes(lambda: metrics <= scraped()[0])
        found = scraped()
        assert (metrics - found[0], labels - found[1]) == (set(), set())
