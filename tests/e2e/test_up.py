"""`signalbox up` with the real Envoy: how it starts, takes a new configuration, and ends."""

import collections
import concurrent.futures
import contextlib
import fcntl
import http.client
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import termios
import time
from pathlib import Path

import pytest
from gateway import ENVOY, SIGNALBOX, WASM, deployment, free_port
from provider import DONE, stream, tokens, wait, whole

pytestmark = pytest.mark.long


class Up:
    """`signalbox up` on ports of its own, as a shell would run it: in a group of processes of its own."""

    def __init__(self, folder, deployments, more=(), wasm=WASM, settings=None, before=None, piped=False, terminal=False):
        self.folder, self.port, self.admin = folder, free_port(), free_port()
        self.file, self.log_path = folder / "config.yaml", folder / "up.log"
        self.configure(deployments, settings)
        command = [SIGNALBOX, "up", self.file, "--envoy", ENVOY, "--wasm", wasm, "--concurrency", "1", *more]
        if before:
            command = ["sh", "-c", f'{before}; exec "$0" "$@"', *command]
        with contextlib.ExitStack() as stack:
            out, lead = subprocess.PIPE if piped else stack.enter_context(self.log_path.open("w")), None
            if terminal:
                self.terminal, out = pty.openpty()
                stack.callback(os.close, out)
                lead = lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0)  # noqa: E731
            self.process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=lead
            )

    def configure(self, deployments, settings=None):
        own = {"listen": f"127.0.0.1:{self.port}", "admin": f"127.0.0.1:{self.admin}"} | (settings or {})
        self.file.write_text(json.dumps({"model_list": deployments, "signalbox": own}))

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def says(self, words, times=1, seconds=30):
        until = time.monotonic() + seconds
        while self.log.count(words) < times:
            assert time.monotonic() < until, f"it does not say {words!r}:\n{self.log}"
            time.sleep(0.02)

    def listens(self):
        self.says(f"listening on 127.0.0.1:{self.port}")
        return self

    def envoy(self):
        """The process id of its Envoy."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        assert len(children) == 1, children
        return int(children[0])

    def connect(self, port=None):
        return http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)

    def ask(self, model="m", connection=None, **more):
        """The answer to a request: a connection of its own, if none is given, stays with the configuration it came by."""
        connection = connection or self.connect()
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]} | more
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        return connection.getresponse()

    def tell(self, name):
        self.process.send_signal(name)

    def ends(self, seconds=10):
        return self.process.wait(seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture
def up(tmp_path):
    """Runs `signalbox up`."""
    made = []

    def make(*deployments, **options):
        folder = tmp_path / f"up-{len(made)}"
        folder.mkdir()
        made.append(Up(folder, list(deployments), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def runs(process):
    """Whether a process has not ended."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def becomes(true, seconds):
    until = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return False
    except ConnectionRefusedError:
        return True


def slow_stream(seconds):
    events = tokens(3)
    return stream(*events[:2], seconds, *events[2:])


def test_s15_it_listens_when_it_says_so(up, provider):
    one = up(deployment("m", provider(whole("hi"))))
    one.listens()
    with socket.create_connection(("127.0.0.1", one.port), 1):
        pass
    assert one.ask().status == 200


def test_s13_no_envoy_outlives_it(up, provider):
    one = up(deployment("m", provider(whole("hi")))).listens()
    envoy = one.envoy()
    one.process.kill()
    one.ends()
    assert becomes(lambda: not runs(envoy) and refuses(one.port), 1)


def test_s13_an_envoy_that_is_killed_is_started_again(up, provider):
    one = up(deployment("m", provider(whole("hi")))).listens()
    first = one.envoy()
    os.kill(first, signal.SIGKILL)
    one.says("warning: Envoy was killed (SIGKILL)")
    one.says("again", 2)
    assert one.envoy() != first and one.ask().status == 200
    # What it takes for a new configuration is what it was.
    one.configure([deployment("n", provider(whole("new")))])
    one.tell(signal.SIGHUP)
    one.says("the new configuration is in force")
    assert one.ask("n").status == 200
    one.tell(signal.SIGTERM)
    assert one.ends() == 0


@pytest.mark.parametrize("by", ["SIGTERM", "SIGINT", "terminal"])
def test_s6_what_is_on_its_way_ends_first(up, provider, by):
    slow = provider(slow_stream(2))
    one = up(deployment("m", slow)).listens()
    answer = one.ask(stream=True)
    assert answer.status == 200 and answer.readline().startswith(b"data: ")
    # A Ctrl-C goes to all processes of the terminal's group.
    os.killpg(one.process.pid, signal.SIGINT) if by == "terminal" else one.tell(getattr(signal, by))
    one.says("finishing 1 request, for up to 30 s; a second signal ends at once")
    assert becomes(lambda: refuses(one.port), 1), "it takes no more connections"
    assert answer.read().endswith(DONE)
    assert one.ends(5) == 0 and "cut off" not in one.log


def test_s6_a_connection_that_is_open_is_served_once_more(up, provider):
    slow, quick = provider(slow_stream(2)), provider(whole("hi"))
    one = up(deployment("m", slow), deployment("n", quick)).listens()
    kept = one.connect()
    assert one.ask("n", kept).read()
    answer = one.ask(stream=True)
    answer.readline()
    one.tell(signal.SIGTERM)
    assert becomes(lambda: refuses(one.port), 2)
    last = one.ask("n", kept)
    assert (last.status, last.getheader("connection")) == (200, "close")
    assert answer.read().endswith(DONE) and one.ends(5) == 0


def test_s6_a_second_signal_ends_at_once(up, provider):
    one = up(deployment("m", provider(slow_stream(20)))).listens()
    answer = one.ask(stream=True)
    answer.readline()
    one.tell(signal.SIGTERM)
    one.says("finishing 1 request")
    assert one.process.poll() is None
    started = time.monotonic()
    one.tell(signal.SIGTERM)
    assert one.ends() == 0 and time.monotonic() - started < 3
    assert "warning: 1 request was cut off" in one.log
    with pytest.raises(http.client.IncompleteRead):
        answer.read()


def test_s6_it_waits_no_longer_than_it_may(up, provider):
    one = up(deployment("m", provider(slow_stream(20))), more=["--drain-time", "1"]).listens()
    answer = one.ask(stream=True)
    answer.readline()
    started = time.monotonic()
    one.tell(signal.SIGTERM)
    assert one.ends() == 0 and 1 <= time.monotonic() - started < 4
    assert "for up to 1 s" in one.log and "1 request was cut off" in one.log


def test_s6_nobody_need_read_what_it_says(up, provider):
    # `up ... 2>&1 | tee log`: a Ctrl-C ends `tee` too, and first.
    one = up(deployment("m", provider(slow_stream(2))), piped=True)
    reader = one.process.stdout
    while b"listening on" not in reader.readline():
        pass
    answer = one.ask(stream=True)
    answer.readline()
    reader.close()
    one.tell(signal.SIGINT)
    assert answer.read().endswith(DONE) and one.ends(5) == 0


def test_s6_a_terminal_that_is_closed_ends_it(up, provider):
    one = up(deployment("m", provider(slow_stream(2))), terminal=True)
    shown = b""
    while b"listening on" not in shown:
        shown += os.read(one.terminal, 4096)
    answer = one.ask(stream=True)
    answer.readline()
    os.close(one.terminal)
    assert answer.read().endswith(DONE) and one.ends(5) == 0


def test_s6_where_nothing_is_on_its_way_it_ends_at_once(up, provider):
    one = up(deployment("m", provider(whole("hi")))).listens()
    kept = one.connect()
    assert one.ask(connection=kept).read()
    started = time.monotonic()
    one.tell(signal.SIGTERM)
    assert one.ends() == 0 and time.monotonic() - started < 3
    assert "finishing" not in one.log


def test_s12_what_envoy_refuses_is_told_and_what_was_in_force_stays(up, provider, tmp_path):
    module = tmp_path / "module.wasm"
    shutil.copy(WASM, module)
    here = provider(whole("hi"))
    one = up(deployment("m", here), wasm=module).listens()
    module.rename(tmp_path / "away.wasm")
    one.configure([deployment("n", here)])
    one.tell(signal.SIGHUP)
    one.says("the previous one stays in force")
    assert "Envoy refuses the new cds.yaml: its log says why" in one.log and f"Invalid path: {module}" in one.log
    assert "is in force" not in one.log and one.ask("m").status == 200 and one.ask("n").status == 404
    # Nor is it what an Envoy that starts next would find.
    (tmp_path / "away.wasm").rename(module)
    os.kill(one.envoy(), signal.SIGKILL)
    one.says("again", 2)
    assert one.ask("m").status == 200 and one.ask("n").status == 404
    one.tell(signal.SIGHUP)
    one.says("the new configuration is in force")
    assert one.ask("n").status == 200


def test_s12_a_listener_that_envoy_refuses_is_told_with_its_reason(gateway, provider):
    here = provider(whole("hi"))
    envoy = gateway(deployment("m", here), followed=True)
    before = {file.name: file.read_text() for file in envoy.followed.iterdir()}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = {"listen": address, "admin": envoy.admin.removeprefix("http://")}
        (envoy.folder / "config.yaml").write_text(json.dumps({"model_list": [deployment("n", here)], "signalbox": settings}))
        made = subprocess.run([SIGNALBOX, "envoy", envoy.folder / "config.yaml", "--directory", envoy.followed, "--wasm", WASM], capture_output=True, text=True)
    assert made.returncode == 2 and f"Envoy refuses the new lds.yaml: cannot bind '{address}'" in made.stderr, made.stderr
    assert {file.name: file.read_text() for file in envoy.followed.iterdir()} == before
    # The clusters, which it had taken, are taken back too.
    envoy.configure([deployment("n", here)])
    assert envoy.stats()["listener_manager.lds.update_rejected"] == "1"


def test_s12_a_new_address_is_listened_on_before_it_is_told(up, provider):
    here = provider(whole("hi"))
    one = up(deployment("m", here)).listens()
    taken = socket.create_server(("127.0.0.1", 0))
    one.configure([deployment("m", here)], {"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
    one.tell(signal.SIGHUP)
    one.says("the previous one stays in force")
    assert "cannot listen on 127.0.0.1:" in one.log and one.ask().status == 200
    taken.close()
    port = free_port()
    one.configure([deployment("m", here)], {"listen": f"127.0.0.1:{port}"})
    one.tell(signal.SIGHUP)
    one.says(f"the new configuration is in force, on 127.0.0.1:{port}")
    assert one.ask(connection=one.connect(port)).status == 200
    os.kill(one.envoy(), signal.SIGKILL)
    one.says(f"listening on 127.0.0.1:{port} again")


def test_it_does_not_start_with_what_envoy_refuses(up, provider, tmp_path):
    module = tmp_path / "module.wasm"
    module.write_bytes(b"no wasm")
    one = up(deployment("m", provider(whole("hi"))), wasm=module)
    assert one.ends(30) == 1
    assert "error: Envoy refuses its clusters; its log says why" in one.log and "Wasm" in one.log
    assert "listening on" not in one.log


def test_s14_it_has_as_many_files_open_as_it_may(up, provider):
    one = up(deployment("m", provider(whole("hi"))), before="ulimit -Sn 200; ulimit -Hn 5000").listens()
    limits = Path(f"/proc/{one.envoy()}/limits").read_text()
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")] == [["5000", "5000"]]
    assert "may be open" not in one.log
    few = up(deployment("m", provider(whole("hi"))), before="ulimit -n 300").listens()
    assert "only 300 files may be open, enough for about 118 requests at a time" in few.log


def test_s14_open_files_that_are_used_up_are_no_provider_s_fault(up, provider):
    def slowly(connection, request):
        wait(connection, 6)
        return whole("hi")(connection, request)

    ends = [deployment("m", provider(slowly), id=name) for name in ("one", "two")]
    # Envoy needs some thirty itself; each request takes one for its client and one for its provider.
    one = up(*ends, before="ulimit -n 110", settings={"state_path": "/state"}).listens()
    # All clients are connected before the first asks: else Envoy leaves the last of them waiting, and serves them later.
    clients = [one.connect() for _ in range(60)]
    for client in clients:
        client.request("HEAD", "/")
        assert client.getresponse().read() == b""
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda client: read(one.ask(connection=client)), clients))
    for client in clients:
        client.close()
    statuses = collections.Counter(status for status, _, _ in answers)
    assert set(statuses) == {200, 503} and min(statuses.values()) > 5, statuses
    for _, headers, body in (answer for answer in answers if answer[0] == 503):
        assert headers["retry-after"] == "1" and body["error"]["code"] == "gateway_overloaded", body
        assert "the gateway can open no more connections now" in body["error"]["message"]
    connection = one.connect()
    connection.request("GET", "/state")
    state = json.loads(connection.getresponse().read())["deployments"]
    assert set(state) == {"one", "two"} and not any("cooling_for" in seen for seen in state.values()), state
    status, headers, _ = read(one.ask())
    assert (status, headers["x-signalbox-attempts"]) == (200, "1")


def read(answer):
    return answer.status, dict(answer.getheaders()), json.loads(answer.read())
