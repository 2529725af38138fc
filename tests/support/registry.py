"""A registry of images on loopback, and what pushes to it: Debian's docker-registry and skopeo, unpacked below `target/` and not installed.

Where they cannot be had, a test that needs them is skipped and says so; in CI it fails.
"""

import json
import os
import shutil
import subprocess
import tarfile
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "target" / "registry"
# With what skopeo is linked to and not every machine has.
PACKAGES = ("skopeo", "docker-registry", "libgpgme11", "libassuan0", "libgpg-error0", "libdevmapper1.02.1")
MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def tools():
    """The directory with the programs, fetched once."""
    if not (TOOLS / "usr/bin/skopeo").exists():
        problem = _fetch()
        if problem:
            assert not os.environ.get("CI"), problem
            pytest.skip(f"a registry and skopeo cannot be had here: {problem}")
    return TOOLS


def _fetch():
    new = TOOLS.with_name(f"registry-{os.getpid()}")
    packed = new / "packed"
    packed.mkdir(parents=True)
    try:
        download = ["apt-get", "download", *PACKAGES]
        if subprocess.run(download, cwd=packed, capture_output=True).returncode:
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
            subprocess.run(download, cwd=packed, capture_output=True, check=True)
        for package in packed.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, new], check=True)
        shutil.rmtree(packed)
        if not TOOLS.exists():
            new.rename(TOOLS)
    except (OSError, subprocess.CalledProcessError) as problem:
        return f"{problem}: {getattr(problem, 'stderr', '')}"
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return None


class Registry:
    """A registry on a port, with its images in a folder."""

    def __init__(self, folder, port):
        self.folder, self.address = folder, f"127.0.0.1:{port}"
        folder.mkdir(parents=True, exist_ok=True)
        storage = {"filesystem": {"rootdirectory": str(folder / "images")}}
        config = {"version": 0.1, "log": {"level": "warn"}, "storage": storage, "http": {"addr": self.address}}
        (folder / "config.yml").write_text(json.dumps(config))
        program = tools() / "usr/bin/docker-registry"
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
        until = time.monotonic() + 20
        while not self._is_there():
            assert self.process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)

    def _is_there(self):
        try:
            return urllib.request.urlopen(f"http://{self.address}/v2/", timeout=1).status == 200
        except OSError:
            return False

    def push(self, layout, tag, name):
        """Pushes an image from its layout, under a name and the same tag."""
        (self.folder / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        libraries = ":".join(str(folder) for folder in (tools() / "usr/lib").glob("*-linux-gnu"))
        made = subprocess.run(
            [tools() / "usr/bin/skopeo", "--policy", self.folder / "policy.json", "copy", "--preserve-digests", "--dest-tls-verify=false",
             f"oci:{layout}:{tag}", f"docker://{self.address}/{name}:{tag}"],
            capture_output=True, text=True, env={**os.environ, "LD_LIBRARY_PATH": libraries},
        )
        assert made.returncode == 0, made.stderr

    def get(self, path, **headers):
        """What the registry has there, and its headers."""
        with urllib.request.urlopen(urllib.request.Request(f"http://{self.address}/v2/{path}", headers=headers), timeout=20) as answer:
            return answer.read(), answer.headers

    def close(self):
        self.process.terminate()
        self.process.wait(10)


def fetched_as_an_agent_does(registry, name, reference):
    """The module of an image, by the rules of Istio's agent: the digest is that of the manifest; of the layers the last one counts, which is a
    compressed archive with `plugin.wasm` in it."""
    manifest, headers = registry.get(f"{name}/manifests/{reference}", Accept=MANIFESTS)
    layer = json.loads(manifest)["layers"][-1]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    packed, _ = registry.get(f"{name}/blobs/{layer['digest']}")
    file = registry.folder / "layer.tar.gz"
    file.write_bytes(packed)
    with tarfile.open(file, "r:gz") as archive:
        return archive.extractfile("plugin.wasm").read(), headers["docker-content-digest"]
