"""The rules by which a scenario is judged.

A scenario is played in one or more cases (streamed and not, several kinds of one fault), each with models and providers of its own.
A case's verdict is

| verdict | the caller got | and the conduct |
|---|---|---|
| pass | the whole answer, to the last token, with its finish reason; or just what the catalogue wants in its place (S13: the provider's own reason) | held |
| partial | the same | was broken: too many attempts, too early, too slow, unhealthy afterwards |
| safe | no whole answer, but a clear error: the SDK raised, and what it raised says why | held |
| fail | anything else: a short answer as success, an error without words, an answer that never ends, an Envoy or a VM that died | |

A safe outcome with broken conduct is a fail. Conduct is judged by the providers' own journals (how often and when each was asked), never by
what the gateway says of itself, except where the catalogue asks what it says (S16). Time is the caller's, from asking to the last byte.

The scenario's verdict is the worst of its cases, its attempts are the most that any one request of it took at all providers together,
its seconds those of its slowest request.

The bar: with default settings 13 of S01 to S16 pass, and S08, S09 and S14 are safe or better; with `stream_commit: complete` all
sixteen pass; with and without a `timeout` in the configuration alike; F01 to F15 pass.
"""

from dataclasses import dataclass, field

from .registry import MODES

PASS, PARTIAL, SAFE, FAIL = VERDICTS = ("pass", "partial", "safe", "fail")

MAY_BE_SAFE = {"S08", "S09", "S14"}


@dataclass
class Case:
    """What came of one case."""

    name: str
    verdict: str
    notes: list = field(default_factory=list)
    attempts: int = 0
    seconds: float = 0.0


@dataclass
class Score:
    """What came of a scenario in one mode."""

    id: str
    what: str
    mode: str
    cases: list = field(default_factory=list)

    @property
    def verdict(self):
        return max((case.verdict for case in self.cases), key=VERDICTS.index, default=FAIL)

    @property
    def attempts(self):
        return max((case.attempts for case in self.cases), default=0)

    @property
    def seconds(self):
        return round(max((case.seconds for case in self.cases), default=0.0), 2)

    @property
    def notes(self):
        """Why it is no pass."""
        return [f"{case.name}: {note}" for case in self.cases for note in case.notes]

    def meets_the_bar(self):
        may_be_safe = MODES[self.mode]["commit"] == "first_token" and self.id in MAY_BE_SAFE
        return self.verdict == PASS or (may_be_safe and self.verdict == SAFE)

    def as_json(self):
        return {"id": self.id, "mode": self.mode, "verdict": self.verdict, "attempts": self.attempts, "seconds": self.seconds}


def judge(name, answer, served, conduct, attempts=0):
    """The verdict on a case. `served`: the caller has just what it should have; `conduct`: what had to hold, in words, and whether it did."""
    broken = [words for words, held in conduct.items() if not held]
    notes = [f"not so: {words}" for words in broken]
    if served:
        verdict = PARTIAL if broken else PASS
    elif answer.clear_error():
        verdict = FAIL if broken else SAFE
    else:
        verdict = FAIL
    if not served:
        notes.append(str(answer))
    return Case(name, verdict, notes, attempts, answer.seconds)
