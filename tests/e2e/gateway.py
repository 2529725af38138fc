"""A real Envoy with the built filter, made by the built command line from a configuration of LiteLLM's shape."""

import json
import os
import random
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import openai

ROOT = Path(__file__).resolve().parents[2]
SIGNALBOX = ROOT / os.environ.get("SIGNALBOX_BIN", "dist/signalbox")
WASM = ROOT / "dist" / "signalbox.wasm"
ENVOY = ROOT / ".envoy" / (ROOT / "envoy" / "VERSION").read_text().strip() / "envoy"

_CLAIMS = {}


def free_port():
    """A port that is free and that nobody else is given until it is given back: Envoys that share one share its requests too, without a
    word. The claim is the UDP port of the same number, which nothing here uses, so that it holds between all the runs of tests on this
    machine. Not one of those that the system gives to connections, which could take it before Envoy does."""
    while True:
        port = random.randrange(24_000, 32_000)
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            claim.close()
        else:
            _CLAIMS[port] = claim
            return port


def give_back(*ports):
    """Ends the claim on ports where nothing listens any more."""
    for port in ports:
        _CLAIMS.pop(port).close()


def deployment(group, provider, model="openai/upstream-model", **params):
    """An entry of `model_list` that leads to a scripted provider."""
    base = provider if isinstance(provider, str) else provider.base
    base += "/v1" if model.startswith("openai/") else ""
    info = {"id": params.pop("id")} if "id" in params else None
    entry = {"model_name": group, "litellm_params": {"model": model, "api_base": base} | params}
    return entry | ({"model_info": info} if info else {})


class Gateway:
    """Envoy with the filter, on ports of its own."""

    def __init__(self, folder, deployments, router=None, signalbox=None, concurrency=1, env=None, wasm=WASM, may_trap=False, followed=False, more=()):
        self.may_trap, self.folder, self.wasm, self.clients = may_trap, folder, wasm, []
        self.port, self.admin_port = free_port(), free_port()
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        self.base = f"http://127.0.0.1:{self.port}"
        self.followed = folder / "followed" if followed else None
        self.bootstrap = (self.followed or folder) / "envoy.yaml"
        self.configure(deployments, router, signalbox)
        self.log_path = folder / "envoy.log"
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [ENVOY, "-c", self.bootstrap, "--concurrency", str(concurrency), "-l", "info", "--file-flush-interval-msec", "50", "--disable-hot-restart", *more],
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
            )
        self._await_ready()

    def configure(self, deployments, router=None, signalbox=None):
        """Writes Envoy's configuration. With `followed`, a running Envoy takes it over."""
        # Requests by raw socket name no host in particular.
        settings = {"listen": f"127.0.0.1:{self.port}", "admin": self.admin.removeprefix("http://"), "allowed_hosts": ["gateway", "x"]} | (signalbox or {})
        config = {"model_list": deployments, "router_settings": router or {}, "signalbox": settings}
        file = self.folder / "config.yaml"
        file.write_text(json.dumps(config))
        place = ["--directory", self.followed] if self.followed else ["-o", self.bootstrap]
        made = subprocess.run([SIGNALBOX, "envoy", file, *place, "--wasm", self.wasm], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr

    def _await_ready(self):
        for _ in range(200):
            assert self.process.poll() is None, self.log[-4000:]
            try:
                if urllib.request.urlopen(f"{self.admin}/ready", timeout=1).status == 200:
                    self.machines = self._machines()
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("Envoy did not become ready:\n" + self.log[-4000:])

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def client(self, **options):
        """The official SDK, without its own retries, so that only the gateway's count."""
        made = openai.OpenAI(**({"base_url": f"{self.base}/v1", "api_key": "sk-client", "max_retries": 0, "timeout": 60} | options))
        self.clients.append(made)
        return made

    def stats(self):
        """Envoy's counters and gauges."""
        lines = urllib.request.urlopen(f"{self.admin}/stats").read().decode().splitlines()
        return dict(line.split(": ", 1) for line in lines if ": " in line)

    def traps(self):
        """How often a VM trapped."""
        return self.log.count("Function: proxy_on")

    def _machines(self):
        """What Envoy counts of its wasm VMs: how many it made, and how many it had to make again."""
        counted = self.stats().items()
        # Where configuration is replaced, VMs come and go with it.
        kinds = () if self.followed else ("runtime.v8.created", "wasm_vm_count")
        return {name: value for name, value in counted if name.endswith(kinds) or ".vm_reload" in name}

    def settles(self, stat, value, seconds=5):
        """Waits for a counter or gauge."""
        return self.becomes(lambda: int(self.stats().get(stat, -1)) == value, seconds)

    def becomes(self, true, seconds=5):
        """Waits for something to be true."""
        until = time.monotonic() + seconds
        while not (found := true()) and time.monotonic() < until:
            time.sleep(0.05)
        return found

    def settled(self):
        """Waits until all workers know of everything that has been. What a request leaves behind is written when its stream is gone, which may be
        after its client has read the last of it; other workers read it at their next tick, within 50 ms, or later where the machine is busy."""
        assert self.settles("http.signalbox.downstream_rq_active", 0)
        time.sleep(0.3)

    def close(self):
        """Ends Envoy. A trap or a restart of the VM fails the test that caused it."""
        try:
            assert self.process.poll() is None, "Envoy died:\n" + self.log[-4000:]
            assert self.may_trap or self._machines() == self.machines, "a VM failed:\n" + self.log[-4000:]
        finally:
            for client in self.clients:
                client.close()
            self.process.terminate()
            self.process.wait(10)
            give_back(self.port, self.admin_port)
        assert self.may_trap or ("panicked" not in self.log and "Function: proxy_on" not in self.log), self.log[-4000:]
