"""What lies between the gateway and a provider: a name, TLS with HTTP/2, and a wire that may die without a word.

A `Wire` is a TCP proxy on loopback. When it dies, as a NAT does that forgets a connection, its connections are closed for nobody: either
nothing is forwarded any more (`mute`: each end of TCP still acknowledges what it gets, as a machine does whose process hangs), or the
gateway's packets do not even arrive (`dead`: nothing is acknowledged, neither data nor TCP's own keepalive). Connections made afterwards live.
"""

import contextlib
import ctypes
import json
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.request

from gateway import ENVOY, Gateway, free_port, give_back
from provider import closed_port

SO_ATTACH_FILTER = 26
# Classic BPF, one instruction: return 0, of a packet keep nothing.
KEEP_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))


def lose_all(connection):
    """Makes the kernel drop whatever comes for a connection, before TCP sees it."""
    connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(KEEP_NOTHING)))


class Wire:
    """A TCP proxy that leads to a port."""

    def __init__(self, port):
        self.to = port
        self.made = 0  # connections so far
        self._alive = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                lives = threading.Event()
                lives.set()
                self.made += 1
                self._alive.append((near, far, lives))
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._forward, args=(one, other, lives), daemon=True).start()

    def _forward(self, one, other, lives):
        with contextlib.suppress(OSError):
            while True:
                got = one.recv(65_536)
                if not lives.is_set():
                    return
                if not got:
                    other.shutdown(socket.SHUT_WR)
                    return
                other.sendall(got)

    def die(self, how):
        """Kills the connections of now: "mute" or "dead"."""
        for near, _, lives in self._alive:
            lives.clear()
            if how == "dead":
                lose_all(near)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for near, far, _ in self._alive:
            near.close()
            far.close()


class Front:
    """TLS for `localhost`, and HTTP/2 for clients that offer it, in front of a provider of HTTP/1: an Envoy, as in front of a real provider."""

    def __init__(self, folder, provider):
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate, key = folder / "front.pem", folder / "front.key"
        named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run([*made, *named, "-keyout", key, "-out", self.certificate], check=True, capture_output=True)
        self.port, self._admin = free_port(), free_port()
        file = folder / "front.json"
        file.write_text(json.dumps(self._bootstrap(provider.port, key)))
        with (folder / "front.log").open("w") as log:
            command = [ENVOY, "-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(200):
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/ready", timeout=1).status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("the front did not become ready")

    def _bootstrap(self, provider, key):
        def kind(name):
            return f"type.googleapis.com/envoy.{name}"

        def address(port):
            return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

        route = {"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}
        manager = {
            "@type": kind("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "front",
            "stream_idle_timeout": "0s",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [{"name": "router", "typed_config": {"@type": kind("extensions.filters.http.router.v3.Router")}}],
        }
        pair = {"certificate_chain": {"filename": str(self.certificate)}, "private_key": {"filename": str(key)}}
        tls = {
            "@type": kind("extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair]},
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}], "transport_socket": {"name": "tls", "typed_config": tls}}
        cluster = {
            "name": "provider",
            "load_assignment": {"cluster_name": "provider", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(provider)}}]}]},
        }
        listener = {"name": "front", "address": address(self.port), "filter_chains": [chain]}
        return {"admin": {"address": address(self._admin)}, "static_resources": {"listeners": [listener], "clusters": [cluster]}}

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        give_back(self.port, self._admin)


class TwoAddresses(Gateway):
    """The name of each deployment at `localhost` has one more address, where nothing listens."""

    def configure(self, *arguments):
        super().configure(*arguments)
        text = self.bootstrap.read_text()
        host = re.compile(r"(?P<dash> +)- endpoint:\n(?P<rest>(?P=dash)    address:\n.*\n.*address: localhost\n.*port_value: )(?P<port>\d+)\n")
        assert host.search(text), text
        more = rf"\g<0>\g<dash>- endpoint:\n\g<rest>{closed_port()}\n"
        self.bootstrap.write_text(host.sub(more, text))
