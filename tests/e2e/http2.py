"""A client of HTTP/2, as small as it can be: one connection, requests with and without trailers, and the answers as they come."""

import json
import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def fields(headers):
    """Header fields as HPACK literals: no table, no Huffman."""
    text = b""
    for name, value in headers:
        text += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return text


class Connection:
    """Requests by prior knowledge."""

    def __init__(self, envoy):
        self.socket = socket.create_connection(("127.0.0.1", envoy.port), timeout=10)
        self.reader = self.socket.makefile("rb")
        self.last = -1
        self.bodies, self.ends = {}, {}
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self._send(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**30))
        self._send(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30))
        while self.frame()[0] != WINDOW_UPDATE:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _send(self, kind, flags, stream, payload=b""):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)

    def ask(self, body, trailers=(), path="/v1/chat/completions", method="POST", ends=True, more=()):
        """Sends a request; its number."""
        self.last += 2
        head = [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", path), ("content-type", "application/json"), *more]
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._send(HEADERS, END_HEADERS, self.last, fields(head))
        pieces = [body[at : at + 16_384] for at in range(0, len(body), 16_384)] if body or not trailers else []
        for piece in pieces or ([] if trailers else [b""]):
            self._send(DATA, 0, self.last, piece)
        if trailers:
            self._send(HEADERS, END_HEADERS | END_STREAM, self.last, fields(trailers))
        elif ends:
            self._send(DATA, END_STREAM, self.last)
        return self.last

    def reset(self, stream):
        self._send(RST_STREAM, 0, stream, struct.pack(">I", 8))

    def frame(self):
        """Reads a frame, and answers where that is due."""
        head = self.reader.read(9)
        assert len(head) == 9, "the connection was closed"
        length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
        payload = self.reader.read(length)
        assert kind != GOAWAY, payload
        if kind in (SETTINGS, PING) and not flags & ACK:
            self._send(kind, ACK, 0, payload if kind == PING else b"")
        if kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
        if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self.ends[stream] = kind
        return kind, stream

    def answer(self, stream):
        """Waits for the end of an answer: its body, and whether that end was a good one."""
        while stream not in self.ends:
            self.frame()
        return self.bodies.get(stream, b""), self.ends[stream] != RST_STREAM
