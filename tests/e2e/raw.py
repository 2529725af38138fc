"""Requests by raw socket: what no SDK would send, and clients that go away."""

import json
import socket
import time

HELLO = [{"role": "user", "content": "hello"}]


def post(envoy, body, headers=b"", path=b"/v1/chat/completions", method=b"POST", length=None):
    """Sends raw bytes; returns the status and the JSON of the answer."""
    length = len(body) if length is None else length
    head = method + b" " + path + b" HTTP/1.1\r\nhost: gateway\r\ncontent-length: " + str(length).encode() + b"\r\n" + headers + b"\r\n"
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=20) as connection:
        try:
            connection.sendall(head + body)
        except ConnectionError:
            pass  # refused before all was sent
        reader = connection.makefile("rb")
        status = int(reader.readline().split()[1])
        headers = {}
        while (line := reader.readline()).strip():
            name, value = line.decode("latin-1").split(":", 1)
            headers[name.lower()] = value.strip()
        return status, json.loads(reader.read(int(headers["content-length"])))


def connect(envoy, is_stream, length=None, model="m"):
    """Sends a chat completion's request and leaves the answer unread. A longer `length` than the body's leaves it unfinished."""
    connection = socket.create_connection(("127.0.0.1", envoy.port), timeout=10)
    body = json.dumps({"model": model, "messages": HELLO, "stream": is_stream}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (length or len(body))
    connection.sendall(head + body)
    return connection


def first_bytes(envoy, model, seconds):
    """What comes of a stream within a time."""
    with connect(envoy, True, model=model) as connection:
        connection.settimeout(0.2)
        until, got = time.monotonic() + seconds, b""
        while time.monotonic() < until:
            try:
                got += connection.recv(65_536)
            except TimeoutError:
                pass
    return got


def wait_for(requests, count=1):
    """Waits until a provider has got so many requests."""
    until = time.monotonic() + 10
    while len(requests) < count and time.monotonic() < until:
        time.sleep(0.01)
    assert len(requests) == count
