"""The reader of YAML against PyYAML, which LiteLLM reads its configuration with: the same values, and no text refused that it takes.

The other way round there are differences that do no harm: tabs between words, and tags are told in our own words. What PyYAML makes of
dates is a text here, and keys of maps are texts.
"""

import datetime
import json
import math
import pathlib
import random
import re
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]

SNIPPETS = """
r:\\n  f: [\\n    {a: b}\\n  ]\\n
r:\\n  f: {\\n  a: 1\\n  }\\n
a: [\\n1,\\n2\\n]
a: 'x\\n  y'
- a: "x\\n  y"
a: 1\\r\\nb:\\r\\n- c\\r\\n
\ufeffa: 1
%YAML 1.1\\n---\\na: 1\\n...\\n
--- \\na: 1
a: yes\\nb: no\\nc: on\\nd: off\\ne: y\\nf: n\\ng: Yes\\nh: oN\\ni: TRUE
a: 014\\nb: 0o14\\nc: 0x1F\\nd: 0b11\\ne: 08\\nf: 1_000\\ng: 12:30:45\\nh: 1:75
a: 1e3\\nb: 1.5e3\\nc: 1.5e+3\\nd: .5\\ne: -.5\\nf: 1.\\ng: +1.5\\nh: 6.8523015e+5\\ni: 190:20:30.15
a: ~\\nb: null\\nc: Null\\nd:\\ne: ''
a: 2024-02-01\\nb: 2001-12-14t21:59:43.10-05:00\\nc: 127.0.0.1:80
a: |\\n  x\\n  y\\nb: >-\\n  x\\n  y\\nc: |+\\n  x\\n\\n
a: |\\n  x
a: &x {k: 1, l: 2}\\nb: {<<: *x, l: 3}\\nc: *x
a: &x {k: 1}\\nb: &y {k: 2, m: 3}\\nc: {<<: [*x, *y], n: 4}
a: &x [1, 2]\\nb: *x
a: [a, b: c]\\nb: {a, b: }
a: {b: {\\n}}\\nc: [,]
a: http://x:80/y\\nb: [http://x:80/y, c]\\nc: {u: http://x/y}
a: ${X}\\nb: $(x)\\nc: '{{ x }}'\\nd: sk-1234 # not
a: {{ x }}
a: b#c\\nb: c #d
? a\\n: b
- - a\\n  - b\\n- c
"q k": v\\n'p': w\\n2: x\\n1.5: y\\ntrue: z
a: x\\n  y\\n  z
a: "\\\\u263a\\\\x41\\\\t\\\\\\\\ \\\\\\n  x"
a: !!str 1\\nb: !!int '3'\\nc: !!float 1\\nd: ! x
a: !ENV x
a: *b
a: 1\\n---\\nb: 2
a: `x`
a: @x
a: %x
\\ta: 1
a: [1, 2
a: 1\\n b: 2
a: =
a: <<
"<<": {a: 1}
""".strip().split("\n")


def texts():
    found = [snippet.encode().decode("unicode_escape") if "\ufeff" not in snippet else snippet for snippet in SNIPPETS]
    files = sorted((ROOT / "tests" / "golden").rglob("*.yaml")) + sorted((ROOT / "demo").rglob("*.yaml"))
    found += [file.read_text() for file in files if file.stat().st_size < 20_000]
    chance = random.Random(9)
    marks = ["\n", "  ", " ", ":", "-", "[", "]", "{", "}", ",", "#", "'", '"', "|", ">", "?", "\r\n", "\n  ", "- ", ": ", "~", "0"]
    for _ in range(8000):
        text = chance.choice(found)
        start = chance.randrange(max(1, len(text) - 600)) if len(text) > 600 else 0
        text = text[text.rfind("\n", 0, start) + 1 :][:600]
        for _ in range(chance.randint(1, 2)):
            at = chance.randint(0, len(text))
            text = text[:at] + chance.choice(marks) + text[at + chance.randint(0, 1) :]
        found.append(text)
    return found


def plain(value):
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {key_text(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (datetime.date, datetime.datetime)):
        return DATE
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value)
    return value


DATE = "a date"


def key_text(key):
    return key if isinstance(key, str) else json.dumps(plain(key))


def pyyaml(text):
    try:
        return {"value": plain(yaml.safe_load(text))}
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, IndexError) as error:
        return {"error": str(error)}


def same(theirs, ours):
    if theirs == DATE:
        return isinstance(ours, str)
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return theirs.keys() == ours.keys() and all(same(theirs[key], ours[key]) for key in theirs)
    if isinstance(theirs, list) and isinstance(ours, list):
        return len(theirs) == len(ours) and all(map(same, theirs, ours))
    if isinstance(theirs, float) or isinstance(ours, float):
        return isinstance(theirs, (int, float)) and isinstance(ours, (int, float)) and math.isclose(theirs, ours)
    return type(theirs) is type(ours) and theirs == ours


EXCUSED = [
    r"!|\t|<<",  # Tags; tabs between words; keys that are made by merging.
    r"(^|[\s\[,:{-])=([\s,\]}:]|$)",  # A type of its own there.
    r"(?s)^.+\ufeff|^%(?!YAML )",  # A byte order mark within a text, and a directive that nobody knows.
    r":[,\]}]",  # A key in brackets with nothing behind its colon, not even a space: libyaml refuses it.
    r"[>|][-+0-9]*#",  # A comment at the very head of a block, which libyaml takes.
]


def excused(text):
    """What the two may differ in."""
    return any(re.search(pattern, text) for pattern in EXCUSED)


@pytest.fixture(scope="module")
def both():
    cases = texts()
    command = ["cargo", "run", "-q", "--features", "cli", "--example", "yaml_tree"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(cases), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(zip(cases, map(pyyaml, cases), json.loads(done.stdout)))


def test_what_pyyaml_takes_is_taken_with_the_same_values(both):
    wrong, read = [], 0
    for text, theirs, ours in both:
        if "error" in theirs or excused(text):
            continue
        read += 1
        if "error" in ours or not same(theirs["value"], ours["value"]):
            wrong.append((text, theirs, ours))
    assert not wrong, f"{len(wrong)} of {read}: {wrong[:5]}"
    assert read > 700


def test_what_pyyaml_refuses_is_refused(both):
    """But for what a tab makes, a value with a tag, and a `?` within a word in brackets."""
    accepted = [case for case in both if "error" in case[1] and "error" not in case[2]]
    wrong = [case for case in accepted if not excused(case[0]) and "?" not in case[0]]
    assert not wrong, f"{len(wrong)}: {wrong[:5]}"


def test_the_snippets_are_read_alike(both):
    for text, theirs, ours in both[: len(SNIPPETS)]:
        assert excused(text) or ("error" in theirs) == ("error" in ours), text
