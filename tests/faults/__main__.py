"""Plays the scenarios and prints the scorecard: python -m tests.faults [--profile fast|full] [--only S08,F07] [--mode default]

Scenarios mostly wait, so several are played at a time, each with an Envoy of its own. The exit code is 1 when the bar is missed; what the
bar is, and how a verdict is found, stands in `judge.py`.
"""

import argparse
import json
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from . import ours, public  # noqa: F401  (they register their scenarios)
from .judge import FAIL, VERDICTS, Case, Score
from .registry import SCENARIOS
from .stage import FAST, FULL, Stage

ROOT = Path(__file__).resolve().parents[2]


def play(scenario, mode, profile, folder, sabotage):
    """One scenario in one mode. Whatever goes wrong while it is played is its failure."""
    score = Score(scenario.id, scenario.what, mode)
    stage = Stage(folder / f"{scenario.id}-{mode}", profile, mode, sabotage)
    try:
        scenario.play(stage)
    except Exception as wrong:  # noqa: BLE001
        stage.cases.append(Case("played", FAIL, [said(wrong)]))
    try:
        stage.close()
    except Exception as wrong:  # noqa: BLE001
        stage.cases.append(Case("afterwards", FAIL, [said(wrong)]))
    score.cases = stage.cases
    return score


def said(wrong):
    """One line; the folder of the scenario's gateway has the rest."""
    return f"{type(wrong).__name__}: {' '.join(str(wrong).replace(f'{ROOT}/', '').split())[:300]}"


def row(score):
    missed = "" if score.meets_the_bar() else "   missed"
    return f"{score.id}  {score.mode:<8}  {score.verdict:<7}  {score.attempts:>8}  {score.seconds:>7.2f}  {score.what}{missed}"


def scorecard(scores):
    """The lines to print."""
    lines = [f"{'id':<3}  {'mode':<8}  {'verdict':<7}  attempts  seconds  what the provider does"]
    for score in scores:
        lines += [row(score)] + [f"{'':>39}  {note}" for note in score.notes if score.verdict != "pass"]
    for mode in ("default", "complete"):
        counts = {verdict: sum(s.mode == mode and s.id[0] == "S" and s.verdict == verdict for s in scores) for verdict in VERDICTS}
        if any(counts.values()):
            lines.append(f"S01 to S16, {mode}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    ours_played = [s for s in scores if s.id[0] == "F"]
    if ours_played:
        lines.append(f"F01 to F10: {sum(s.verdict == 'pass' for s in ours_played)} of {len(ours_played)} pass")
    return lines


def arguments():
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=["fast", "full"], default="fast", help="full: the catalogue's own timings")
    parser.add_argument("--only", default="", help="ids, with commas between")
    parser.add_argument("--mode", choices=["default", "complete"], help="one mode instead of both")
    parser.add_argument("--at-once", type=int, default=None, help="scenarios at a time")
    parser.add_argument("--sabotage", choices=["bare", "short"], help="spoil the gateway: no scenario may pass that can tell")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "faults")
    return parser.parse_args()


def main():
    options = arguments()
    profile = FULL if options.profile == "full" else FAST
    only = {name for name in options.only.split(",") if name}
    folder = options.out / "gateways"
    shutil.rmtree(folder, ignore_errors=True)
    jobs = [(one, mode) for one in SCENARIOS for mode in one.modes if (not only or one.id in only) and options.mode in (None, mode)]
    began = time.monotonic()
    # With the catalogue's timings nearly all of it is waiting.
    at_once = options.at_once or (6 if profile is FAST else 12)
    scores = {}
    with ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(play, one, mode, profile, folder, options.sabotage): (one.id, mode) for one, mode in jobs}
        for done in as_completed(running):
            scores[running[done]] = done.result()
    # The public catalogue's come first, mode by mode.
    ordered = [scores[one.id, mode] for mode in ("default", "complete") for one, of in jobs if of == mode]
    print("\n".join(scorecard(ordered)))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "scorecard.json").write_text(json.dumps([score.as_json() for score in ordered], indent=1) + "\n")
    missed = [f"{score.id} ({score.mode})" for score in ordered if not score.meets_the_bar()]
    print(f"{profile.name} profile, {time.monotonic() - began:.0f} s, written to {options.out / 'scorecard.json'}")
    if missed or not ordered:
        print(f"The bar is missed: {', '.join(missed) or 'nothing was played'}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
