"""Envoys: one that has its configuration for good, and those that serve one gateway after another.

To start an Envoy costs two seconds of a core, nearly all of it for compiling the filter's module. So Envoys are kept. Such a one takes the
listeners and clusters of a gateway from files, as it does where a configuration is replaced while it runs, and gives them up again. While
it has none it keeps the compiled module alive in a VM that nobody uses.

**Invariant:** gateways know nothing of each other. Each has VMs and shared data of its own, by its `vm_id`, and an Envoy is lent again only
when its VMs, its clusters and its listeners are gone, and with them all that Envoy counted of it.
"""

import atexit
import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# `ENVOY_VERSION` says another than the pinned one (`make test-compat`).
VERSION = os.environ.get("ENVOY_VERSION") or (ROOT / "envoy" / "VERSION").read_text().strip()
ENVOY = ROOT / ".envoy" / VERSION / "envoy"

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


class Envoy:
    """A process. Its bootstrap has the address of its admin interface."""

    def __init__(self, log, admin_port, bootstrap, concurrency=1, env=None, more=()):
        self.log, self.admin_port, self.admin = log, admin_port, f"http://127.0.0.1:{admin_port}"
        self.began = 0  # where in the log what it serves now begins
        command = [ENVOY, "-c", bootstrap, "--concurrency", str(concurrency), "-l", "info", "--file-flush-interval-msec", "50", "--disable-hot-restart"]
        with log.open("w") as file:
            self.process = subprocess.Popen([*command, *more], stdout=file, stderr=file, env={**os.environ, **(env or {})})
        try:
            self.wait_until(self._is_ready, 60)
        except BaseException:
            self.end()
            raise

    def _is_ready(self):
        try:
            return urllib.request.urlopen(f"{self.admin}/ready", timeout=1).status == 200
        except OSError:
            return False

    def wait_until(self, true, seconds):
        """Waits for something to be true, while the process lives."""
        until = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, "Envoy died:\n" + self.tail()
            assert time.monotonic() < until, "Envoy did not become ready:\n" + self.tail()
            time.sleep(0.005)

    def tail(self):
        return self.log_since(0)[-4000:]

    def log_since(self, start):
        with self.log.open("rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")

    def stats(self, only=""):
        """Envoy's counters and gauges."""
        query = f"?filter={only}" if only else ""
        lines = urllib.request.urlopen(f"{self.admin}/stats{query}").read().decode().splitlines()
        return dict(line.split(": ", 1) for line in lines if ": " in line)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def _type(name):
    return f"type.googleapis.com/envoy.{name}"


KINDS = {
    "listeners": _type("config.listener.v3.Listener"),
    "clusters": _type("config.cluster.v3.Cluster"),
    "secret": _type("extensions.transport_sockets.tls.v3.Secret"),
}
PROTOCOL = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# What tells how far Envoy is with what it was given.
PROGRESS = "^(listener_manager|cluster_manager)[.]|runtime[.]v8[.]active"
LISTENERS = ("listener_manager.total_listeners_active", "listener_manager.total_listeners_draining", "listener_manager.total_listeners_warming")
CLUSTERS = ("cluster_manager.active_clusters", "cluster_manager.warming_clusters")


class SharedEnvoy(Envoy):
    """An Envoy that serves one gateway after another. `frame` is a bootstrap without resources of its own."""

    def __init__(self, frame, module, concurrency):
        self.folder, self.served = Path(tempfile.mkdtemp(prefix="envoy-")), 0
        admin_port = free_port()
        for kind in ("clusters", "listeners"):
            self._put(kind, [])
        followed = {"cds_config": self._followed("clusters"), "lds_config": self._followed("listeners")}
        keeper = {"name": "keeper", "root_id": "attempt", "configuration": module["configuration"], "vm_config": module["vm_config"] | {"vm_id": "keeper"}}
        service = {"@type": _type("extensions.wasm.v3.WasmService"), "singleton": True, "config": keeper}
        extensions = [*frame["bootstrap_extensions"], {"name": "envoy.bootstrap.wasm", "typed_config": service}]
        admin = frame["admin"] | {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}}
        bootstrap = self.folder / "envoy.json"
        bootstrap.write_text(json.dumps(frame | {"admin": admin, "bootstrap_extensions": extensions, "dynamic_resources": followed}))
        # What is given up is gone at once, with the connections that are open.
        super().__init__(self.folder / "envoy.log", admin_port, bootstrap, concurrency, more=["--drain-time-s", "0", "--drain-strategy", "immediate"])
        self.concurrency, self.idle = concurrency, self.stats("runtime[.]v8[.]active")

    def _followed(self, name):
        return {"path_config_source": {"path": str(self.folder / f"{name}.json")}, "resource_api_version": "V3"}

    def _put(self, name, resources):
        kind = KINDS[name.split("-")[0]]
        (self.folder / "new").write_text(json.dumps({"resources": [{"@type": kind} | resource for resource in resources]}))
        os.replace(self.folder / "new", self.folder / f"{name}.json")

    def serve(self, resources):
        """Takes a gateway's resources."""
        self.served += 1
        self.began = self.log.stat().st_size
        resources = json.loads(json.dumps(resources).replace('"vm_id": "signalbox"', f'"vm_id": "signalbox-{self.served}"'))
        for secret in resources.get("secrets", []):
            self._put(f"secret-{secret['name']}", [secret])
        for cluster in resources["clusters"]:
            for filter in cluster.get("typed_extension_protocol_options", {}).get(PROTOCOL, {}).get("http_filters", []):
                if filter["name"].endswith("credential_injector"):
                    credential = filter["typed_config"]["credential"]["typed_config"]["credential"]
                    credential["sds_config"] = self._followed(f"secret-{credential['name']}")
        clusters, listeners = resources["clusters"], resources["listeners"]
        for listener in listeners:
            if "internal_listener" not in listener:
                listener["name"] = f"{listener['name']}-{self.served}"
        made = self._progress("listener_manager.listener_create_success")
        self._put("clusters", clusters)
        self.wait_until(lambda: self._is(CLUSTERS, len(clusters)), 10)
        self._put("listeners", listeners)
        self.wait_until(lambda: self._is(LISTENERS, len(listeners)), 10)
        self.wait_until(lambda: self._progress("listener_manager.listener_create_success") == made + len(listeners) * self.concurrency, 10)

    def _progress(self, *names):
        seen = self.stats(PROGRESS)
        rejected = [name for name, count in seen.items() if name.endswith(("update_rejected", "create_failure")) and count != "0"]
        assert not rejected, f"{rejected}:\n{self.tail()}"
        return sum(int(seen[name]) for name in names)

    def _is(self, kinds, active):
        return self._progress(kinds[0]) == active and self._progress(*kinds[1:]) == 0

    def clears(self):
        """Gives up what it served. Returns whether all of it is gone."""
        try:
            self._put("listeners", [])
            self.wait_until(lambda: self._is(LISTENERS, 0), 5)
            self._put("clusters", [])
            self.wait_until(lambda: self._is(CLUSTERS, 0) and self.stats("runtime[.]v8[.]active") == self.idle, 5)
        except AssertionError:
            return False
        return True

    def end(self):
        super().end()
        give_back(self.admin_port)
        shutil.rmtree(self.folder, ignore_errors=True)


_IDLE, _ALL, _LOCK = {}, [], threading.Lock()


def lend(bootstrap, concurrency):
    """An Envoy that serves what a bootstrap says."""
    frame = yaml.load(bootstrap.read_text(), Loader=yaml.CSafeLoader)
    resources = frame.pop("static_resources")
    frame["admin"].pop("address")
    # What else is in the bootstrap holds for the whole process.
    key = json.dumps([frame, concurrency], sort_keys=True)
    with _LOCK:
        idle = _IDLE.setdefault(key, [])
        envoy = idle.pop() if idle else None
    if envoy is None:
        envoy = SharedEnvoy(frame, _module(resources), concurrency)
        envoy.key = key
        with _LOCK:
            _ALL.append(envoy)
    try:
        envoy.serve(resources)
    except BaseException:
        drop(envoy)
        raise
    return envoy


def take_back(envoy):
    """It has given up what it served, and may be lent again."""
    with _LOCK:
        _IDLE[envoy.key].append(envoy)


def drop(envoy):
    """It serves nobody any more."""
    with _LOCK:
        _ALL.remove(envoy)
    envoy.end()


def _module(resources):
    """How the filter is loaded."""
    text = json.dumps(resources["clusters"])
    found = re.search(r'"config": ({"name": "signalbox-attempt".*)', text)
    return json.JSONDecoder().raw_decode(found[1])[0]


@atexit.register
def end_all():
    """Ends those that are kept. (A process of pytest's that is one of several ends without a word, and calls this itself.)"""
    for envoy in list(_ALL):
        drop(envoy)
