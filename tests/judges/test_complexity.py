"""LiteLLM's own complexity router judges ours: the same tier, score to the last bit, and signals on generated and nasty prompts,
and the same newest ask of conversations.

The binary is the judged one: `SIGNALBOX_BIN`, or target/debug/signalbox. LiteLLM decides like the Python it runs on, so prompts
hold no character younger than that Python's Unicode.
"""

import asyncio
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import unicodedata

import pytest
from litellm.router_strategy.complexity_router import complexity_router, config

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))

WORDS = (
    config.DEFAULT_CODE_KEYWORDS
    + config.DEFAULT_REASONING_KEYWORDS
    + config.DEFAULT_TECHNICAL_KEYWORDS
    + config.DEFAULT_SIMPLE_KEYWORDS
)
STEPS = ["first", "then", "step", "step 1", "step\u00a0٣", "step\x1c4", "ſtep 2", "fırst", "firſt", "1. ", "२.\u3000", "a) ", "K)\x1f", "ı) ", "firsthen"]
ODD = [
    "’", "'", "_", "-", ".", "?", "??", "\n", "\r", "\t", "\x0b", "\x1c", "\x85", "\u200b", "\u2028", "\ufeff", "\u0301", "\u0307",
    "\u093f", "\u0903", "ⓐ", "🅰", "²", "½", "Ⅷ", "٣", "߉", "𝟘", "ª", "ǅ", "ß", "İ", "ı", "K", "Å", "ſ", "Σ", "ς", "ΟΔΟΣ", "é", "Ü", "Ж",
    "发票", "開発", "ｱﾌﾟﾘ", "한국어", "ภาษา", "हिन्दी", "عربي", "\u200d", "😀", "👩‍💻", "\U00020000", "\U0010ffff", "\0", "\x7f",
]
PLAIN = "the a of and to in is it for on with as this that please write make me give good story house river explain why how".split()


def signalbox(lines, *args):
    stdin = "".join(json.dumps(line) + "\n" for line in lines).encode()
    done = subprocess.run([BINARY, "score", "--classifier", "heuristic", *args], input=stdin, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines)
    return answers


def router(settings):
    return complexity_router.ComplexityRouter(
        model_name="smart", litellm_router_instance=None, complexity_router_config=settings, default_model=None
    )


def generated(count, seed):
    """Keywords in every kind of surroundings, in lengths around the thresholds."""
    dice = random.Random(seed)
    alnum = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isalnum()]
    anything = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    prompts = []
    for _ in range(count):
        parts = []
        for _ in range(dice.choice((1, 2, 3, 5, 8, 20, 60, 250))):
            kind = dice.random()
            if kind < 0.35:
                word = dice.choice(WORDS)
                word = dice.choice((word, word, word.upper(), word.title(), word.replace(" ", "  "), word + "s"))
            elif kind < 0.45:
                word = dice.choice(STEPS)
            elif kind < 0.6:
                word = dice.choice(ODD)
            elif kind < 0.65:
                word = dice.choice(alnum)
            elif kind < 0.7:
                word = dice.choice(anything)
            else:
                word = dice.choice(PLAIN)
            parts.append(word)
            parts.append(dice.choice((" ", " ", " ", " ", "", "\n", ", ", ". ", dice.choice(ODD))))
        prompts.append("".join(parts))
    return prompts


def bits(score):
    return struct.pack(">d", score)


def judged(prompts, settings, *args):
    theirs = router(settings)
    wrong = []
    for prompt, ours in zip(prompts, signalbox([{"prompt": prompt} for prompt in prompts], *args)):
        tier, score, signals = theirs.classify(prompt)
        if (ours["tier"], bits(ours["score"]), ours["signals"]) != (tier.value, bits(float(score)), signals):
            wrong.append(f"{prompt!r}\n  ours   {ours}\n  theirs {tier.value} {score!r} {signals}")
    assert not wrong, f"{len(wrong)} of {len(prompts)} differ:\n" + "\n".join(wrong[:5])


def test_generated_prompts_score_as_in_litellm():
    prompts = generated(2000, seed=20261121)
    tiers = {answer["tier"] for answer in signalbox([{"prompt": prompt} for prompt in prompts])}
    assert tiers == {"SIMPLE", "MEDIUM", "COMPLEX", "REASONING"}, "the prompts are too much alike"
    judged(prompts, {})


def test_every_character_bounds_words_as_in_litellm():
    known = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    # Many characters a prompt, each with a keyword of its own, so that one difference is found and named by bisection.
    theirs = router({})

    def differ(characters, prompt_of):
        prompts = [prompt_of(character) for character in characters]
        answers = signalbox([{"prompt": prompt} for prompt in prompts])
        return [
            (hex(ord(character)), ours["signals"], theirs.classify(prompt)[2])
            for character, prompt, ours in zip(characters, prompts, answers)
            if ours["signals"] != theirs.classify(prompt)[2]
        ]

    cased = [c for c in known if c.lower() != c or c.upper() != c]
    classes = {}
    for c in known:
        classes.setdefault((unicodedata.category(c), ord(c) >> 8), []).append(c)
    sample = sorted({c for group in classes.values() for c in (group[0], group[-1], group[len(group) // 2])} | set(cased))
    assert len(sample) > 3000
    assert not differ(sample, lambda c: f"{c}api {c} sql{c} step{c}7 {c}. {c}) step {c} is a long enough sentence to have no length")


def test_odd_prompts_score_as_in_litellm():
    long = "an ordinary sentence about nothing much. " * 5000
    prompts = ["", " ", "\n", "?" * 4, "a" * 1604, "é" * 1604, "发" * 60, long, long + "evaluate api step 1", "İ" * 59, "Σ" * 61]
    prompts += [odd + word + other for odd in ODD for word in ("api", "what is", "Let's think") for other in ("", odd)]
    prompts += ["step" + odd + "1" for odd in ODD] + ["7." + odd for odd in ODD] + ["z)" + odd for odd in ODD]
    prompts += [odd + ") x" for odd in ODD] + [odd + ". x" for odd in ODD] + ["first" + odd + "then" for odd in ODD]
    judged(prompts, {})


@pytest.mark.parametrize(
    "settings",
    [
        {"code_keywords": ["c++", "发票", "ΟΔΟΣ", "É", ".NET", "api", "API", "İ", "", "ａｐｉ"]},
        {"simple_keywords": [" ", "'", "x y"], "reasoning_keywords": ["ſ", "ß"]},
        {"custom_technical_keywords": ["Kafka", "LATENCY", "KAFKA", "river", "House"], "technical_keywords": ["river"]},
        {"dimension_weights": {"codePresence": 0.4, "tokenCount": -0.3}, "reasoning_override_min_score": 0},
        {"tier_boundaries": {"simple_medium": 0.05}, "token_thresholds": {"complex": 30}},
    ],
    ids=["code", "others", "technical", "weights", "boundaries"],
)
def test_configured_scorers_score_as_in_litellm(settings, tmp_path):
    file = tmp_path / "config.yaml"
    params = {"model": "auto_router/complexity_router", "complexity_router_config": settings}
    file.write_text(json.dumps({"model_list": [{"model_name": "smart", "litellm_params": params}]}))
    prompts = generated(200, seed=7) + [f"{a} {word} {b}" for word in ODD for a, b in (("x", "y"), ("", ""), ("kafka", "river"))]
    judged(prompts, settings, "--config", str(file))


def conversations(count, seed):
    dice = random.Random(seed)
    texts = [
        "hello", "  class api \n", "", " ", "<system-reminder>class</system-reminder>", "a<SYSTEM-REMINDER>b</system-reminder> c api",
        "<system-reminder>open sql", "x</system-reminder>y", "<system-reminder>1<system-reminder>2</system-reminder>3 sql",
    ]
    for _ in range(count):
        messages = []
        for _ in range(dice.randint(1, 6)):
            content = dice.choice(texts)
            kind = dice.random()
            if kind < 0.4:
                parts = [{"type": "text", "text": dice.choice(texts)} for _ in range(dice.randint(0, 3))]
                other = {"type": dice.choice(("image_url", "tool_result", "file")), "text": "function api"}
                content = [*parts, other] if dice.random() < 0.5 else parts
            elif kind < 0.5:
                content = None
            messages.append({"role": dice.choice(("user", "user", "assistant", "system", "tool")), "content": content})
        yield messages


def test_the_newest_ask_is_litellms():
    theirs = router({"escalation_keywords": []})
    asked = list(conversations(600, seed=3))
    for messages, ours in zip(asked, signalbox([{"messages": messages} for messages in asked])):
        ask, _ = complexity_router._extract_current_ask_and_system_prompt(messages)
        if ask is None:
            assert ours["cause"] == "default_fallback", messages
            continue
        tier, score, signals = theirs.classify(ask)
        assert (ours["tier"], ours["score"], ours["signals"]) == (tier.value, score, signals), messages


ASKS = [
    "hello", "  class api \n", "", " ", "<system-reminder>class</system-reminder>", "<system-reminder>open sql", "x</system-reminder>y",
    "please LITELLM ESCALATE now", "litellm escalate", "go UP", "Plan mode is active", 'You are currently running in "Plan" mode.',
    "my plan sign", "You are coming up with a succinct title for a coding session", "chore: name it", "INVOICES", "an invoice",
    "我需要开发票", "c++ code", "pay the bill (now)", "Let's think step by step", "evaluate and deduce the api",
    "Design a distributed scalable system with grpc and protocol buffers; implement in rust with an api endpoint.", "????",
    "<<NOTE>>inside api<</Note>>", "[Ä]quoted api[/Ä] rest", "[ä]quoted sql[/Ä]", "ที่นี่ api", "مرحبا sql", "long " * 500,
]
TIERS = ["SIMPLE", "MEDIUM", "COMPLEX", "REASONING"]


def whole_settings(dice):
    """Rules of every kind, together as they come."""
    tiers = {tier: dice.choice(("a", ["a", "b"], {"model_name": "b", "litellm_params": {"seed": 1}})) for tier in TIERS if dice.random() < 0.8}
    tiers = tiers or {"MEDIUM": "a"}
    keywords = ["invoice", " Invoice ", "发票", "c++", "(now)", "pay the bill", "", "api", "?"]
    maybe = {
        "keyword_tier_rules": [{"keywords": [*dice.sample(keywords, 3), "zz"], "tier": dice.choice(TIERS)} for _ in range(2)],
        "escalation_keywords": dice.choice(([], ["UP", ""], [" go ", "LITELLM ESCALATE"])),
        "plan_mode_min_tier": dice.choice(list(tiers)),
        "plan_mode_patterns": ["plan sign", " "],
        "route_housekeeping_to_cheapest_tier": False,
        "housekeeping_patterns": ["chore:", ""],
        "reminder_markers": dice.choice(([{"open": "<<NOTE>>", "close": "<</note>>"}], [{"open": "[Ä]", "close": "[/Ä]"}])),
        "tier_boundaries": dice.choice(({"simple_medium": 0}, {"simple_medium": 0.5, "medium_complex": 0.2}, {})),
        "reasoning_override_min_score": dice.choice((0, -1, 1)),
        "dimension_weights": dice.choice(({"codePresence": 1}, {"tokenCount": -1, "questionComplexity": 1})),
    }
    settings = {key: value for key, value in maybe.items() if dice.random() < 0.4}
    return {**settings, "tiers": tiers, "default_model": "a", "max_tokens_from_tier_model": False}


def whole_request(dice):
    def text():
        return dice.choice((" ", "", "\n", ". ")).join(dice.choice(ASKS) for _ in range(dice.choice((1, 1, 2, 3))))

    def part():
        kind = dice.choice(("text", "text", "text", "image_url", "tool_result", "input_text", None))
        return {"type": kind, "text": text()} if kind else text()

    def message():
        content = dice.choice((text(), text(), [part() for _ in range(dice.randint(0, 3))], None))
        return {"role": dice.choice(("user", "user", "user", "assistant", "system", "tool")), "content": content}

    request = {"messages": [message() for _ in range(dice.choice((1, 1, 2, 3, 6)))]}
    if dice.random() < 0.3:
        request["tools"] = [{"type": "function", "function": {"name": dice.choice(("f", "exit_plan_mode")), "parameters": {}}}]
    return request


def test_whole_decisions_are_litellms(tmp_path):
    """Not the scorer alone: keyword rules, chores, planning clients, wishes for more, markers, in LiteLLM's order."""
    dice, file, causes, wrong = random.Random(20261121), tmp_path / "config.yaml", set(), []
    for _ in range(40):
        settings = whole_settings(dice)
        file.write_text(json.dumps({"model_list": [{"model_name": "smart", "litellm_params": {
            "model": "auto_router/complexity_router", "complexity_router_config": settings}}]}))
        theirs, requests = router(settings), [whole_request(dice) for _ in range(50)]
        for request, ours in zip(requests, signalbox(requests, "--config", str(file))):
            kwargs = {"proxy_server_request": {"body": request}, "metadata": {}}
            found = asyncio.run(theirs._classify_and_route("smart", kwargs, messages=request["messages"])).routing_decision
            causes.add(found["cause"])
            tier = ours["tier"] if ours["cause"] != "default_fallback" else None
            told = (tier, ours["score"], ours["signals"], ours["cause"])
            if told != (found.get("tier"), found.get("score"), list(found.get("signals") or []), found["cause"]):
                wrong.append(f"{settings}\n{request}\n  ours   {told}\n  theirs {found}")
    assert causes == {
        "heuristic_scorer", "reasoning_override", "literal_keyword_match", "housekeeping", "plan_mode", "default_fallback"
    }
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:3])


def test_the_judge_can_refuse():
    with pytest.raises(AssertionError, match="differ"):
        judged(["evaluate and deduce the api"], {"dimension_weights": {"codePresence": 0.1}})
