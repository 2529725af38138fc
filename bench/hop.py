#!/usr/bin/env python3
"""User instructions a request where a deployment's token is added behind the attempt filter, by a listener within Envoy (docs/envoy.md, "The
credential hop"), beside those of the same deployment with a token of its own, which goes straight there.

Counted as in instructions.py, for a chat of 2 KB to Gemini on Vertex AI. Provider, metadata server and load are in this process.

    .venv/bin/python bench/hop.py [--wasm FILE] [--signalbox FILE]
"""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import instructions
from run import ROOT, say

sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from envoys import free_port  # noqa: E402
from google_wire import generated  # noqa: E402
from provider import Provider, answer  # noqa: E402

REQUESTS = 300
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "All work and no play. " * 90}]})


def main():
    args = instructions.arguments()
    instructions.OUT.mkdir(parents=True, exist_ok=True)
    plugin = instructions.built_plugin()
    google = Provider(generated("Hi."))
    metadata = Provider(answer(200, {"access_token": "ya29.t", "expires_in": 3599, "token_type": "Bearer"}))
    os.environ["GCE_METADATA_HOST"] = f"127.0.0.1:{metadata.port}"
    direct = count(args, plugin, google, {"vertex_credentials": "/nowhere.json"}, {"VERTEXAI_ACCESS_TOKEN": "ya29.own"})
    assert google.requests[-1].headers["authorization"] == "Bearer ya29.own"
    hop = count(args, plugin, google, {}, {})
    assert google.requests[-1].headers["authorization"] == "Bearer ya29.t", "the hop is what is measured"
    say(f"direct {direct / 1000:.0f}k, by the hop {hop / 1000:.0f}k instructions a request: {hop / direct:.2f} times")


def count(args, plugin, google, entry, env):
    listen, admin = free_port(), free_port()
    params = {"model": "vertex_ai/gemini-2.5-flash", "api_base": google.base, "vertex_project": "p", "vertex_location": "global"} | entry
    config = {"model_list": [{"model_name": "m", "litellm_params": params}], "signalbox": {"listen": f"127.0.0.1:{listen}", "admin": f"127.0.0.1:{admin}"}}
    counter = instructions.Counter("hop")
    with contextlib.ExitStack() as running:
        folder = pathlib.Path(running.enter_context(tempfile.TemporaryDirectory()))
        (folder / "config.yaml").write_text(json.dumps(config))
        subprocess.run([args.signalbox, "envoy", folder / "config.yaml", "-o", folder / "envoy.yaml", "--wasm", args.wasm], check=True, capture_output=True)
        command = ["qemu-x86_64", "-cpu", "max", "-plugin", f"{plugin},control={counter.file}", args.envoy, "-c", folder / "envoy.yaml"]
        command += ["--concurrency", "1", "--disable-hot-restart", "--log-level", "off"]
        envoy = subprocess.Popen(command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.callback(envoy.wait)
        running.callback(envoy.terminate)
        wait_until_ready(admin)
        ask(listen, 40)
        counter.say("arm")
        ask(listen, 120)
        counter.say("zero")
        time.sleep(2)
        at_rest, _ = counter.read()
        counter.say("zero")
        began = time.monotonic()
        ask(listen, REQUESTS)
        took = time.monotonic() - began
        everything, _ = counter.read()
    return (everything - at_rest * took / 2) / REQUESTS


def wait_until_ready(admin):
    end = time.monotonic() + 180
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().read() == b"LIVE\n":
                return
        time.sleep(0.2)
    sys.exit("Envoy did not start")


def ask(port, count):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(count):
        connection.request("POST", "/v1/chat/completions", BODY, {"content-type": "application/json"})
        got = connection.getresponse()
        said = got.read()
        assert got.status == 200, said
    connection.close()


if __name__ == "__main__":
    main()
