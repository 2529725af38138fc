#!/usr/bin/env python3
"""Keeps the list of compatible providers: python3 tools/providers.py refresh | table [--check]

data/providers.csv is the source: every provider that speaks OpenAI's dialect and needs no code of its own. People edit it.
`refresh` brings it up to date by asking LiteLLM, which must be installed: it sets every variable and setting that LiteLLM looks at, sees where
the request goes and with which key, takes that one away, and asks again. It adds providers that LiteLLM has and the list has not, where a
request to them is OpenAI's. A row without `probe`, the model that is asked for, stays as people wrote it.
`table` writes src/provider/table.rs and docs/providers.md from it, or with --check fails where that would change a file. It needs Python alone.

Origins are names of environment variables, or `setting:NAME` for a key of `litellm_settings`, in LiteLLM's order. What LiteLLM falls back on
that belongs to OpenAI (`OPENAI_API_KEY`, api.openai.com) is left out for everybody else: neither a key nor a prompt is meant for a stranger.
"""

import argparse
import csv
import io
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCE = ROOT / "data" / "providers.csv"
TABLE = ROOT / "src" / "provider" / "table.rs"
PAGE = ROOT / "docs" / "providers.md"
COLUMNS = ["name", "probe", "api_base", "ends_in", "base_from", "key_from", "known_at", "headers", "traits"]
# What a row may have besides: members of `Provider` and of `Habits` that are flags, and `embeddings` for one that has no other API.
TRAITS = {"common_headers", "embeddings"}

ABOUT = """\
# Providers of OpenAI's dialect that need no code of their own. Refreshed by `make providers`, explained at the top of tools/providers.py.
# api_base: `{NAME}` in it is the value of a variable. ends_in: what a base URL gets at its end where it is not written. known_at: hosts by which LiteLLM knows the provider of a bare name.
# traits: `common_headers` (it gets `litellm_settings.headers`), `embeddings` (it has no other API), else flags of `Habits` in src/provider.rs.
"""


def read():
    rows = list(csv.DictReader(line for line in SOURCE.read_text().splitlines() if not line.startswith("#")))
    names = [row["name"] for row in rows]
    wrong = [f"no column `{name}`" for name in COLUMNS if not rows or name not in rows[0]]
    wrong += [f"{name} stands twice" for name in sorted(set(names)) if names.count(name) > 1]
    for row in rows if not wrong else []:
        wrong += [f"{row['name']}: {url} is no URL" for url in [row["api_base"], *row["known_at"].split()] if not re.fullmatch(r"(https?://\S*[^/\s])?", url)]
        wrong += [f"{row['name']}: {one} is no origin" for one in (row["base_from"] + " " + row["key_from"]).split() if not re.fullmatch(r"setting:[a-z_]+|[A-Z0-9_]+", one)]
    if wrong:
        sys.exit(f"{SOURCE.relative_to(ROOT)}: " + "; ".join(wrong))
    return sorted(rows, key=lambda row: row["name"])


def write(rows):
    out = io.StringIO()
    out.write(ABOUT)
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["name"]))
    SOURCE.write_text(out.getvalue())


# --- refresh -----------------------------------------------------------------------------------------------------------------

# LiteLLM logs in with a browser for these when it is only asked who they are; the others are no HTTP API of one key.
NOT_ASKED = {"github_copilot", "chatgpt", "bedrock", "bedrock_mantle", "sagemaker", "sagemaker_chat", "vertex_ai", "vertex_ai_beta", "gemini"}
OF_OPENAI = {"setting:openai_key", "OPENAI_API_KEY"}


class Litellm:
    """Asks LiteLLM, and sees what it looks at."""

    def __init__(self):
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        sys.path.insert(0, str(ROOT / "tests" / "judges"))
        import litellm
        import litellm_hosts
        from litellm.llms.openai_like.json_loader import JSONProviderRegistry

        self.hosts = litellm_hosts
        names = [str(getattr(name, "value", name)) for name in litellm.provider_list]
        self.providers = [*names, *(name for name in JSONProviderRegistry.list_providers() if name not in names)]
        self.known_at = {}
        for endpoint in litellm.openai_compatible_endpoints:
            url = (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/").removesuffix("/chat/completions")
            try:
                self.known_at.setdefault(litellm.get_llm_provider("some-model", api_base=url)[1], []).append(url)
            except litellm.exceptions.BadRequestError:
                pass
        is_key = lambda name: name.endswith("_key") or name == "api_key"  # noqa: E731
        self.settings = [name for name in dir(litellm) if is_key(name) and isinstance(getattr(litellm, name), (str, type(None)))]
        self.read, self.written = os.pipe()
        os.set_blocking(self.read, False)
        original = os._Environ.__getitem__

        def spied(environment, name):
            os.write(self.written, f"{name}\n".encode())
            return original(environment, name)

        os._Environ.__getitem__ = spied

    def looked_at(self):
        found = b""
        try:
            while part := os.read(self.read, 65536):
                found += part
        except BlockingIOError:
            pass
        return set(found.decode(errors="replace").split())

    def ask(self, params, env, settings):
        """The URL and the key of the request, if there is one, and the variables that were looked at."""
        self.looked_at()
        config = {"model_list": [{"model_name": "m", "litellm_params": params}], "litellm_settings": settings}
        found = self.hosts.destinations(config, env).get("m")
        return found, self.looked_at()


def is_base(name):
    return bool(re.search("BASE|URL|ENDPOINT|HOST", name)) and not name.endswith(("_KEY", "_TOKEN"))


def host_of(name):
    return f"http://{name.lower().replace('_', '-')}.test"


def probe(litellm, name, model):
    """What LiteLLM does for a provider; `None`: not what OpenAI's clients do."""
    params = {"model": f"{name}/{model}"}
    found, _ = litellm.ask({**params, "api_key": "k", "api_base": "http://b.test/v9"}, {}, {})
    tail = re.fullmatch(r"http://b\.test/v9(/\S*)?/chat/completions", found["url"]) if found else None
    if not tail or found["keys"] != ["k"] or "authorization" not in found["headers"] or '"messages"' not in found["body"]:
        return None
    variables = set()
    for _ in range(3):
        values = {name: host_of(name) + "/v1" if is_base(name) else name for name in variables}
        # Where no base is said, another variable may be a part of it.
        without = {name: name for name in variables if not is_base(name)}
        seen = litellm.ask(params, values, {})[1] | litellm.ask({**params, "api_key": "k"}, without, {})[1]
        seen = {name for name in seen if re.search("BASE|URL|ENDPOINT|KEY|TOKEN|SECRET|ACCOUNT", name)}
        variables |= seen - {"OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET", "SSLKEYLOGFILE"}
    accounts = {name: name for name in variables if "ACCOUNT" in name}
    bases, env, settings, own = [], {name: host_of(name) + "/v1" for name in variables if is_base(name)}, {"api_base": "http://setting.test/v1"}, ""
    while len(bases) < 6:
        found, _ = litellm.ask({**params, "api_key": "k"}, env | accounts, settings)
        if not found:
            break
        hit = next((name for name in env if found["url"].startswith(host_of(name) + "/")), None)
        if found["url"].startswith("http://setting.test/"):
            bases.append("setting:api_base")
            settings = {}
        elif hit:
            bases.append(hit)
            del env[hit]
        else:
            own = found["url"].removesuffix("/chat/completions").removesuffix(tail[1] or "").rstrip("/")
            own = re.sub("|".join(accounts) or "$^", lambda account: f"{{{account[0].upper()}}}", own, flags=re.IGNORECASE)
            break
    keys, env, settings = [], {name: name for name in variables if not is_base(name)}, {name: f"setting:{name}" for name in litellm.settings}
    while len(keys) < 12:
        found, _ = litellm.ask(params if own else {**params, "api_base": "http://b.test/v1"}, env, settings)
        key = found["keys"][0] if found and found["keys"] else None
        if key not in [*env, *settings.values()]:
            break
        keys.append(key)
        env.pop(key, None)
        settings.pop(key.removeprefix("setting:"), None)
    if name not in ("openai", "custom_openai"):
        # An OpenAI client that was told nothing: it falls back on OpenAI's names.
        if OF_OPENAI & set(keys):
            keys = [key for key in keys if key not in OF_OPENAI and key != "setting:api_key"]
        if "OPENAI_BASE_URL" in bases:
            bases = [base for base in bases if not base.startswith("OPENAI_")]
        own = "" if own.startswith("https://api.openai.com") else own
    before = keys[: keys.index("setting:api_key")] if "setting:api_key" in keys else []
    if "setting:api_base" in bases and any(not key.startswith("setting:") for key in before):
        # The two settings belong together, and the key of the provider's own variable would win: it is none for that host.
        keys.remove("setting:api_key")
    own = own if own.startswith(("http://", "https://")) or not own else f"http://{own}"
    found = {"api_base": own, "ends_in": tail[1] or "", "base_from": " ".join(bases), "key_from": " ".join(keys)}
    return found | ({"known_at": " ".join(litellm.known_at[name])} if name in litellm.known_at else {})


def refresh():
    litellm = Litellm()
    rows = read()
    known = {row["name"] for row in rows} | by_hand() | NOT_ASKED
    for row in rows:
        found = probe(litellm, row["name"], row["probe"]) if row["probe"] else {}
        if found is None:
            print(f"kept as it was, LiteLLM no longer sends what OpenAI's clients send: {row['name']}")
            continue
        changed = [f"{column} {row[column] or '-'} -> {value or '-'}" for column, value in found.items() if row[column] != value]
        if changed:
            print(f"{row['name']}: {', '.join(changed)}")
        row.update(found)
    for name in litellm.providers:
        if name not in known and (found := probe(litellm, name, "some-model")):
            print(f"new: {name}")
            rows.append({**dict.fromkeys(COLUMNS, ""), "name": name, "probe": "some-model", **found})
    write(rows)


# --- table -------------------------------------------------------------------------------------------------------------------

HEAD = """\
//! The providers that need no code of their own, made by `make providers` from data/providers.csv. Do not edit: `make check` fails where the two
//! differ.
//!
//! **Invariant:** one row a provider, in the order of their names.

use super::Origin::{Env, Setting};
use super::rows::{compatible, embeddings};
use super::{Habits, Provider};

#[rustfmt::skip]
pub(super) const ROWS: &[Provider] = &[
"""


def by_hand():
    """The providers that have code of their own."""
    text = "".join(path.read_text() for path in TABLE.parent.glob("*.rs") if path != TABLE)
    return set(re.findall(r'(?:compatible\(\s*|name: )"([\w-]+)"', text))


def origins(cell):
    return ", ".join(f'Setting("{one.removeprefix("setting:")}")' if one.startswith("setting:") else f'Env("{one}")' for one in cell.split())


def line(row):
    traits = row["traits"].split()
    habits = [word for word in traits if word not in TRAITS]
    headers = ", ".join(f'("{name}", "{value}")' for name, value in (one.split("=", 1) for one in row["headers"].split()))
    known = ", ".join(f'"{url}"' for url in row["known_at"].split())
    members = [
        "common_headers: true" if "common_headers" in traits else "",
        f"known_at: &[{known}]" if known else "",
        f'ends_in: "{row["ends_in"]}"' if row["ends_in"] else "",
        f"headers: &[{headers}]" if headers else "",
        f"habits: Habits {{ {', '.join(f'{word}: true' for word in habits)}, ..Habits::COMMON }}" if habits else "",
        "path: embeddings" if "embeddings" in traits else "",
    ]
    members = ", ".join(member for member in members if member)
    made = f'compatible("{row["name"]}", "{row["api_base"]}", &[{origins(row["base_from"])}], &[{origins(row["key_from"])}])'
    return f"    Provider {{ {members}, ..{made} }},\n" if members else f"    {made},\n"


# What stands before it on the page, people write.
HEADING = "## Of OpenAI's dialect\n"
PAGE_TABLE = """
These {count} are made from `data/providers.csv`, which is what LiteLLM itself makes of each.

| provider | base URL | key | base URL from |
|---|---|---|---|
"""


def cell(text, empty):
    shown = ", ".join(f"`litellm_settings.{one[8:]}`" if one.startswith("setting:") else f"`{one}`" for one in text.split())
    return shown or empty


def page(rows):
    text = PAGE.read_text().split(HEADING)[0] + HEADING + PAGE_TABLE.format(count=len(rows))
    for row in rows:
        base = f"`{row['api_base']}`" if row["api_base"] else "`api_base` is needed"
        name = f"`{row['name']}/`" + (" (embeddings alone)" if "embeddings" in row["traits"].split() else "")
        text += f"| {name} | {base} | {cell(row['key_from'], 'none')} | {cell(row['base_from'], '')} |\n"
    return text


def table(check):
    rows = read()
    made = {TABLE: HEAD + "".join(line(row) for row in rows) + "];\n", PAGE: page(rows)}
    for path, text in made.items():
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path.relative_to(ROOT)} is not what data/providers.csv makes: run `python3 tools/providers.py table`")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("refresh")
    commands.add_parser("table").add_argument("--check", action="store_true")
    args = parser.parse_args()
    {"refresh": refresh, "table": lambda: table(args.check)}[args.command]()
