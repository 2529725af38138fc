"""The demo: README's first command, on ports of its own, must find every row as it is listed."""

import shutil
import subprocess
import sys

from gateway import ENVOY, ROOT, SIGNALBOX, WASM, free_port


def test_the_tour_is_as_it_is_listed(tmp_path):
    """A copy of demo/ beside links to what is tested; a row that is wrong is printed with what was seen."""
    ports = {port: free_port() for port in ("10000", "9901", "10101", "10102", "10103")}
    for folder in ("demo", "dist"):
        (tmp_path / folder).mkdir()
    for name in ("demo.py", "config.yaml"):
        text = (ROOT / "demo" / name).read_text()
        for port, ours in ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{ours}")
        (tmp_path / "demo" / name).write_text(text)
    # The command looks for the module beside itself, wherever a link to it lies.
    shutil.copy(SIGNALBOX, tmp_path / "dist" / "signalbox")
    (tmp_path / "dist" / "signalbox.wasm").symlink_to(WASM)
    environment = {"ENVOY_BIN": str(ENVOY), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, tmp_path / "demo" / "demo.py", "tour"]
    tour = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert tour.returncode == 0, tour.stdout + tour.stderr
    assert "all as expected" in tour.stdout
