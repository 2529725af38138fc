"""Keys in files that are mounted as Kubernetes mounts a Secret: all files of a volume change at once, by one symbolic link."""

import hashlib
import json
import os
import shutil
import subprocess
import urllib.request

import pytest
from envoys import ENVOY
from gateway import SIGNALBOX, WASM, deployment, free_port, give_back
from provider import whole
from test_bedrock import ALONE, CLAUDE, converse
from test_shared_envoy import ask

SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


class Volume:
    """A directory as the kubelet writes it: `FILE` leads to `..data/FILE`, and `..data` to the version in force."""

    def __init__(self, folder):
        self.folder, self.version = folder, 0
        folder.mkdir()

    def write(self, files):
        self.version += 1
        version = self.folder / f"..2026_{self.version}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        (self.folder / "..data_tmp").symlink_to(version.name)
        os.replace(self.folder / "..data_tmp", self.folder / "..data")
        # The version of before is gone at once.
        for former in self.folder.glob("..2026_*"):
            if former != version:
                shutil.rmtree(former)


def written(key):
    """A key as a file of its own, and as one of Envoy's secret discovery."""
    secret = {"@type": SECRET, "name": "MOUNTED", "generic_secret": {"secret": {"inline_string": key}}}
    return {"MOUNTED": key, "mounted.yaml": json.dumps({"resources": [secret]})}


# Where Envoy follows no directory, a file with nothing but a key is read at the start alone.
@pytest.mark.parametrize(("file", "followed"), [("mounted.yaml", False), ("mounted.yaml", True), ("MOUNTED", True)])
def test_a_new_key_comes_with_the_volume(gateway, provider, tmp_path, file, followed):
    volume = Volume(tmp_path / "keys")
    volume.write(written("sk-one"))
    one = provider(whole("hi"))
    signalbox = {"secret_files": {"MOUNTED": str(volume.folder / file)}}
    envoy = gateway(deployment("smart", one, api_key="os.environ/MOUNTED"), signalbox=signalbox, followed=followed, concurrency=2, alone=True)

    def sent():
        assert ask(envoy, "/v1/chat/completions")[0] == 200
        return one.requests[-1].headers["authorization"]

    assert sent() == "Bearer sk-one"
    for key in ("sk-two", "sk-three"):
        volume.write(written(key))
        assert envoy.becomes(lambda: [sent() for _ in range(6)] == [f"Bearer {key}"] * 6)
    if file == "mounted.yaml":
        # And without symbolic links, as anybody else replaces a file.
        (volume.folder / "new").write_text(written("sk-four")["mounted.yaml"])
        os.replace(volume.folder / "new", volume.folder / file)
        assert envoy.becomes(lambda: [sent() for _ in range(6)] == ["Bearer sk-four"] * 6)
    assert "sk-" not in json.dumps(envoy.stats()) and "sk-three" not in envoy.log


def test_access_keys_of_aws_come_with_the_volume(gateway, provider, tmp_path):
    volume, one = Volume(tmp_path / "keys"), provider(converse("Good."))

    def write(access):
        volume.write({"aws": f"[default]\naws_access_key_id={access}\naws_secret_access_key=x\n"})

    write("AKIDONE")
    keys = {"aws_access_key_id": "os.environ/ID", "aws_secret_access_key": "os.environ/SECRET", "aws_region_name": "us-east-1"}
    signalbox = {"secret_files": {"SIGNALBOX_AWS_SMART_1": str(volume.folder / "aws")}}
    envoy = gateway(deployment("smart", one, CLAUDE, **keys), signalbox=signalbox, env=ALONE, concurrency=2)

    def signed_by():
        assert ask(envoy, "/v1/chat/completions")[0] == 200
        return one.requests[-1].headers["authorization"].split("Credential=")[1].split("/")[0]

    assert signed_by() == "AKIDONE"
    for access in ("AKIDTWO", "AKIDTHREE"):
        write(access)
        assert envoy.becomes(lambda: {signed_by() for _ in range(6)} == {access}), signed_by()


CHAT = {"model": "smart", "messages": [{"role": "user", "content": "hi"}]}
HASHED = "sk-by-hash-5501ee"
KNOWN = [{"name": "shop", "key": "os.environ/MOUNTED"}, {"name": "hashed", "key": "sha256:" + hashlib.sha256(HASHED.encode()).hexdigest()}]


def come(envoy, key, times=6):
    """The statuses of requests with a key, each on a connection of its own, so that all workers are asked."""
    found = []
    for _ in range(times):
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        request = urllib.request.Request(f"{envoy.base}/v1/chat/completions", json.dumps(CHAT).encode(), headers)
        try:
            found.append(urllib.request.urlopen(request, timeout=20).status)
        except urllib.error.HTTPError as refused:
            found.append(refused.code)
    return set(found)


def shown(envoy):
    """All that the gateway writes or shows."""
    pages = ("config_dump?include_eds", "stats", "stats/prometheus", "clusters", "listeners", "init_dump")
    files = [file.read_text() for file in (envoy.followed or envoy.folder).glob("*.yaml")]
    return "\n".join([envoy.log, *files, *(urllib.request.urlopen(f"{envoy.admin}/{page}").read().decode() for page in pages)])


@pytest.mark.parametrize(("file", "followed"), [("mounted.yaml", False), ("mounted.yaml", True), ("MOUNTED", True)])
def test_a_clients_new_key_comes_with_the_volume(gateway, provider, tmp_path, file, followed):
    volume = Volume(tmp_path / "keys")
    volume.write(written("sk-one"))
    upstream = provider(whole("hi"))
    signalbox = {"clients": KNOWN, "access_log": True, "secret_files": {"MOUNTED": str(volume.folder / file)}}
    envoy = gateway(deployment("smart", upstream), signalbox=signalbox, followed=followed, concurrency=2, alone=True)
    # Until it is known, nobody is told that it is wrong.
    assert come(envoy, "sk-one", 1) <= {200, 503}
    assert envoy.becomes(lambda: come(envoy, "sk-one") == {200})
    assert come(envoy, "sk-two") == {401} and come(envoy, HASHED) == {200}
    volume.write(written("sk-two"))
    assert envoy.becomes(lambda: come(envoy, "sk-two") == {200}, 10)
    assert come(envoy, "sk-one") == {401} and come(envoy, "") == {401}
    # No key at all in the file: it opens to nobody.
    volume.write(written(""))
    assert envoy.becomes(lambda: come(envoy, "sk-two") == {401}, 10)
    assert come(envoy, "") == {401} and come(envoy, HASHED) == {200}
    assert not any(key in shown(envoy) for key in ("sk-one", "sk-two", HASHED)) and "client=shop@" in envoy.log
    for request in upstream.requests:
        assert "sk-" not in repr(request.headers) and "x-signalbox-key" not in request.headers


def test_a_clients_file_that_is_missing_costs_that_client_alone(gateway, provider, tmp_path):
    path = tmp_path / "keys" / "MOUNTED"
    path.parent.mkdir()
    signalbox = {"clients": KNOWN, "secret_files": {"MOUNTED": str(path)}}
    envoy = gateway(deployment("smart", provider(whole("hi"))), signalbox=signalbox, followed=True, concurrency=2, alone=True)
    assert envoy.becomes(lambda: come(envoy, "sk-one") == {401})
    assert come(envoy, HASHED) == {200} and come(envoy, "") == {401}
    (path.parent / "new").write_text("sk-one")
    os.replace(path.parent / "new", path)
    # Envoy looks again when its own file for the key is moved into place, as with a configuration that is written anew.
    envoy.configure([deployment("smart", provider(whole("hi")))], signalbox=signalbox)
    assert envoy.becomes(lambda: come(envoy, "sk-one") == {200}, 10)


@pytest.mark.parametrize("held", [None, "", "\n"])
def test_without_its_master_key_in_the_file_nobody_comes_in(gateway, provider, tmp_path, held):
    path, port, admin = tmp_path / "MASTER", free_port(), free_port()
    if held is not None:
        path.write_text(held)
    general, files = {"master_key": "os.environ/MASTER"}, {"secret_files": {"MASTER": str(path)}}
    envoy = gateway(deployment("smart", provider(whole("hi"))), general=general, signalbox=files, followed=True, alone=True)
    assert envoy.becomes(lambda: come(envoy, "sk-one") == {401}) and come(envoy, "") == {401}
    config = json.loads((envoy.folder / "config.yaml").read_text())
    config["signalbox"] |= {"listen": f"127.0.0.1:{port}", "admin": f"127.0.0.1:{admin}"}
    file, bootstrap = tmp_path / "config.json", tmp_path / "envoy.yaml"
    file.write_text(json.dumps(config))
    up = subprocess.run([SIGNALBOX, "up", file, "--wasm", WASM], capture_output=True, text=True, timeout=60)
    assert up.returncode == 1 and str(path) in up.stderr, up.stderr
    if held is None:
        assert subprocess.run([SIGNALBOX, "envoy", file, "-o", bootstrap, "--wasm", WASM], capture_output=True).returncode == 0
        alone = subprocess.run([ENVOY, "-c", bootstrap, "--disable-hot-restart"], capture_output=True, text=True, timeout=60)
        assert alone.returncode != 0 and str(path) in alone.stderr, alone.stderr[-2000:]
    give_back(port, admin)
