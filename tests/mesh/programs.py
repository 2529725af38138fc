"""The programs of a mesh, on loopback, without a container: what `programs/build.sh` builds, and Envoy.

Of Kubernetes only the API server runs, on an etcd: no controllers, no scheduler. What they would do and a test needs, it does by hand.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from envoys import ENVOY, ROOT, free_port, give_back

BIN = Path(os.environ.get("MESH_BIN", ROOT / "target" / "mesh"))
SIGNALBOX = ROOT / os.environ.get("SIGNALBOX_BIN", "dist/signalbox")
WASM = ROOT / "dist" / "signalbox.wasm"


def until(true, seconds=30, what="it"):
    """Waits for something to be true, and gives it."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := true():
                return found
        except (OSError, ValueError, subprocess.CalledProcessError) as problem:
            found = problem
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not become true in {seconds} s: {found!r}")
        time.sleep(0.05)


def get(url, timeout=5):
    return urllib.request.urlopen(url, timeout=timeout).read().decode()


class Program:
    """A process with a log."""

    def __init__(self, folder, name, *command, env=None, cwd=None):
        self.log = folder / f"{name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, cwd=cwd, env={**os.environ, **(env or {})})

    def text(self):
        return self.log.read_text(errors="replace")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Kubernetes:
    """The API server, with the definitions of Istio, the Gateway API, and ours to come."""

    def __init__(self, folder):
        self.folder, self.programs = folder, []
        self.ports = etcd, peer, port = free_port(), free_port(), free_port()
        self._run("etcd", BIN / "etcd", "--data-dir", folder / "etcd", "--listen-client-urls", f"http://127.0.0.1:{etcd}",
                  "--advertise-client-urls", f"http://127.0.0.1:{etcd}", "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                  "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster", f"default=http://127.0.0.1:{peer}",
                  "--unsafe-no-fsync")
        key = folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        (folder / "tokens.csv").write_text("token,admin,1,system:masters\n")
        self._run("apiserver", BIN / "kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{etcd}", "--bind-address", "127.0.0.1",
                  "--secure-port", port, "--cert-dir", folder / "certificates", "--service-account-key-file", key,
                  "--service-account-signing-key-file", key, "--service-account-issuer", "https://kubernetes.default.svc",
                  "--token-auth-file", folder / "tokens.csv", "--authorization-mode", "AlwaysAllow",
                  "--service-cluster-ip-range", "10.96.0.0/16", "--disable-admission-plugins", "ServiceAccount",
                  "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none")
        self.config = folder / "kubeconfig"
        self.config.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "u", "user": {"token": "token"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }))
        until(lambda: self.kubectl("get", "--raw", "/readyz") == "ok", 60, "the API server")
        self.kubectl("apply", "--server-side", "-f", BIN / "istio-crds.yaml", "-f", BIN / "gateway-api-crds")
        self.kubectl("wait", "--for", "condition=established", "--all", "crd", "--timeout=30s")

    def _run(self, name, *command):
        self.programs.append(Program(self.folder, name, *command))

    def kubectl(self, *arguments, text=None):
        """What a person would type."""
        ran = subprocess.run([BIN / "kubectl", "--kubeconfig", self.config, *map(str, arguments)], input=text, capture_output=True, text=True)
        assert ran.returncode == 0 or arguments[0] == "get", ran.stderr
        return ran.stdout.strip()

    def apply(self, manifest, *options):
        """Applies a manifest: a file, or objects."""
        if isinstance(manifest, Path):
            return self.kubectl("apply", *options, "-f", manifest)
        return self.kubectl("apply", *options, "-f", "-", text="\n---\n".join(map(json.dumps, manifest)))

    def namespace(self, *names):
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names])

    def end(self):
        for program in reversed(self.programs):
            program.end()
        give_back(*self.ports)


class Istio:
    """istiod. What only Istio's own build of Envoy has, it is told to leave out. `more` is more of its environment."""

    def __init__(self, folder, kubernetes, **more):
        self.folder = folder
        self.ports = self.port, http, monitoring, control, outbound, inbound = [free_port() for _ in range(6)]
        mesh = folder / "mesh.json"
        mesh.write_text(json.dumps({
            "trustDomain": "cluster.local", "rootNamespace": "istio-system", "accessLogFile": "", "enableAutoMtls": False,
            "proxyListenPort": outbound, "proxyInboundListenPort": inbound, "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
            "defaultProviders": {}, "enableTracing": False,
            "defaultConfig": {"discoveryAddress": f"127.0.0.1:{self.port}", "extraStatTags": ["deployment", "outcome"], "tracing": {}},
        }))
        self.outbound = outbound
        env = {
            "POD_NAMESPACE": "istio-system", "POD_NAME": "istiod-0", "CLUSTER_ID": "Kubernetes", "ENABLE_CA_SERVER": "false",
            "PILOT_CERT_PROVIDER": "none", "XDS_AUTH": "false", "PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false",
        } | more
        self.program = Program(
            folder, "istiod", BIN / "pilot-discovery", "discovery", "--kubeconfig", kubernetes.config, "--meshConfig", mesh,
            "--networksConfig", "/nonexistent", "--grpcAddr", f"127.0.0.1:{self.port}", "--httpAddr", f"127.0.0.1:{http}", "--httpsAddr", "",
            "--secureGRPCAddr", "", "--monitoringAddr", f"127.0.0.1:{monitoring}", "--ctrlz_address", "127.0.0.1", "--ctrlz_port", control,
            env=env,
        )
        self.monitoring = monitoring
        until(lambda: get(f"http://127.0.0.1:{http}/ready") is not None, 60, "istiod")

    def end(self):
        self.program.end()
        give_back(*self.ports)


class Proxy:
    """What all proxies have: an admin interface, and calls to a port."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        self.admin = free_port()

    def stats(self, pattern=""):
        lines = get(f"http://127.0.0.1:{self.admin}/stats?filter={pattern}").splitlines()
        return dict(line.rsplit(": ", 1) for line in lines if ": " in line)

    def log(self):
        return self.program.text()

    def dump(self):
        return get(f"http://127.0.0.1:{self.admin}/config_dump?include_eds", 30)

    def refused(self, name):
        """What Envoy refused of a policy, by its name."""
        signs = ("rejected", "ACK ERROR", "error adding")
        return [line for line in self.log().splitlines() if f".{name}." in line and any(sign in line for sign in signs)]

    def end(self):
        self.program.end()
        give_back(self.admin)


# What Istio's bootstrap sets too: Envoy's own limit is 100, for expressions that users write.
RUNTIME = {"layers": [{"name": "global config", "static_layer": {"re2.max_program_size.error_level": "32768"}}]}


class Gateway(Proxy):
    """A plain Envoy that istiod serves as a gateway."""

    def __init__(self, folder, istio, namespace, labels, name="gateway", version="1.31.1", kind="router", agent=None):
        super().__init__(folder, name)
        node = {
            "id": f"{kind}~10.77.0.2~{name}-1.{namespace}~{namespace}.svc.cluster.local",
            "cluster": f"{name}.{namespace}",
            "metadata": {
                "ISTIO_VERSION": version, "CLUSTER_ID": "Kubernetes", "MESH_ID": "cluster.local", "NAMESPACE": namespace, "NAME": f"{name}-1",
                "WORKLOAD_NAME": name, "SERVICE_ACCOUNT": name, "INSTANCE_IPS": "10.77.0.2", "LABELS": labels,
                "PROXY_CONFIG": {"discoveryAddress": f"127.0.0.1:{istio.port}"},
            } | (agent.pair if agent else {}),
        }
        ads = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
        address = {"socket_address": {"address": "127.0.0.1", "port_value": istio.port}}
        servers = {"xds-grpc": address}
        if agent:  # for certificates, which no other program serves
            servers["sds-grpc"] = {"pipe": {"path": str(agent.folder / "var/run/secrets/workload-spiffe-uds/socket")}}
        http2 = {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
        bootstrap = {
            "node": node,
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": self.admin}}},
            "layered_runtime": RUNTIME,
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": True,
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
                },
                "cds_config": ads,
                "lds_config": ads,
            },
            "static_resources": {"clusters": [{
                "name": name, "type": "STATIC", "connect_timeout": "1s",
                "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
                "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
            } for name, address in servers.items()]},
            "bootstrap_extensions": [{
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener", "buffer_size_kb": 64},
            }],
        }
        file = folder / f"{name}.json"
        file.write_text(json.dumps(bootstrap))
        self.program = Program(folder, name, ENVOY, "-c", file, "--concurrency", "2", "--use-dynamic-base-id", "-l", "warning", "--drain-time-s", "5", "--parent-shutdown-time-s", "10")


class Agent(Proxy):
    """istio-agent, which starts Envoy as a sidecar or a gateway, and stands between it and istiod."""

    def __init__(self, folder, istio, namespace="shop", name="app", kind="sidecar", labels=None, interception="NONE", certificate=None):
        super().__init__(folder, name)
        etc = folder / "etc"
        etc.mkdir()
        Path("/var/lib/istio/data").mkdir(parents=True, exist_ok=True)  # where the agent puts modules that it fetches
        certificate, key = certificate or certify(folder, namespace, name)
        self.status = free_port()
        proxy = {
            "binaryPath": str(ENVOY), "configPath": str(etc), "discoveryAddress": f"127.0.0.1:{istio.port}", "controlPlaneAuthPolicy": "NONE",
            "proxyAdminPort": self.admin, "statusPort": self.status, "concurrency": 2, "serviceCluster": f"{name}.{namespace}",
        }
        self.pair = {f"TLS_{side}_{part}": str(certificate if part != "KEY" else key)
                     for side in ("CLIENT", "SERVER") for part in ("CERT_CHAIN", "KEY", "ROOT_CERT")}
        self.program = Program(
            folder, name, BIN / "pilot-agent", "proxy", kind, "--domain", f"{namespace}.svc.cluster.local", "--proxyLogLevel=warning",
            cwd=folder, env={f"ISTIO_META_{name}": path for name, path in self.pair.items()} | {
                "POD_NAME": f"{name}-1", "POD_NAMESPACE": namespace, "INSTANCE_IP": "127.0.0.9", "SERVICE_ACCOUNT": name,
                "ISTIO_META_CLUSTER_ID": "Kubernetes", "ISTIO_META_INTERCEPTION_MODE": interception, "ISTIO_META_WORKLOAD_NAME": name,
                "ISTIO_META_MESH_ID": "cluster.local", "TRUST_DOMAIN": "cluster.local", "FILE_MOUNTED_CERTS": "true",
                "WASM_INSECURE_REGISTRIES": "*", "ISTIO_BOOTSTRAP": str(BIN / "envoy_bootstrap.json"), "PROXY_CONFIG": json.dumps(proxy),
                "ISTIO_METAJSON_LABELS": json.dumps(labels or {"app": name}),
            })

    def end(self):
        super().end()
        give_back(self.status)


def certify(folder, namespace, name):
    """A certificate for a workload, which is its own authority."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    identity = f"subjectAltName=URI:spiffe://cluster.local/ns/{namespace}/sa/{name}"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/O=t"]
    subprocess.run([*command, "-addext", identity], check=True, capture_output=True)
    return certificate, key


class Answer:
    """What a client got."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, {name.lower(): value for name, value in headers}, body

    @property
    def deployment(self):
        return self.headers.get("x-signalbox-deployment")

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]}"


# A gateway listens on all addresses of this machine. The sidecar of the tests has the same ports on the first one for itself.
GATEWAY = "127.0.0.2"

CHAT = {"model": "smart", "messages": [{"role": "user", "content": "hi"}]}


def call(port, host, body=CHAT, headers=None, path="/v1/chat/completions", timeout=30, address=GATEWAY):
    """One request on a connection of its own."""
    import http.client

    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body)
        connection.request("POST", path, data, {"host": host, "content-type": "application/json"} | (headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def mounted(folder, **keys):
    """A directory of keys as Kubernetes mounts it: the files are links into a directory that `..data` leads to."""
    folder.mkdir(parents=True, exist_ok=True)
    swap(folder, **keys)
    return folder


def swap(folder, **files):
    """Puts other files in place, as Kubernetes does when a Secret changes."""
    version = folder / f"..{time.time_ns()}"
    version.mkdir()
    for name, text in files.items():
        (version / name).write_text(text)
    link = folder / "..data_tmp"
    link.symlink_to(version.name)
    old = folder / "..data"
    before = old.resolve() if old.exists() else None
    link.rename(old)
    for name in files:
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(f"..data/{name}")
    if before:
        shutil.rmtree(before)


def wait_for_port(port, seconds=20):
    until(lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None, seconds, f"port {port}")
