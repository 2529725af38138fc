#!/usr/bin/env python3
"""How well complexity scores route: APGR of chance, length, LiteLLM's heuristic and Signalbox's scorer on labelled prompts.

Prints the figures and writes docs/routing-quality.md and docs/routing-quality.svg, the same bytes on every run. The scores come from
`signalbox score`, so what is measured is what is shipped. What a reader should know besides (weights refitted without a domain,
features left out one by one, a chat set of our own, LiteLLM's own cases) is measured here as well.

Needs the standard library only. LiteLLM's cases are read from its package where it is installed; else the last result stands.

Invariant: no figure in the document is written by hand.
"""

import argparse
import ast
import gzip
import importlib.metadata
import importlib.util
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "bench" / "data"
CASES = DATA / "litellm-cases.json"
SCORER = ROOT / "src" / "routing" / "complexity" / "signalbox" / "mod.rs"
SEEDS = 20
LARGEST = "professional_law"
# Kinds of chat where public MT-Bench results show strong models well ahead, and kinds where they show hardly any difference.
GAIN, NO_GAIN = ("math", "coding", "reasoning"), ("writing", "roleplay", "stem", "humanities")
WAYS = ["random", "length", "heuristic", "signalbox"]
NAMES = {"random": "chance", "length": "length", "heuristic": "LiteLLM's heuristic", "signalbox": "Signalbox"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--signalbox", default=str(ROOT / "target" / "debug" / "signalbox"), help="the command line to measure")
    binary = parser.parse_args().signalbox
    with gzip.open(DATA / "routerbench-dev.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    chat = [json.loads(line) for line in (DATA / "chat.jsonl").read_text(encoding="utf-8").splitlines()]
    own = ask(binary, "signalbox", [{"prompt": row["prompt"]} for row in rows])
    heuristic = ask(binary, "heuristic", [{"prompt": row["prompt"]} for row in rows])
    for row, one, other in zip(rows, own, heuristic):
        row["gain"] = row["strong"] - row["weak"]
        row["tier"] = one["tier"]
        row["values"] = [part["value"] for part in one["dimensions"] if part["name"] not in ("base", "bend")]
        row["scores"] = {
            "random": 0.0,
            "length": float(len(row["prompt"])),
            "heuristic": other["score"],
            "signalbox": one["score"],
        }
    weights = {part["name"]: part["weight"] for part in own[0]["dimensions"] if part["name"] not in ("base", "bend")}
    results = {
        "apgr": headline(rows),
        "domains": per_domain(rows),
        "tiers": per_tier(rows),
        "refit": refitted(rows, list(weights.values())),
        "chat": chat_order(binary, chat),
        "cases": litellm_cases(binary),
    }
    results["ablation"] = ablation(rows, weights)
    (ROOT / "docs" / "routing-quality.svg").write_text(picture(rows), encoding="utf-8")
    document = write(results, weights)
    (ROOT / "docs" / "routing-quality.md").write_text(document, encoding="utf-8")
    print(document.split("## Domain by domain")[0].split("## Figures")[1].strip())
    print("\nwrote docs/routing-quality.md and docs/routing-quality.svg")


def ask(binary, classifier, requests):
    """What the scorer says, a line each."""
    command = [binary, "score", "--classifier", classifier, "--explain"]
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8", check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(requests):
        sys.exit(f"{len(requests)} requests, {len(answers)} answers")
    return answers


# --- APGR


def recovered(order):
    """The share of the gap that is recovered with the first 0, 1, ... of these gains sent to the strong model."""
    total, sums = sum(order), [0.0]
    for gain in order:
        sums.append(sums[-1] + gain)
    return [value / total for value in sums]


def orders(scores, gains):
    """The gains by falling score, ties in random order, once a seed."""
    for seed in range(SEEDS):
        dice = random.Random(seed)
        keys = [(-score, dice.random(), gain) for score, gain in zip(scores, gains)]
        yield [gain for _, _, gain in sorted(keys)]


def apgr(scores, gains):
    """Average performance gap recovered: the area under `recovered`, averaged over the seeds."""
    areas = []
    for order in orders(scores, gains):
        curve = recovered(order)
        areas.append((sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1))
    return statistics.fmean(areas)


def of(rows, way):
    return apgr([row["scores"][way] for row in rows], [row["gain"] for row in rows])


def groups(rows):
    mmlu = [row for row in rows if row["bench"] == "mmlu"]
    return {
        "MMLU": mmlu,
        "MMLU without its largest domain": [row for row in mmlu if row["domain"] != LARGEST],
        "GSM8K": [row for row in rows if row["bench"] == "gsm8k"],
    }


def headline(rows):
    return {
        name: {"n": len(part), "error": standard_error(part), **{way: of(part, way) for way in WAYS}}
        for name, part in groups(rows).items()
    }


def standard_error(rows, rounds=100):
    """How much our figure swings with the choice of prompts (bootstrap)."""
    dice, found = random.Random(1), []
    for _ in range(rounds):
        sample = sorted(dice.choices(rows, k=len(rows)), key=lambda row: -row["scores"]["signalbox"])
        curve = recovered([row["gain"] for row in sample])
        found.append((sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1))
    return statistics.stdev(found)


def per_domain(rows):
    domains = {}
    for row in rows:
        if row["bench"] == "mmlu":
            domains.setdefault(row["domain"], []).append(row)
    table = []
    for name, part in sorted(domains.items()):
        weak, strong = (statistics.fmean(row[who] for row in part) for who in ("weak", "strong"))
        found = {way: of(part, way) if strong - weak >= 0.05 else None for way in WAYS[1:]}
        mean = statistics.fmean(row["scores"]["signalbox"] for row in part)
        table.append({"domain": name, "n": len(part), "weak": weak, "strong": strong, "score": mean, **found})
    return table


def per_tier(rows):
    table = []
    for tier in ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING"):
        part = [row for row in rows if row["tier"] == tier]
        table.append((tier, len(part) / len(rows), *(statistics.fmean(row[who] for row in part) for who in ("weak", "strong"))))
    return table


# --- What fitting would give


class Moments:
    """Sums from which a least-squares fit follows, so that a domain can be taken out."""

    def __init__(self, size):
        self.n, self.y, self.x = 0, 0.0, [0.0] * size
        self.xy, self.xx = [0.0] * size, [[0.0] * size for _ in range(size)]

    def add(self, values, gain):
        self.n += 1
        self.y += gain
        present = [(at, value) for at, value in enumerate(values) if value]
        for at, value in present:
            self.x[at] += value
            self.xy[at] += value * gain
            for other, second in present:
                self.xx[at][other] += value * second

    def without(self, others):
        left = Moments(len(self.x))
        left.n, left.y = self.n - sum(it.n for it in others), self.y - sum(it.y for it in others)
        for at in range(len(self.x)):
            left.x[at] = self.x[at] - sum(it.x[at] for it in others)
            left.xy[at] = self.xy[at] - sum(it.xy[at] for it in others)
            left.xx[at] = [self.xx[at][to] - sum(it.xx[at][to] for it in others) for to in range(len(self.x))]
        return left

    def fit(self, signs, penalty=10.0):
        """Ridge regression of the gain with the argued signs, by coordinate descent."""
        size, weights = len(self.x), [0.0] * len(self.x)
        middle = [[self.xx[a][b] - self.x[a] * self.x[b] / self.n for b in range(size)] for a in range(size)]
        toward = [self.xy[at] - self.x[at] * self.y / self.n for at in range(size)]
        for _ in range(500):
            for at in range(size):
                rest = toward[at] - sum(middle[at][to] * weights[to] for to in range(size) if to != at)
                best = rest / (middle[at][at] + penalty)
                weights[at] = best if best * signs[at] > 0 else 0.0
        return weights


def refitted(rows, weights):
    """The shipped weights against weights fitted to the labels, seen and unseen."""
    signs = [1 if weight > 0 else -1 for weight in weights]
    moments = {}
    for row in rows:
        moments.setdefault(row["domain"], Moments(len(weights))).add(row["values"], row["gain"])
    everything = Moments(len(weights))
    for row in rows:
        everything.add(row["values"], row["gain"])
    mmlu, gsm = groups(rows)["MMLU"], groups(rows)["GSM8K"]

    def judge(part, chosen):
        scores = [sum(weight * value for weight, value in zip(chosen, row["values"])) for row in part]
        return apgr_once(scores, [row["gain"] for row in part])

    domains = sorted(name for name in moments if name)
    shipped, fitted = [], []
    for seed in range(6):
        order = domains[:]
        random.Random(seed).shuffle(order)
        for fold in range(5):
            out = order[fold::5]
            part = [row for row in mmlu if row["domain"] in out]
            shipped.append(judge(part, weights))
            fitted.append(judge(part, everything.without([moments[name] for name in out]).fit(signs)))
    seen = everything.fit(signs)
    return {
        "seen": (judge(mmlu, weights), judge(mmlu, seen), judge(gsm, weights), judge(gsm, seen)),
        "folds": (statistics.fmean(shipped), statistics.fmean(fitted)),
        "gsm from mmlu": judge(gsm, everything.without([moments[""]]).fit(signs)),
        "mmlu from gsm": judge(mmlu, everything.without([moments[name] for name in domains]).fit(signs)),
    }


def apgr_once(scores, gains):
    """APGR for scores that hardly tie."""
    curve = recovered([gain for _, gain in sorted(zip(scores, gains), key=lambda pair: -pair[0])])
    return (sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1)


def ablation(rows, weights):
    parts = {name: part for name, part in groups(rows).items() if name in ("MMLU", "GSM8K")}
    found = {}
    for left_out in [None, *weights]:
        kept = [0.0 if name == left_out else weight for name, weight in weights.items()]
        found[left_out] = {
            name: apgr_once(
                [sum(weight * value for weight, value in zip(kept, row["values"])) for row in part],
                [row["gain"] for row in part],
            )
            for name, part in parts.items()
        }
    return found


# --- Chat


def chat_order(binary, chat):
    """For the first turn of each conversation: its score by kind, and how often a kind with gain outscores one without."""
    requests = [{"prompt": it["turns"][0]} for it in chat]
    scores = {
        "length": [float(len(it["turns"][0])) for it in chat],
        "heuristic": [it["score"] for it in ask(binary, "heuristic", requests)],
        "signalbox": [it["score"] for it in ask(binary, "signalbox", requests)],
    }
    table = {}
    for way, found in scores.items():
        hard = [score for score, it in zip(found, chat) if it["kind"] in GAIN]
        easy = [score for score, it in zip(found, chat) if it["kind"] in NO_GAIN]
        wins = sum((a > b) + (a == b) / 2 for a in hard for b in easy)
        kinds = {}
        for score, it in zip(found, chat):
            kinds.setdefault(it["kind"], []).append(score)
        table[way] = {"order": wins / (len(hard) * len(easy)), **{kind: statistics.median(of) for kind, of in kinds.items()}}
    table["n"] = len(chat)
    return table


# --- LiteLLM's own cases


def litellm_cases(binary):
    """How many of the cases in LiteLLM's package each classifier passes; the last known result where it is not installed."""
    found = importlib.util.find_spec("litellm")
    if found is None or not found.submodule_search_locations:
        print("LiteLLM is not installed: the result of its cases stays as it was", file=sys.stderr)
        return json.loads(CASES.read_text(encoding="utf-8"))
    package = pathlib.Path(found.submodule_search_locations[0])
    source = package / "router_strategy" / "complexity_router" / "evals" / "eval_complexity_router.py"
    cases = read_cases(ast.parse(source.read_text(encoding="utf-8")))
    result = {"version": importlib.metadata.version("litellm"), "total": len(cases)}
    for classifier in ("heuristic", "signalbox"):
        answers = ask(binary, classifier, [{"prompt": case["prompt"]} for case in cases])
        result[classifier] = [
            {"case": case["description"], "wanted": case["wanted"], "got": answer["tier"]}
            for case, answer in zip(cases, answers)
            if answer["tier"] not in case["wanted"]
        ]
    CASES.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def read_cases(tree):
    cases = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "EvalCase":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            tiers = [given["expected_tier"], *getattr(given.get("acceptable_tiers"), "elts", [])]
            cases.append(
                {
                    "prompt": ast.literal_eval(given["prompt"]),
                    "description": ast.literal_eval(given["description"]),
                    "wanted": sorted({tier.attr for tier in tiers}),
                }
            )
    return cases


# --- The picture


def picture(rows):
    """Two panels: the share of the gap that is recovered over the share of prompts that the strong model gets."""
    width, height, left, top, size = 820, 440, 60, 50, 310
    style = """
  text { font: 13px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 15px }
  .grid { stroke: #ddd } .axis { stroke: #888 } path { fill: none; stroke-width: 2 }
  .random { stroke: #999; stroke-dasharray: 4 4 } .length { stroke: #b7791f } .heuristic { stroke: #2b6cb0 }
  .signalbox { stroke: #c53030; stroke-width: 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .grid { stroke: #3a3a3a } .axis { stroke: #888 } .random { stroke: #888 }
    .length { stroke: #ecc94b } .heuristic { stroke: #63b3ed } .signalbox { stroke: #fc8181 }
  }"""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        "<title>Share of the gap between the weak and the strong model that each way of routing recovers</title>",
        f"<style>{style}\n</style>",
    ]
    for panel, name in enumerate(("MMLU", "GSM8K")):
        part, x0 = groups(rows)[name], left + panel * (size + 80)

        def at(x, y):
            return f"{x0 + x * size:.1f} {top + size - y * size:.1f}"

        out.append(f'<text class="title" x="{x0}" y="{top - 18}">{name}</text>')
        for tick in range(0, 101, 25):
            share = tick / 100
            out.append(f'<path class="grid" d="M{at(0, share)} L{at(1, share)} M{at(share, 0)} L{at(share, 1)}"/>')
            out.append(f'<text x="{x0 + share * size:.1f}" y="{top + size + 18}" text-anchor="middle">{tick}</text>')
            out.append(f'<text x="{x0 - 8}" y="{top + size - share * size + 4:.1f}" text-anchor="end">{tick}</text>')
        out.append(f'<path class="axis" d="M{at(0, 1)} L{at(0, 0)} L{at(1, 0)}"/>')
        for way in WAYS:
            points = curve_points(part, way)
            out.append(f'<path class="{way}" d="M' + " L".join(at(x, y) for x, y in points) + '"/>')
    middle = left + size + 40
    out.append(f'<text x="{middle}" y="{top + size + 38}" text-anchor="middle">% of the prompts sent to the strong model</text>')
    out.append(f'<text transform="translate(18 {top + size / 2}) rotate(-90)" text-anchor="middle">% of the gap recovered</text>')
    for number, way in enumerate(reversed(WAYS)):
        x = left + 30 + number * 180
        out.append(f'<path class="{way}" d="M{x} {height - 12} h28"/><text x="{x + 34}" y="{height - 8}">{NAMES[way]}</text>')
    return "\n".join(out) + "\n</svg>\n"


def curve_points(part, way, steps=50):
    if way == "random":
        return [(0.0, 0.0), (1.0, 1.0)]
    curves = [recovered(order) for order in orders([row["scores"][way] for row in part], [row["gain"] for row in part])]
    points = []
    for step in range(steps + 1):
        at = round(step / steps * len(part))
        points.append((step / steps, statistics.fmean(curve[at] for curve in curves)))
    return points


# --- The document


def table(head, rows):
    line = lambda cells: "| " + " | ".join(str(cell) for cell in cells) + " |"  # noqa: E731
    return "\n".join([line(head), "|" + "---|" * len(head), *(line(row) for row in rows)])


def number(value, digits=2):
    return "–" if value is None else f"{value:.{digits}f}"


def reasons():
    """Why each feature counts, from the source."""
    found = re.findall(r'feature\(\s*"([a-z]+)",\s*[-\d.]+,\s*"((?:[^"\\]|\\.)*)",?\s*\)', SCORER.read_text(encoding="utf-8"))
    return dict(found)


def write(results, weights):
    apgrs, refit, chat, cases, ablated = (results[key] for key in ("apgr", "refit", "chat", "cases", "ablation"))
    why = reasons()
    figures = table(
        ["", "prompts", *(NAMES[way] for way in WAYS), "standard error"],
        [
            [name, part["n"], *(number(part[way], 3) for way in WAYS), "± " + number(part["error"], 3)]
            for name, part in apgrs.items()
        ],
    )
    domains = table(
        ["domain", "prompts", "weak", "strong", *(NAMES[way] for way in WAYS[1:]), "mean score"],
        [
            [row["domain"], row["n"], *(number(row[key]) for key in ("weak", "strong", *WAYS[1:], "score"))]
            for row in results["domains"]
        ],
    )
    better = [row for row in results["domains"] if row["signalbox"] is not None]
    tiers = table(
        ["tier", "share of the prompts", "weak model right", "strong model right"],
        [[tier, f"{share:.0%}", number(weak), number(strong)] for tier, share, weak, strong in results["tiers"]],
    )
    features = table(
        ["feature", "weight", "why", "MMLU without it", "GSM8K without it"],
        [
            [name, f"{weight:+.2f}", why[name], *(number(ablated[name][bench], 3) for bench in ("MMLU", "GSM8K"))]
            for name, weight in weights.items()
        ],
    )
    seen = refit["seen"]
    fits = table(
        ["", "shipped weights", "fitted weights"],
        [
            ["MMLU, labels seen by the fit", number(seen[0], 3), number(seen[1], 3)],
            ["GSM8K, labels seen by the fit", number(seen[2], 3), number(seen[3], 3)],
            ["MMLU, a fifth of the domains left out (mean of 30 folds)", *(number(it, 3) for it in refit["folds"])],
            ["GSM8K, fitted on MMLU alone", number(seen[2], 3), number(refit["gsm from mmlu"], 3)],
            ["MMLU, fitted on GSM8K alone", number(seen[0], 3), number(refit["mmlu from gsm"], 3)],
        ],
    )
    kinds = [kind for kind in chat["signalbox"] if kind != "order"]
    chats = table(
        ["", "right order", *kinds],
        [
            [NAMES[way], number(chat[way]["order"]), *(number(chat[way][kind], 0 if way == "length" else 2) for kind in kinds)]
            for way in WAYS[1:]
        ],
    )
    passed = table(
        ["", "passed", "of"],
        [[NAMES[way], cases["total"] - len(cases[way]), cases["total"]] for way in ("heuristic", "signalbox")],
    )
    failed = "\n".join(
        f"- {NAMES[way]}: {it['case']}: wanted {' or '.join(it['wanted'])}, got {it['got']}"
        for way in ("heuristic", "signalbox")
        for it in cases[way]
    )
    return f"""<!-- Written by bench/routerbench.py (`make routerbench`). Change the script, not this file. -->
# How well the complexity scorers route

A complexity router is worth its while if it sends to the strong model the prompts that the weak model gets wrong and the strong one right. That can
be measured if both models have answered the same labelled prompts.

**APGR** (average performance gap recovered): sort the prompts by falling score, send the first x % to the strong model and the rest
to the weak one, and take the share of the gap between the two models that this recovers, averaged over x from 0 to 100 %. Chance gives 0.5;
above it, the score carries information. Ties are broken at random, 20 times.

## Figures

{figures}

![Share of the gap recovered over the share of prompts sent to the strong model](routing-quality.svg)

The data is `bench/data/routerbench-dev.jsonl.gz`: MMLU and GSM8K prompts with the answers of Mixtral 8x7B (weak) and GPT-4 1106
(strong). {LARGEST} is a fifth of the MMLU part and its prompts are long, so length looks better than it is; hence the second row.
The standard error is that of Signalbox's figure if other prompts of the same domains had been drawn.

These figures are on the split that was used while the scorer was made: the word lists and the features were chosen with it. Expect somewhat less
elsewhere.

## Argued, not fitted

The weights were argued and rounded to 0.05. Fitting them to the labels (ridge regression, the argued signs kept) wins only where the
fit has seen the labels:

{fits}

The mean over folds is lower than the figure above because a fold holds few domains, and part of what a score knows is which domains
are hard.

## The default boundaries

0.15, 0.35 and 0.60, as for LiteLLM's heuristic, so that a change of only `classifier_type` gives sensible results. On these exam
questions, which are harder than what people chat about:

{tiers}

`signalbox score --classifier signalbox` shows where a team's own prompts fall.

## Domain by domain

Signalbox is above chance in {sum(row["signalbox"] > 0.5 for row in better)} of the {len(better)} domains with a gap of at least 0.05
(below that, APGR divides by next to nothing), LiteLLM's heuristic in {sum(row["heuristic"] > 0.5 for row in better)}, length in
{sum(row["length"] > 0.5 for row in better)}. Within one domain of 100 prompts the figure swings by 0.1 and more.

{domains}

## General chat

`bench/data/chat.jsonl` has {chat["n"]} prompts of our own, eight of each kind that MT-Bench knows. They have no answers, so there is no APGR.
Public MT-Bench results show large gaps between models in mathematics, coding and reasoning and hardly any in writing, roleplay,
STEM and humanities explanations; "right order" is how often a prompt of the first three kinds outscores one of the last four (0.5 is
chance). This is weak evidence, because the features and the prompts have the same author. The medians by kind:

{chats}

## LiteLLM's own cases

The evaluation that LiteLLM ships with its complexity router (version {cases["version"]}, read from the installed package). They were
written for its keywords and expect tiers, not gains:

{passed}

Not passed:

{failed}

## The features

Each has a value in 0..1; the score is {base():.2f} plus the sum of value times weight, bent softly at the ends so that it stays
between 0 and 1. `signalbox score --explain` lists them for any request. The last columns are APGR with the feature left out
(with all of them {number(ablated[None]["MMLU"], 3)} and {number(ablated[None]["GSM8K"], 3)}). Differences below 0.01 are noise. Single prompts without
conversation, tools, or languages other than English say nothing about `context`, `tools` and `language`, and exams next to nothing about
`code`, `prose`, `demands` and `deliberation`; these are argued only.

{features}

## What it cannot see

- **Whether the question is hard for reasons of substance.** It reads how a request is put, not what it means. A short question whose answer is
  a research problem ("Is P equal to NP?") looks like a short question.
- **Knowledge.** Where the strong model simply knows more (genetics, electrical engineering), no surface feature tells which fact the
  weak one lacks. Those domains stay near chance.
- **Too hard for both.** College mathematics and chemistry get high scores, though here the strong model gained nothing either. These
  answers were given without working out loud; models that think may differ.
- **Languages.** The word lists are English with a few words of a dozen languages. Elsewhere only numbers, notation, code,
  recurrence and statements count.
- **Material.** Of a very long ask only 8 KiB at either end are read, and pasted text counts as if it were the question.
- **Intent to cheat.** Anyone who knows the words can raise or lower a score. The router saves money; it is not a guard.
- **Other pairs of models.** The labels are of one weak and one strong model of 2023. The order of prompts carries over better than
  the boundaries do.
"""


def base():
    return float(re.search(r"pub const BASE: f64 = ([\d.]+);", SCORER.read_text(encoding="utf-8")).group(1))


if __name__ == "__main__":
    main()
