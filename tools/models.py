#!/usr/bin/env python3
"""Keeps the catalogue of models: python3 tools/models.py refresh [--litellm MAP.json] | table [--check] | names

data/models.csv is the source: the list of models that the catalogue has, and what is known of each. People edit it.
`refresh` brings it up to date from LiteLLM's price map (MIT licensed), taken from the installed package or from a file.
`table` writes src/catalogue/table.rs from it, or with --check fails where that would change the file. `table` needs Python alone.

A row's `source` names the key in LiteLLM's map that it is refreshed from. What the map says replaces what stands there; where the map
is silent, or no longer has the key, or `source` is empty, the row keeps what people wrote. No row comes or goes by itself.

`names` writes data/names.csv: which provider LiteLLM takes a name without one for, and what is asked of a model that is not chat. It asks
LiteLLM itself, so it needs the package. Only the command line carries that file.

Invariant: prices are decimals with at most six places after the point, so that no float ever touches them.
"""

import argparse
import csv
import datetime
import importlib.metadata
import importlib.util
import io
import json
import pathlib
import re
import sys
from decimal import Decimal

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCE = ROOT / "data" / "models.csv"
TABLE = ROOT / "src" / "catalogue" / "table.rs"

PRICES = {
    "input": "input_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "output": "output_cost_per_token",
}
LIMITS = {"max_input": "max_input_tokens", "max_output": "max_output_tokens"}
# The order is that of `Capability` in src/catalogue/capability.rs.
CAPABILITIES = {
    "tools": "supports_function_calling",
    "parallel_tools": "supports_parallel_function_calling",
    "vision": "supports_vision",
    "audio": "supports_audio_input",
    "pdf": "supports_pdf_input",
    "json_schema": "supports_response_schema",
    "reasoning": "supports_reasoning",
    "prompt_caching": "supports_prompt_caching",
}
LONG = ["long_from", *(f"long_{name}" for name in PRICES)]
COLUMNS = ["provider", "model", "source", *PRICES, *LONG, *LIMITS, "capabilities"]

# What cached input costs where the provider states a share of the input's price rather than a price for each model.
CACHED_SHARE = {"fireworks_ai": Decimal("0.5")}

# The first token of xAI's long prompts is the threshold itself, that of all others the one after it.
INCLUSIVE = {"xai"}

ABOUT = """\
# The models that Signalbox knows. Made from {made}; refreshed by `make models`, explained in docs/models.md.
# Prices are USD for a million tokens; long_*: the prices of the whole request from that many prompt tokens on. Limits are tokens.
# An empty cell is not known. A capability with `-` is known to be missing, one that does not stand there is not known.
"""


def read():
    lines = SOURCE.read_text().splitlines()
    made = re.search(r"Made from (.*?);", lines[0])
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    wrong = [f"no column `{name}`" for name in COLUMNS if not rows or name not in rows[0]]
    seen = set()
    for row in rows if not wrong else []:
        name = f"{row['provider']}/{row['model']}"
        same = name.lower().replace(".", "-")
        if same in seen:
            wrong.append(f"{name} stands twice (case, `.` and `-` make no difference)")
        seen.add(same)
        wrong += [f"{name}: {column} is no number" for column in [*PRICES, *LONG, *LIMITS] if not re.fullmatch(r"(\d+(\.\d{1,6})?)?", row[column])]
        wrong += [f"{name}: no capability `{word}`" for word in row["capabilities"].split() if word.removeprefix("-") not in CAPABILITIES]
    if wrong or not made:
        sys.exit(f"{SOURCE.relative_to(ROOT)}: " + "; ".join(wrong or ["the first line does not say what it was made from"]))
    return made[1], rows


# --- refresh -----------------------------------------------------------------------------------------------------------------


def price_map(path):
    """LiteLLM's map, and what to call it."""
    if path:
        return json.loads(path.read_text()), path.name
    found = importlib.util.find_spec("litellm")
    if not found:
        sys.exit("there is no LiteLLM here; install the package, or give its map with --litellm")
    data = pathlib.Path(found.origin).with_name("model_prices_and_context_window_backup.json")
    return json.loads(data.read_text()), f"LiteLLM {importlib.metadata.version('litellm')}"


def per_million(usd):
    return f"{round(Decimal(repr(usd)) * 10**6, 6).normalize():f}"


def refreshed(row, entry):
    new = dict(row)
    for column, key in PRICES.items():
        if entry.get(key) is not None:
            new[column] = per_million(entry[key])
    if entry.get(PRICES["cached_input"]) is None and row["provider"] in CACHED_SHARE:
        new["cached_input"] = f"{round(Decimal(new['input']) * CACHED_SHARE[row['provider']], 6).normalize():f}"
    for column, key in LIMITS.items():
        if entry.get(key) is not None:
            new[column] = str(int(entry[key]))
    longer = [re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key) for key in entry]
    longer = [match[1] for match in longer if match]
    if len(longer) > 1:
        sys.exit(f"{row['provider']}/{row['model']}: LiteLLM has several prices for long prompts, the table has room for one")
    for thousands in longer:
        new["long_from"] = str(int(thousands) * 1000 + (0 if row["provider"] in INCLUSIVE else 1))
        for column, key in PRICES.items():
            value = entry.get(f"{key}_above_{thousands}k_tokens")
            new[f"long_{column}"] = per_million(value) if value is not None else new[column]
    said = {word: entry[key] for word, key in CAPABILITIES.items() if entry.get(key) is not None}
    modalities = entry.get("supported_modalities")
    for word, modality in {"vision": "image", "audio": "audio"}.items():
        if modalities:
            said.setdefault(word, modality in modalities)
    before = {word.removeprefix("-"): not word.startswith("-") for word in row["capabilities"].split()}
    now = before | said
    new["capabilities"] = " ".join(word if now[word] else f"-{word}" for word in CAPABILITIES if word in now)
    return new


def refresh(path):
    entries, named = price_map(path)
    before, rows = read()
    new = []
    for row in rows:
        entry = entries.get(row["source"]) if row["source"] else None
        if row["source"] and entry is None:
            print(f"kept as it was, no longer in {named}: {row['provider']}/{row['model']} ({row['source']})")
        new.append(refreshed(row, entry) if entry else row)
        changed = [column for column in COLUMNS if new[-1][column] != row[column]]
        if changed:
            print(f"{row['provider']}/{row['model']}: " + ", ".join(f"{c} {row[c] or '-'} -> {new[-1][c] or '-'}" for c in changed))
    out = io.StringIO()
    out.write(ABOUT.format(made=f"{named}, {datetime.date.today()}"))
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(new)
    SOURCE.write_text(out.getvalue())
    print(f"{len(new)} models, made from {named}; before: {before}")


# --- table -------------------------------------------------------------------------------------------------------------------

HEAD = """\
//! The catalogue's rows, made by `make models` from data/models.csv. Do not edit: `make check` fails where the two differ.
//!
//! **Invariant:** one line a model, in the order of the source.

use super::row::{{NO, Row, row}};

/// Whose rows there are; a row names its provider by the place here.
#[rustfmt::skip]
pub(super) const PROVIDERS: &[&str] = &[{providers}];

/// Where the facts come from, and when they were taken.
pub const MADE_FROM: &str = "{made}";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
"""


def pico(cell):
    """USD for a million tokens as pico-dollars a token."""
    if not cell:
        return "NO"
    value = int(Decimal(cell) * 10**6)
    if value >= 2**32 - 1:
        sys.exit(f"{cell} USD for a million tokens is more than the table has room for")
    return f"{value:_}"


def line(row, providers):
    rates = ", ".join(pico(row[name]) for name in PRICES)
    long = "None"
    if row["long_from"]:
        long = f"Some(&[{int(row['long_from']):_}, " + ", ".join(pico(row[f"long_{name}"]) for name in PRICES) + "])"
    limits = ", ".join(f"{int(row[name]):_}" if row[name] else "NO" for name in LIMITS)
    words = row["capabilities"].split()
    yes = sum(1 << bit for bit, word in enumerate(CAPABILITIES) if word in words)
    no = sum(1 << bit for bit, word in enumerate(CAPABILITIES) if f"-{word}" in words)
    return f'    row({providers.index(row["provider"])}, "{row["model"]}", [{rates}], {long}, [{limits}], [{yes:#04x}, {no:#04x}]),\n'


def table(check):
    made, rows = read()
    providers = list(dict.fromkeys(row["provider"] for row in rows))
    text = HEAD.format(made=made, providers=", ".join(f'"{name}"' for name in providers))
    before = None
    for row in rows:
        text += f"    // {row['provider']}\n" if row["provider"] != before else ""
        text += line(row, providers)
        before = row["provider"]
    text += "];\n"
    if not check:
        TABLE.write_text(text)
    elif not TABLE.exists() or TABLE.read_text() != text:
        sys.exit(f"{TABLE.relative_to(ROOT)} is not what data/models.csv makes: run `python3 tools/models.py table`")


def names():
    NAMES.write_text(names_text())


def names_text():
    """What LiteLLM makes of every name in its map and its lists."""
    import os

    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True
    # As tools/providers.py reads them; the rows of the table are in src/provider too.
    text = "".join(path.read_text() for path in (ROOT / "src" / "provider").glob("*.rs"))
    ours = set(re.findall(r'(?:compatible|cohere|ollama)\(\s*"([\w-]+)"|name: "([\w-]+)"', text))
    ours = {one for pair in ours for one in pair if one}
    found = []
    # Some names stand only in LiteLLM's lists for what is asked of models.
    lists = {"image_generation": litellm.openai_image_generation_models, "embedding": litellm.open_ai_embedding_models}
    lists |= {"video_generation": litellm.openai_video_generation_models, "completion": litellm.open_ai_text_completion_models}
    listed = {name: {"mode": mode} for mode, names in lists.items() for name in names}
    others = {name: {} for name in litellm.model_list if "/" not in name}
    for name, entry in (others | listed | litellm.model_cost).items():
        mode = entry.get("mode") or ""
        mode = "" if mode == "chat" else mode
        if "/" in name:
            if name.split("/")[0] in ours and mode not in ("", "completion", "embedding"):
                found.append((name, name.split("/")[0], mode))
            continue
        try:
            found.append((name, litellm.get_llm_provider(name)[1], mode))
        except litellm.exceptions.BadRequestError:
            pass
    made = f"LiteLLM {importlib.metadata.version('litellm')}"
    return NAMES_ABOUT.format(made=made) + "name,provider,mode\n" + "".join(f"{','.join(row)}\n" for row in sorted(found))


NAMES = ROOT / "data" / "names.csv"
NAMES_ABOUT = """\
# The provider that LiteLLM takes for a name without one, and what is asked of a model where it is not chat. Made from {made} by
# `python3 tools/models.py names`; names with a provider are there only for the latter.
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("refresh").add_argument("--litellm", type=pathlib.Path, metavar="MAP.json")
    commands.add_parser("table").add_argument("--check", action="store_true")
    commands.add_parser("names")
    args = parser.parse_args()
    {"refresh": lambda: refresh(args.litellm), "table": lambda: table(args.check), "names": names}[args.command]()
