"""Where LiteLLM's Router sends a request, and with which key: read off the request itself, which is caught before any socket is opened.

Each configuration is tried in a process of its own, because LiteLLM keeps what it reads in its module and in the environment. What its
proxy does before it makes the Router is done here by hand: references are resolved, then `environment_variables` set, then
`litellm_settings` and credentials put into the module.
"""

import asyncio
import contextlib
import copy
import importlib
import multiprocessing
import os
import sys

import litellm_oracle  # noqa: F401 (no socket, no log)
import httpx
import litellm
from litellm.types.utils import CredentialItem

KEY_HEADERS = ("authorization", "x-api-key", "api-key")


def resolved(value):
    if isinstance(value, dict):
        return {key: resolved(one) for key, one in value.items()}
    if isinstance(value, list):
        return [resolved(one) if isinstance(one, dict) else one for one in value]
    if isinstance(value, str) and value.startswith("os.environ/"):
        return litellm.get_secret(value)
    return value


def router_of(config):
    config = resolved(copy.deepcopy(config))
    os.environ.update({name: str(value) for name, value in (config.get("environment_variables") or {}).items()})
    for name, value in (config.get("litellm_settings") or {}).items():
        setattr(litellm, name, value)
    router = litellm.Router(model_list=config["model_list"], ignore_invalid_deployments=True)
    items = config.get("credential_list") or []
    litellm.credential_list = [CredentialItem(**{"credential_info": {}, **item}) for item in items]
    return router


def _try(config, env, pipe):
    sent = []

    def caught(request):
        if not request.content:
            # It looks for newer lists of its own.
            return httpx.Response(404, request=request)
        keys = [request.headers[name].removeprefix("Bearer ") for name in KEY_HEADERS if name in request.headers]
        sent.append({"url": str(request.url), "keys": keys, "headers": list(request.headers), "body": request.content.decode()})
        return httpx.Response(418, request=request, json={"error": {"message": "caught"}})

    async def caught_later(_client, request, **_):
        return caught(request)

    httpx.Client.send = lambda _client, request, **_: caught(request)
    httpx.AsyncClient.send = caught_later
    litellm.disable_aiohttp_transport = True
    litellm.drop_params = False
    kept = {name: os.environ[name] for name in ("PATH", "LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_LOG") if name in os.environ}
    os.environ.clear()
    os.environ.update(kept | env)
    found = {}
    try:
        router = router_of(config)
        for name in dict.fromkeys(entry["model_name"] for entry in config["model_list"]):
            sent.clear()
            try:
                request = {"model": name, "messages": [{"role": "user", "content": "hi"}], "num_retries": 0}
                asyncio.run(router.acompletion(**request))
            except Exception:  # Whatever it makes of the answer.
                pass
            found[name] = sent[0] if sent else None
    finally:
        pipe.send((found, list(sys.modules)))


def destinations(config, env):
    """For each model group the first request that LiteLLM sends: `url`, `keys`, `body`. `None`: it sends nothing."""
    found, modules = _in_a_process(config, env)
    # Most of LiteLLM is imported when it is first used. The next process need not do that again.
    for name in modules:
        if name not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    return found


def _in_a_process(config, env):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_try, args=(config, env, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()
