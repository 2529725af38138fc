"""Scripted providers: raw sockets, so that a test can do to a connection whatever a provider does.

A `Provider` listens on loopback and answers each request with the next behaviour of its script (the last one repeats). A behaviour
is a function of the connection and the request; those of this file cover the catalogue of faults.
"""

import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Request:
    """What the gateway sent."""

    method: str
    path: str
    headers: dict
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self):
        return json.loads(self.body)


class Provider:
    """A provider on a port of its own."""

    def __init__(self, *script):
        self.script = list(script) or [whole("Hello.")]
        self.requests = []
        self.cut = threading.Event()  # the gateway closed a connection in mid-answer
        self._lock, self._closed = threading.Lock(), False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    def play(self, *script):
        """Replaces the script."""
        with self._lock:
            self.script = list(script)

    def close(self):
        """Takes no more connections."""
        self._closed = True
        # Closing a socket does not wake the thread that waits in `accept`: the port would go on taking connections.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                raise  # out of file descriptors, say: no request would come any more
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        reader = connection.makefile("rb")
        try:
            while (request := read_request(reader)) is not None:
                with self._lock:
                    self.requests.append(request)
                    behaviour = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if behaviour(connection, request) is False:
                    break
        except (OSError, ValueError):
            self.cut.set()
        finally:
            reader.close()
            connection.close()


def read_request(reader):
    line = reader.readline()
    if not line.strip():
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := reader.readline()).strip():
        name, value = line.decode("latin-1").split(":", 1)
        headers[name.lower()] = value.strip()
    return Request(method, path, headers, reader.read(int(headers.get("content-length", 0))))


def answer(status, body, content_type="application/json", **headers):
    """A whole answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(connection, _request):
        head = {"content-type": content_type, "content-length": len(body)} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        connection.sendall(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)

    return behave


USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def whole(text, model="served-model", usage=USAGE):
    """A chat completion."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return answer(200, {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage})


def error(status, message="it went wrong", code=None, kind="server_error", **headers):
    """An error in OpenAI's shape."""
    return answer(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, **headers)


def chunk(delta, finish=None, model="served-model", usage=None):
    """One event of a streamed chat completion."""
    choices = [] if usage else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    body = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices, "usage": usage}
    return f"data: {json.dumps(body)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def tokens(count, usage=True):
    """The events of a whole stream: role, tokens, finish, usage, [DONE]."""
    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": f"{n} "}) for n in range(count)]
    events += [chunk({}, finish="stop")]
    return events + ([chunk({}, usage=USAGE)] if usage else []) + [DONE]


def stream(*parts, status=200, ends=True):
    """A streamed answer. A part is bytes (one HTTP chunk), a number (seconds to wait), or "reset"."""

    def behave(connection, _request):
        connection.sendall(f"HTTP/1.1 {status} X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for part in parts:
            if part == "reset":
                return reset()(connection, _request)
            if isinstance(part, bytes):
                connection.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            else:
                wait(connection, part)
        if ends:
            connection.sendall(b"0\r\n\r\n")
        return None

    return behave


def wait(connection, seconds):
    """Waits, but notices when the gateway goes away."""
    connection.settimeout(seconds)
    try:
        if connection.recv(1, socket.MSG_PEEK) == b"":
            raise ConnectionError("the gateway closed the connection")
    except TimeoutError:
        pass
    finally:
        connection.settimeout(None)


def silent(seconds):
    """Takes the request and says nothing."""

    def behave(connection, _request):
        wait(connection, seconds)
        return False

    return behave


def reset():
    """A TCP reset."""

    def behave(connection, _request):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return behave


def closed_port():
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
