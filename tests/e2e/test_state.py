"""What a running gateway knows, asked for and explained with."""

import json
import subprocess
import urllib.error
import urllib.request

import pytest
from gateway import SIGNALBOX, deployment
from provider import error, whole

HELLO = [{"role": "user", "content": "hello"}]


def test_a_running_gateway_tells_its_state_and_explain_reads_it(provider, gateway, tmp_path):
    bad, good = provider(error(401)), provider(whole("hi"))
    envoy = gateway(
        deployment("main", bad, id="bad", order=1, cooldown_time=60), deployment("main", good, id="good", order=2),
        signalbox={"state_path": "/signalbox/state"}, concurrency=2,
    )
    envoy.client().chat.completions.create(model="main", messages=HELLO)
    assert envoy.settles("wasmcustom.signalbox.cooling.deployment.bad", 2)
    envoy.settled()
    with urllib.request.urlopen(f"{envoy.base}/signalbox/state") as answer:
        assert answer.headers["content-type"] == "application/json"
        state = answer.read()
    told = json.loads(state)["deployments"]
    assert 50 < told["bad"]["cooling_for"] <= 60 and "cooling_for" not in told.get("good", {})
    (tmp_path / "state.json").write_bytes(state)
    (tmp_path / "request.json").write_text(json.dumps({"model": "main", "messages": HELLO}))
    config = envoy.bootstrap.parent / "config.yaml"
    explained = subprocess.run(
        [SIGNALBOX, "explain", config, "request.json", "--state", "state.json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert explained.returncode == 0, explained.stderr
    assert "cooling" in explained.stdout and explained.stdout.index("good") < explained.stdout.index("bad")


def test_nobody_is_told_unless_it_is_configured(provider, gateway):
    envoy = gateway(deployment("main", provider(whole("hi"))))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{envoy.base}/signalbox/state")
    assert refused.value.code == 404
