"""Who may come in: keys of clients, what each may ask for, and how much of it."""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

import anthropic
import openai
import pytest
from envoys import ENVOY
from gateway import SIGNALBOX, WASM, deployment, free_port, give_back
from minute import within_a_minute
from provider import silent, whole

HELLO = [{"role": "user", "content": "hello"}]
# A thousand tokens of each kind; gpt-4o-mini takes 0.15 and 0.6 USD a million, so each request costs 0.00075 USD.
USAGE = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
SECRETS = {"MASTER": "sk-master-3b2f9c", "SHOP_KEY": "sk-shop-77aa01"}
BY_HASH = "sk-by-hash-5501ee"
HASH = "sha256:" + hashlib.sha256(BY_HASH.encode()).hexdigest()
LITERAL = "sk-literal-9f0e1d2c3b4a"


def post(envoy, body, path="/v1/chat/completions", method="POST", **headers):
    """A request with these headers, and the answer's status, headers and body."""
    data = json.dumps(body).encode() if method == "POST" else None
    given = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(envoy.base + path, data, given, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read()
    return answer.status, dict(answer.headers), json.loads(text) if text else None


def ask(envoy, key, model="m", **more):
    return envoy.client(api_key=key).chat.completions.with_raw_response.create(model=model, messages=HELLO, **more)


def get(envoy, path, key=None):
    return post(envoy, None, path, "GET", **({"authorization": f"Bearer {key}"} if key else {}))


def clients(*more, **signalbox):
    shop = {"name": "shop", "key": "os.environ/SHOP_KEY"}
    return {"clients": [shop, {"name": "hashed", "key": HASH}, *more]} | signalbox


def test_a_key_opens_in_each_header_and_goes_no_further(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("m", upstream), signalbox=clients(), general={"master_key": "os.environ/MASTER"}, env=SECRETS, concurrency=2)
    body = {"model": "m", "messages": HELLO}
    keys = [*SECRETS.values(), BY_HASH]
    for key in keys:
        for headers in ({"authorization": f"Bearer {key}"}, {"x_api_key": key}, {"api_key": key}):
            assert post(envoy, body, **headers)[0] == 200, headers
    assert len(upstream.requests) == 3 * len(keys)
    for request in upstream.requests:
        text = repr(request.headers) + request.body.decode()
        assert not any(key in text for key in keys), text
        assert not {"authorization", "x-api-key", "api-key"} & set(request.headers), "the deployment has no key of its own"


def test_nobody_else_comes_in_and_each_dialect_hears_it_in_its_own_words(provider, gateway):
    upstream = provider()
    expired = {"name": "gone", "key": LITERAL, "expires": "2020-01-31"}
    envoy = gateway(deployment("m", upstream), signalbox=clients(expired), env=SECRETS, concurrency=2)
    body = {"model": "m", "messages": HELLO}
    for headers in ({}, {"authorization": "Bearer sk-wrong"}, {"authorization": "Bearer "}, {"x_api_key": "sk-shop-77aa0"}, {"cookie": SECRETS["SHOP_KEY"]}):
        status, got, error = post(envoy, body, **headers)
        assert (status, error["error"]["code"], got["x-signalbox-error"]) == (401, "invalid_api_key", "invalid_api_key"), headers
        assert got["www-authenticate"] == "Bearer" and "sk-" not in json.dumps(error)
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(envoy, LITERAL)
    assert refused.value.code == "expired_api_key"
    claude = anthropic.Anthropic(base_url=envoy.base, api_key="sk-wrong", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as refused:
        claude.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert refused.value.body["error"]["type"] == "authentication_error"
    with pytest.raises(openai.AuthenticationError):
        envoy.client(api_key="sk-wrong").responses.create(model="m", input="hello")
    with pytest.raises(openai.AuthenticationError):
        envoy.client(api_key="sk-wrong").embeddings.create(model="m", input="hello")
    for path in ("/v1/models", "/v1/models/m", "/nowhere", "/v1/responses/resp_1"):
        assert get(envoy, path)[0] == 401, path
    hello = urllib.request.Request(envoy.base + "/", method="HEAD")
    assert urllib.request.urlopen(hello).status == 200, "whether anybody is there, everybody may know"
    assert upstream.requests == []


def test_a_client_asks_for_its_own_models(provider, gateway):
    smart, cheap = provider(), provider()
    some = {"name": "some", "key": LITERAL, "models": ["sm*", "nick"]}
    envoy = gateway(
        deployment("smart", smart),
        deployment("cheap", cheap),
        router={"model_group_alias": {"nick": "cheap", "clever": "smart"}},
        signalbox=clients(some),
        env=SECRETS,
    )
    assert [ask(envoy, LITERAL, model).headers["x-signalbox-model-group"] for model in ("smart", "clever", "nick")] == ["smart", "smart", "cheap"]
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(envoy, LITERAL, "cheap")
    assert (refused.value.code, refused.value.param) == ("key_model_access_denied", "model")
    with pytest.raises(openai.PermissionDeniedError):
        ask(envoy, LITERAL, "smart", extra_body={"fallbacks": ["cheap"]})
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(envoy, LITERAL, "nick", extra_body={"models": ["a/dear-one"]})
    assert refused.value.param == "models", "OpenRouter would take one of them"
    assert ask(envoy, BY_HASH, "cheap", extra_body={"models": ["a/dear-one"]}).status_code == 200, "another may"
    listed = [model["id"] for model in get(envoy, "/v1/models", LITERAL)[2]["data"]]
    assert sorted(listed) == ["clever", "nick", "smart"]
    assert (get(envoy, "/v1/models/smart", LITERAL)[0], get(envoy, "/v1/models/cheap", LITERAL)[0]) == (200, 404)
    assert "cheap" not in json.dumps(get(envoy, "/v1/models/cheap", LITERAL)[2]["error"]["message"].split("serves")[1])
    assert len(cheap.requests) == 2


def test_a_pattern_grants_what_the_configuration_names_and_nothing_by_chance(provider, gateway):
    """Not a deployment's id, nor a provider's name for a model, nor what nobody knows and a default fallback takes."""
    smart, cheap = provider(), provider()
    some = {"name": "some", "key": LITERAL, "models": ["cheap*", "gpt-*", "smart-1"]}
    envoy = gateway(
        deployment("smart", smart, "openai/gpt-4o", id="gpt-of-smart"),
        deployment("smart", smart, "openai/o1", id="smart-1"),
        deployment("cheap", cheap),
        router={"default_fallbacks": ["smart"]},
        signalbox=clients(some),
        env=SECRETS,
    )
    for model in ("cheaper", "cheap\n", "cheap\0", "gpt-4o", "gpt-of-smart", "gpt-unknown"):
        with pytest.raises(openai.PermissionDeniedError) as refused:
            ask(envoy, LITERAL, model)
        assert refused.value.code == "key_model_access_denied", model
        assert ask(envoy, BY_HASH, model).headers["x-signalbox-model-group"] == "smart", "another may"
    asked = len(smart.requests)
    assert ask(envoy, LITERAL, "cheap").status_code == 200 and len(smart.requests) == asked
    assert ask(envoy, LITERAL, "smart-1").headers["x-signalbox-deployment"] == "smart-1", "what is named word for word"


def at_once(envoy, key, times, **more):
    """How many of these were served, and the codes of the others."""

    def one(_):
        try:
            return ask(envoy, key, **more).status_code
        except openai.RateLimitError as error:
            return error.code, int(error.response.headers["retry-after"])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = list(pool.map(one, range(times)))
    return got.count(200), [other for other in got if other != 200]


@within_a_minute
def test_a_clients_rpm_is_exact_across_workers(provider, gateway):
    upstream = provider()
    few = {"name": "few", "key": LITERAL, "rpm": 7}
    envoy = gateway(deployment("m", upstream), signalbox=clients(few), env=SECRETS, concurrency=2)
    served, refused = at_once(envoy, LITERAL, 40)
    assert served == 7 and len(upstream.requests) == 7
    assert all(code == "rate_limit_exceeded" and 1 <= wait <= 60 for code, wait in refused)
    assert at_once(envoy, BY_HASH, 10)[0] == 10, "another client's requests do not count"


@within_a_minute
def test_a_clients_tokens_and_requests_at_a_time_are_bounded(provider, gateway):
    upstream = provider(whole("x", usage=USAGE))
    slow = provider(lambda connection, request: (time.sleep(1.5), whole("x")(connection, request))[1])
    one = {"name": "one", "key": LITERAL, "max_parallel_requests": 2}
    small = {"name": "small", "key": "sk-small-0123456789abcdef", "tpm": 3000}
    envoy = gateway(deployment("m", upstream), deployment("slow", slow), signalbox=clients(one, small), env=SECRETS, concurrency=2)
    served, _ = at_once(envoy, LITERAL, 8, model="slow")
    assert served == 2
    envoy.settled()
    assert ask(envoy, LITERAL).status_code == 200, "both have ended"
    assert [ask(envoy, small["key"]).status_code, (envoy.settled(), ask(envoy, small["key"]).status_code)[1]] == [200, 200]
    envoy.settled()
    with pytest.raises(openai.RateLimitError):
        ask(envoy, small["key"])


def test_a_clients_budget_ends_its_requests_alone(provider, gateway):
    upstream = provider(whole("x", usage=USAGE))
    poor = {"name": "poor", "key": LITERAL, "max_budget": 0.001, "budget_duration": "30s"}
    envoy = gateway(
        deployment("m", upstream, "openai/gpt-4o-mini", id="mini"),
        signalbox=clients(poor, state_path="/signalbox/state", access_log=True),
        general={"master_key": "os.environ/MASTER"},
        env=SECRETS,
        concurrency=2,
    )
    for _ in range(2):
        ask(envoy, LITERAL)
        envoy.settled()
    with pytest.raises(openai.RateLimitError) as spent:
        ask(envoy, LITERAL)
    assert (spent.value.code, spent.value.status_code) == ("budget_exceeded", 429)
    assert 1 <= int(spent.value.response.headers["retry-after"]) <= 30
    claude = anthropic.Anthropic(base_url=envoy.base, api_key=LITERAL, max_retries=0)
    with pytest.raises(anthropic.RateLimitError):
        claude.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert ask(envoy, BY_HASH).status_code == 200
    envoy.settled()
    status, _, state = get(envoy, "/signalbox/state", SECRETS["MASTER"])
    assert status == 200 and state["clients"]["poor"]["budget_share"] == 1.5 and state["clients"]["poor"]["requests"] == 2
    assert state["clients"]["poor"]["tokens"] == 4000 and set(state["clients"]) == {"master", "shop", "hashed", "poor"}
    assert get(envoy, "/signalbox/state", LITERAL)[0] == 403 and get(envoy, "/signalbox/state")[0] == 401

    def counted():
        text = urllib.request.urlopen(f"{envoy.admin}/stats/prometheus").read().decode()
        return {key: int(value) for key, value in re.findall(r"^signalbox_client_(\w+{.*}) (\d+)$", text, re.M)}

    wanted = {
        'requests{client="poor",outcome="served"}': 2,
        'requests{client="poor",outcome="refused"}': 2,
        'requests{client="hashed",outcome="served"}': 1,
        'tokens{client="poor",type="input"}': 2000,
        'tokens{client="poor",type="output"}': 2000,
        'cost_nanodollars{client="poor"}': 1_500_000,
    }

    def normal(found):
        return {re.sub(r"{(.*)}", lambda labels: "{" + ",".join(sorted(labels[1].split(","))) + "}", key): value for key, value in found.items()}

    assert envoy.becomes(lambda: wanted.items() <= normal(counted()).items()), counted()
    assert envoy.becomes(lambda: envoy.log.count(" client=poor@127.0.0.1 ") >= 2 and " client=hashed@127.0.0.1 " in envoy.log), envoy.log


def test_a_clients_budget_is_exact_under_load(provider, gateway):
    """What many requests at a time cost is all paid, across workers, and then no more is served."""
    upstream = provider(whole("x", usage=USAGE))
    rich = {"name": "rich", "key": LITERAL, "max_budget": 0.0225, "budget_duration": "1d"}  # thirty requests' worth
    envoy = gateway(
        deployment("m", upstream, "openai/gpt-4o-mini", id="mini"),
        signalbox=clients(rich, state_path="/signalbox/state"),
        general={"master_key": "os.environ/MASTER"},
        env=SECRETS,
        concurrency=2,
    )

    def one(_):
        try:
            return ask(envoy, LITERAL).status_code
        except openai.RateLimitError as error:
            return error.code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = list(pool.map(one, range(120)))
    served = got.count(200)
    # Those in flight when it is spent, and those of the tick in which another worker hears of it.
    assert 30 <= served < 120 and set(got) <= {200, "budget_exceeded"} and len(upstream.requests) == served, got
    envoy.settled()
    rich = get(envoy, "/signalbox/state", SECRETS["MASTER"])[2]["clients"]["rich"]
    assert (rich["requests"], rich["tokens"]) == (served, 2000 * served) and abs(rich["budget_share"] - served / 30) < 1e-6, rich
    assert [one(0) for _ in range(8)] == ["budget_exceeded"] * 8
    assert ask(envoy, BY_HASH).status_code == 200


@pytest.mark.parametrize("duration", [{"budget_duration": "30d"}, {}])
def test_no_sdk_asks_again_for_what_is_spent_for_long(provider, gateway, duration):
    upstream = provider(whole("x", usage=USAGE))
    poor = {"name": "poor", "key": LITERAL, "max_budget": 0.0005} | duration
    envoy = gateway(deployment("m", upstream, "openai/gpt-4o-mini"), signalbox=clients(poor, access_log=True), env=SECRETS)
    ask(envoy, LITERAL)
    envoy.settled()
    with pytest.raises(openai.RateLimitError) as spent:
        envoy.client(api_key=LITERAL, max_retries=2).chat.completions.create(model="m", messages=HELLO)
    assert spent.value.code == "budget_exceeded" and spent.value.response.headers["x-should-retry"] == "false"
    assert int(spent.value.response.headers.get("retry-after", 86_400)) >= 86_400 // 2
    claude = anthropic.Anthropic(base_url=envoy.base, api_key=LITERAL, max_retries=2)
    with pytest.raises(anthropic.RateLimitError):
        claude.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert envoy.becomes(lambda: "/v1/messages" in envoy.log)
    assert envoy.log.count("error=budget_exceeded") == 2, envoy.log


def test_a_clients_tags_choose_its_deployments(provider, gateway):
    paid, free = provider(), provider()
    shop = {"name": "paying", "key": LITERAL, "tags": ["paid"]}
    envoy = gateway(
        deployment("m", paid, id="paid", tags=["paid"]),
        deployment("m", free, id="free", tags=["default"]),
        router={"enable_tag_filtering": True},
        signalbox=clients(shop),
        env=SECRETS,
    )
    assert {ask(envoy, LITERAL).headers["x-signalbox-deployment"] for _ in range(4)} == {"paid"}
    assert {ask(envoy, BY_HASH).headers["x-signalbox-deployment"] for _ in range(4)} == {"free"}


def test_a_request_cannot_widen_what_its_clients_tags_allow(provider, gateway):
    paid, eu, free = provider(), provider(), provider()
    shop = {"name": "guest", "key": LITERAL, "tags": ["free"]}
    envoy = gateway(
        deployment("m", paid, id="paid", tags=["paid"]),
        deployment("m", eu, id="free-eu", tags=["free", "eu"]),
        deployment("m", free, id="free-us", tags=["free", "us"]),
        router={"enable_tag_filtering": True},
        signalbox=clients(shop),
        env=SECRETS,
    )

    def served_by(key, **more):
        return {ask(envoy, key, **more).headers["x-signalbox-deployment"] for _ in range(6)}

    for tags in (["eu"], ["eu", "paid"], ["eu", "spend-of-team-7"]):
        for more in ({"extra_body": {"tags": tags}}, {"extra_body": {"metadata": {"tags": tags}}}, {"extra_headers": {"x-litellm-tags": ",".join(tags)}}):
            assert served_by(LITERAL, **more) == {"free-eu"}, more
    assert served_by(LITERAL, extra_body={"tags": ["spend-of-team-7"]}) == {"free-eu", "free-us"}, "a tag that chooses nothing"
    assert served_by(LITERAL, extra_body={"tags": ["!eu"]}) == {"free-us"}
    for tags in (["paid"], ["&paid"], ["!free"]):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(envoy, LITERAL, extra_body={"tags": tags})
        assert refused.value.code == "no_deployment_with_tags", tags
    assert served_by(BY_HASH, extra_body={"tags": ["paid"]}) == {"paid"}, "another may"
    assert all(json.loads(request.body)["messages"] for request in paid.requests)


def test_no_key_is_in_what_is_generated_or_shown(provider, gateway):
    upstream = provider()
    literal = {"name": "literal", "key": LITERAL}
    envoy = gateway(
        deployment("m", upstream),
        signalbox=clients(literal, state_path="/signalbox/state", access_log=True),
        general={"master_key": "os.environ/MASTER"},
        env=SECRETS,
    )
    keys = [*SECRETS.values(), BY_HASH, LITERAL]
    answers = [str(ask(envoy, key).headers) for key in keys]
    answers += [str(post(envoy, {"model": "other", "messages": HELLO}, x_api_key=key)) for key in keys]
    shown = [urllib.request.urlopen(f"{envoy.admin}/{page}").read().decode() for page in ("config_dump?include_eds", "stats", "stats/prometheus", "clusters", "listeners", "server_info", "init_dump")]
    state = json.dumps(get(envoy, "/signalbox/state", SECRETS["MASTER"])[2])
    envoy.settled()
    for text in [envoy.bootstrap.read_text(), envoy.log, state, *shown, *answers]:
        assert not any(key in text for key in keys)
    assert "client=literal@" in envoy.log
    checked = subprocess.run([SIGNALBOX, "check", envoy.folder / "config.yaml", "--json"], capture_output=True, text=True, env=os.environ | SECRETS)
    assert checked.returncode == 0 and not any(key in checked.stdout + checked.stderr for key in keys), checked.stderr


@pytest.mark.parametrize("value", [None, "", " "])
def test_without_its_master_key_no_gateway_starts(provider, tmp_path, value):
    port, admin = free_port(), free_port()
    config = {
        "model_list": [deployment("m", provider())],
        "general_settings": {"master_key": "os.environ/MASTER"},
        "signalbox": {"listen": f"127.0.0.1:{port}", "admin": f"127.0.0.1:{admin}"},
    }
    file, bootstrap = tmp_path / "config.yaml", tmp_path / "envoy.yaml"
    file.write_text(json.dumps(config))
    env = {name: text for name, text in os.environ.items() if name != "MASTER"} | ({} if value is None else {"MASTER": value})
    up = subprocess.run([SIGNALBOX, "up", file, "--wasm", WASM], capture_output=True, text=True, env=env, timeout=300)
    assert up.returncode == 1 and "MASTER is not set" in up.stderr, up.stderr
    if value != " ":
        checked = subprocess.run([SIGNALBOX, "check", file], capture_output=True, text=True, env=env)
        assert checked.returncode == 0 and "warning: general_settings.master_key" in checked.stderr and "without the master key the gateway does not start" in checked.stderr
    assert subprocess.run([SIGNALBOX, "envoy", file, "-o", bootstrap, "--wasm", WASM], env=env, capture_output=True).returncode == 0
    envoy = subprocess.run([ENVOY, "-c", bootstrap, "--concurrency", "2", "--disable-hot-restart"], capture_output=True, text=True, env=env, timeout=300)
    assert envoy.returncode != 0 and "the master key is not in place: set MASTER" in envoy.stderr, envoy.stderr[-2000:]
    give_back(port, admin)


def test_a_key_that_is_taken_back_opens_no_connection_that_is_open(provider, gateway):
    upstream = provider()
    two = [{"name": "one", "key": LITERAL}, {"name": "two", "key": HASH}]
    entry = deployment("m", upstream)
    envoy = gateway(entry, signalbox={"clients": two}, followed=True)
    held = envoy.client(api_key=LITERAL)
    held.chat.completions.create(model="m", messages=HELLO)
    envoy.configure([entry], signalbox={"clients": two[1:]})

    def is_out():
        try:
            held.chat.completions.create(model="m", messages=HELLO)
        except openai.AuthenticationError:
            return True
        return False

    assert envoy.becomes(is_out)
    assert ask(envoy, BY_HASH).status_code == 200


def test_a_key_is_made_with_its_hash():
    made = subprocess.run([SIGNALBOX, "key"], capture_output=True, text=True)
    key, written = made.stdout.split()
    assert re.fullmatch("sk-[0-9a-f]{64}", key) and written == "sha256:" + hashlib.sha256(key.encode()).hexdigest()
    assert written in made.stderr and key not in made.stderr
    again = subprocess.run([SIGNALBOX, "key", "--hash"], input=key + "\n", capture_output=True, text=True)
    assert again.stdout.strip() == written
    assert subprocess.run([SIGNALBOX, "key"], capture_output=True, text=True).stdout.split()[0] != key
