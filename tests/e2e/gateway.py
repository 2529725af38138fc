"""A real Envoy with the built filter, made by the built command line from a configuration of LiteLLM's shape."""

import json
import os
import subprocess
import time

import openai
import yaml
from envoys import ENVOY, ROOT, Envoy, drop, free_port, give_back, lend, take_back  # noqa: F401  (others take them from here)

SIGNALBOX = ROOT / os.environ.get("SIGNALBOX_BIN", "dist/signalbox")
WASM = ROOT / "dist" / "signalbox.wasm"


def deployment(group, provider, model="openai/upstream-model", **params):
    """An entry of `model_list` that leads to a scripted provider."""
    base = provider if isinstance(provider, str) else provider.base
    base += "/v1" if model.startswith("openai/") else ""
    info = {"id": params.pop("id")} if "id" in params else None
    entry = {"model_name": group, "litellm_params": {"model": model, "api_base": base} | params}
    return entry | ({"model_info": info} if info else {})


class Gateway:
    """Envoy with the filter, on a port of its own. The Envoy serves others afterwards, unless it is told something that holds for the whole
    process, or is to be looked into as it was started (`alone`). `edit` changes the bootstrap before it starts."""

    def __init__(self, folder, deployments, router=None, signalbox=None, general=None, variables=None, concurrency=1, env=None, wasm=WASM, may_trap=False, followed=False, more=(), alone=False, edit=None):
        self.may_trap, self.folder, self.wasm, self.clients, self.edit = may_trap, folder, wasm, [], edit
        self.port, self.admin_port = free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.followed = folder / "followed" if followed else None
        self.bootstrap = (self.followed or folder) / "envoy.yaml"
        self.configure(deployments, router, signalbox, general, variables)
        self.is_alone = bool(alone or env or may_trap or followed or more or edit) or wasm != WASM
        if self.is_alone:
            self.envoy = Envoy(folder / "envoy.log", self.admin_port, self.bootstrap, concurrency, env, more)
        else:
            self.envoy = lend(self.bootstrap, concurrency)
        self.process, self.admin = self.envoy.process, self.envoy.admin
        self.machines = self._machines()

    def configure(self, deployments, router=None, signalbox=None, general=None, variables=None):
        """Writes Envoy's configuration. With `followed`, a running Envoy takes it over."""
        # Requests by raw socket name no host in particular.
        settings = {"listen": f"127.0.0.1:{self.port}", "admin": f"127.0.0.1:{self.admin_port}", "allowed_hosts": ["gateway", "x"]} | (signalbox or {})
        config = {"model_list": deployments, "router_settings": router or {}, "general_settings": general or {}, "environment_variables": variables or {}, "signalbox": settings}
        file = self.folder / "config.yaml"
        file.write_text(json.dumps(config))
        place = ["--directory", self.followed] if self.followed else ["-o", self.bootstrap]
        made = subprocess.run([SIGNALBOX, "envoy", file, *place, "--wasm", self.wasm], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        if self.edit:
            bootstrap = yaml.load(self.bootstrap.read_text(), Loader=yaml.CSafeLoader)
            self.edit(bootstrap)
            self.bootstrap.write_text(json.dumps(bootstrap))

    @property
    def log(self):
        return self.envoy.log_since(self.envoy.began)

    def client(self, **options):
        """The official SDK, without its own retries, so that only the gateway's count."""
        made = openai.OpenAI(**({"base_url": f"{self.base}/v1", "api_key": "sk-client", "max_retries": 0, "timeout": 60} | options))
        self.clients.append(made)
        return made

    def stats(self):
        """Envoy's counters and gauges."""
        return self.envoy.stats()

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
        """Ends it. A trap or a restart of the VM fails the test that caused it."""
        is_sound = False
        try:
            assert self.process.poll() is None, "Envoy died:\n" + self.log[-4000:]
            assert self.may_trap or self._machines() == self.machines, "a VM failed:\n" + self.log[-4000:]
            is_sound = True
        finally:
            for client in self.clients:
                client.close()
            if self.is_alone:
                self.envoy.end()
            is_lent_again = not self.is_alone and is_sound and self.envoy.clears()
            log = self.log
            if is_lent_again:
                take_back(self.envoy)
            elif not self.is_alone:
                drop(self.envoy)
            give_back(self.port, self.admin_port)
        assert self.may_trap or ("panicked" not in log and "Function: proxy_on" not in log), log[-4000:]
