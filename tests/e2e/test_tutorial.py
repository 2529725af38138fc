"""The tutorial, command by command: what docs/tutorial.md shows is what a reader sees."""

import re
import subprocess
import time

from gateway import ENVOY, ROOT, SIGNALBOX, WASM, free_port

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
EXAMPLE = "examples/first-steps.yaml"


def commands():
    """The page's commands up to the real provider."""
    prose = "".join(PAGE.split("## 8.")[0].split("```")[::2])
    return re.findall(r"^    (.+)$", prose, re.M)


def shown(heading):
    """The first output that a chapter shows."""
    return PAGE.split(heading)[1].split("```\n")[1]


def test_a_reader_of_the_tutorial_sees_what_it_shows(tmp_path):
    ports = {"10000": free_port(), "9901": free_port(), "10101": free_port(), "10102": free_port()}

    def here(text):
        for port, ours in ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{ours}")
        return text.replace("dist/signalbox", str(SIGNALBOX))

    config = here((ROOT / EXAMPLE).read_text()).rstrip()
    (tmp_path / "examples").mkdir()
    (tmp_path / EXAMPLE).write_text(here(f"{config}\n  listen: 127.0.0.1:10000\n  admin: 127.0.0.1:9901\n"))
    environment = {"ENVOY_BIN": str(ENVOY), "PATH": "/usr/bin:/bin"}
    lines = [here(line) for line in commands()]
    build, check, sim, up, write, ask, break_it, again, state, explain, repair = lines
    assert build == "make build envoy"

    def run(line):
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def headers(answer):
        return [line for line in answer.splitlines() if line.startswith(("HTTP/", "x-signalbox-"))]

    def start(line, says, name):
        log = tmp_path / name
        process = subprocess.Popen(f"exec {line}", shell=True, cwd=tmp_path, env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT)
        until = time.monotonic() + 60
        while says not in log.read_text():
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        return process

    assert "1 model group and 2 deployments" in run(check)
    running = [start(sim, f"second http://127.0.0.1:{ports['10102']}", "sim")]
    try:
        running.append(start(f"{up} --wasm {WASM} --concurrency 1", f"listening on 127.0.0.1:{ports['10000']}", "up"))
        run(write)
        assert headers(run(ask)) == shown("## 4.").splitlines()
        run(break_it)
        assert headers(run(again)) == shown("## 5.").splitlines()
        # Other requests know of it at the worker's next tick.
        time.sleep(0.3)
        assert "x-signalbox-attempts: 1" in headers(run(again))
        run(state)
        told, found = shown("## 6.").splitlines()[:-1], run(explain).splitlines()
        without_time = lambda lines: [re.sub(r"for [\d.]+ s", "for N s", line) for line in lines]  # noqa: E731
        assert without_time(found)[: len(told)] == without_time(told)
        run(repair)
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(20)
    line = PAGE.split("has a line for each request:\n\n```\n")[1].split("\n")[0]
    parts = lambda text: re.sub(r"[\d:.]+ 200|\d+ms", "", text)  # noqa: E731
    assert parts(line) in [parts(found) for found in (tmp_path / "up").read_text().splitlines()]
