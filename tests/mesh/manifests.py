"""A policy as a person would make it: a configuration, the command, `kubectl apply`."""

import json
import subprocess

import yaml
from programs import GATEWAY, SIGNALBOX, WASM, call, mounted, until


def deployment(group, provider, model="openai/gpt-4o", key=None, **more):
    """An entry of `model_list`."""
    base = provider if isinstance(provider, str) else provider.base
    params = {"model": model, "api_base": base + ("/v1" if model.startswith("openai/") else "")}
    entry = {"model_name": group, "litellm_params": params | ({"api_key": f"os.environ/{key}"} if key else {})}
    return entry | ({"model_info": {"id": more["id"]}} if "id" in more else {})


class Policy:
    """One manifest."""

    def __init__(self, folder, kubernetes, name, *options, command="istio", host=None, port, address=GATEWAY, keys=None, module=WASM, router=None, signalbox=None, general=None):
        self.folder, self.kubernetes, self.name, self.command = folder, kubernetes, name, command
        self.host, self.port, self.address = host or f"{name}.local", port, address
        self.router, self.signalbox, self.general = router or {}, signalbox or {}, general or {}
        folder.mkdir(parents=True, exist_ok=True)
        self.keys = folder / "keys"
        self.values = keys or {}
        self.module, self.options, self.file, self.said = module, list(options), folder / "manifest.yaml", ""

    def write(self, *deployments, before=None, file=None, more=()):
        """Runs the command."""
        config = self.folder / "config.yaml"
        config.write_text(json.dumps({"model_list": list(deployments), "router_settings": self.router, "signalbox": self.signalbox, "general_settings": self.general}))
        file = file or self.file
        command = [SIGNALBOX, self.command, config, "--name", self.name, "--host", self.host, "--port", self.port, "--keys", self.keys,
                   "--module", self.module, "-o", file, *self.options, *more]
        made = subprocess.run([*map(str, command), *(["--before", str(before)] if before else [])], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        self.said = made.stderr
        self._mount()
        return file

    def _mount(self):
        """What Kubernetes mounts: the keys of the Secret, and the files of the ConfigMap, in one projected volume."""
        if self.values:
            files = next((it["data"] for it in self.documents() if it["kind"] == "ConfigMap"), {})
            mounted(self.keys, **self.values, **files) if not self.keys.exists() else None

    def documents(self):
        return list(yaml.safe_load_all(self.file.read_text()))

    def apply(self, *deployments, **options):
        self.write(*deployments, **options)
        return self.kubernetes.apply(self.file)

    def call(self, port=None, body=None, **options):
        return call(port or self.port, self.host, *([body] if body is not None else []), address=self.address, **options)

    def serves(self, port=None, seconds=40):
        """Waits until it answers."""
        last = []

        def serves():
            last[:] = [self.call(port)]
            return last[0].status == 200 and last[0]

        try:
            return until(serves, seconds, f"{self.name} serves")
        except AssertionError as problem:
            raise AssertionError(f"{problem}: {last}") from None

    def remove(self):
        if self.file.exists():
            self.kubernetes.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", self.file)
