"""Two workers of one Envoy, each with a VM of its own: what they count, cool and probe is one and the same.

The load comes from this process and is bounded: 10,000 small requests over loopback, 100 at a time.
"""

import asyncio
import collections
import json
import random
import re
import time
import urllib.request

import pytest
from gateway import deployment
from minute import within_a_minute

BODY = json.dumps({"model": "main", "messages": [{"role": "user", "content": "hello"}]}).encode()
ANSWER = json.dumps(
    {
        "id": "x", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
    }
).encode()


class Upstream:
    """A provider on an event loop: how long it takes and what it says may change at any time."""

    def __init__(self, delay=0.0, status=200, **headers):
        self.delay, self.status, self.headers = delay, status, headers
        self.seen, self.now, self.most, self.times = 0, 0, 0, []

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        return self

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
                await reader.readexactly(length)
                self.seen += 1
                self.times.append(time.monotonic())
                self.now += 1
                self.most = max(self.most, self.now)
                try:
                    if self.delay:
                        await asyncio.sleep(self.delay)
                finally:
                    self.now -= 1
                extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in self.headers.items())
                writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-type: application/json\r\n{extra}content-length: {len(ANSWER)}\r\n\r\n".encode() + ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def ask(port, leave_after=None):
    """One request on a connection of its own, so that the workers share them. Returns the status and headers, or `None` if it left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY)
        if leave_after is not None:
            await writer.drain()
            await asyncio.sleep(leave_after)
            return None
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(headers["content-length"]))
        return int(head.split()[1]), headers
    finally:
        writer.close()


def stats(envoy, name):
    """A statistic of ours, by deployment, summed over its other labels."""
    text = urllib.request.urlopen(f"{envoy.admin}/stats/prometheus").read().decode()
    values = collections.Counter()
    for labels, value in re.findall(rf"^signalbox_{name}{{(.*?)}} (\d+)$", text, re.M):
        values[re.search(r'deployment="(.*?)"', labels)[1]] += int(value)
    return values


def play(scenario):
    return asyncio.run(scenario())


def test_no_request_stays_in_flight_after_ten_thousand_of_which_a_third_left(gateway):
    async def scenario():
        upstreams = [await Upstream(delay=0.01).start() for _ in range(3)]
        entries = [deployment("main", up, id=f"main-{n}", max_parallel_requests=5000) for n, up in enumerate(upstreams)]
        envoy = gateway(*entries, router={"routing_strategy": "least-busy"}, concurrency=2)
        gate, came = asyncio.Semaphore(100), collections.Counter()

        async def one(number):
            async with gate:
                leave = random.random() * 0.02 if number % 3 == 0 else None
                got = await ask(envoy.port, leave)
                came["left" if got is None else got[0]] += 1

        await asyncio.gather(*(one(number) for number in range(10_000)))
        assert came == {"left": 3334, 200: 6666}, came
        for _ in range(100):
            left = stats(envoy, "in_flight")
            if len(left) == 3 and not any(left.values()):
                break
            await asyncio.sleep(0.1)
        assert left == {"main-0": 0, "main-1": 0, "main-2": 0}, left
        # Every attempt that began has one end.
        for _ in range(100):
            # Each worker tells its counts at a tick of its own.
            ends = stats(envoy, "attempts")
            if sum(ends.values()) >= sum(up.seen for up in upstreams):
                break
            await asyncio.sleep(0.1)
        assert sum(ends.values()) >= sum(up.seen for up in upstreams) >= 6666
        shares = [up.seen / sum(up.seen for up in upstreams) for up in upstreams]
        assert min(shares) > 0.25, shares

    play(scenario)


@within_a_minute
def test_a_limit_of_requests_holds_for_both_workers_together(gateway):

    async def scenario():
        upstream = await Upstream().start()
        envoy = gateway(
            deployment("main", upstream, rpm=50), router={"routing_strategy": "usage-based-routing-v2"}, concurrency=2
        )
        got = await asyncio.gather(*(ask(envoy.port) for _ in range(200)))
        assert collections.Counter(status for status, _ in got) == {200: 50, 429: 150}
        assert upstream.seen == 50
        for status, headers in got:
            if status == 429:
                assert 0 < int(headers["retry-after"]) <= 60

    play(scenario)


def test_no_more_at_a_time_than_allowed(gateway):
    async def scenario():
        first, second = await Upstream(delay=0.05).start(), await Upstream(delay=0.05).start()
        envoy = gateway(
            deployment("main", first, order=1, max_parallel_requests=4), deployment("main", second, order=2), concurrency=2
        )
        for _ in range(5):
            got = await asyncio.gather(*(ask(envoy.port) for _ in range(40)))
            assert {status for status, _ in got} == {200}
        assert 2 <= first.most <= 4, first.most
        assert first.seen + second.seen == 200

    play(scenario)


def test_one_worker_cools_for_both(gateway):
    async def scenario():
        bad, good = await Upstream(status=401).start(), await Upstream().start()
        envoy = gateway(deployment("main", bad, order=1, cooldown_time=30), deployment("main", good, order=2), concurrency=2)
        status, _ = await ask(envoy.port)
        assert (status, bad.seen) == (200, 1)
        await asyncio.sleep(0.5)
        got = await asyncio.gather(*(ask(envoy.port) for _ in range(60)))
        assert {status for status, _ in got} == {200}
        assert bad.seen == 1, "the other worker asked it again"

    play(scenario)


@pytest.mark.parametrize("again", [200, 503])
def test_one_probe_not_two(gateway, again):
    async def scenario():
        first, second = await Upstream(status=503, retry_after=1).start(), await Upstream().start()
        envoy = gateway(
            deployment("main", first), deployment("other", second), router={"fallbacks": [{"main": ["other"]}]}, concurrency=2
        )
        assert (await ask(envoy.port))[0] == 200
        assert first.seen >= 1
        first.seen, first.delay, first.status, first.headers = 0, 1.2, again, {}
        await asyncio.sleep(1.3)
        asked = [asyncio.create_task(ask(envoy.port)) for _ in range(60)]
        await asyncio.sleep(0.7)
        assert first.seen == 1, "one request at a time finds out"
        got = await asyncio.gather(*asked)
        assert {status for status, _ in got} == {200}
        await asyncio.sleep(0.5)
        first.delay, before = 0, first.seen
        got = await asyncio.gather(*(ask(envoy.port) for _ in range(20)))
        assert {status for status, _ in got} == {200}
        if again == 200:
            assert first.seen == before + 20, "closed again"
        else:
            assert first.seen == before, "cooling again"

    play(scenario)
