"""Plays the scenarios and prints the scorecard: python -m tests.faults [--profile fast|full] [--only S08,F07] [--mode default]

Scenarios mostly wait, so many are played at a time; those of a mode share an Envoy where they can. The exit code is 1 when the bar is missed; what the
bar is, and how a verdict is found, stands in `judge.py`.
"""

import argparse
import json
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import ours, public, silence  # noqa: F401  (they register their scenarios)
from .judge import FAIL, VERDICTS, Case, Score
from .registry import MODES, SCENARIOS
from .stage import FAST, FULL, Hall, Stage

ROOT = Path(__file__).resolve().parents[2]


def play(scenario, stage):
    """One scenario in one mode. Whatever goes wrong while it is played is its failure."""
    score = Score(scenario.id, scenario.what, stage.mode)
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


def play_together(scenarios, mode, folder, profile, sabotage):
    """Scenarios that share a gateway."""
    hall = Hall(folder / mode, profile, mode, sabotage, [one.id for one in scenarios])
    with ThreadPoolExecutor(len(scenarios)) as pool:
        stages = [Stage(one.id, folder / f"{one.id}-{mode}", profile, mode, sabotage, hall) for one in scenarios]
        return list(pool.map(play, scenarios, stages))


def play_alone(scenario, mode, folder, profile, sabotage):
    """A scenario that has a gateway to itself."""
    return [play(scenario, Stage(scenario.id, folder / f"{scenario.id}-{mode}", profile, mode, sabotage))]


def jobs(options, profile, folder):
    """What can be played side by side, each with an Envoy: calls that give scores."""
    only = {name for name in options.only.split(",") if name}
    chosen = [one for one in SCENARIOS if not only or one.id in only]
    made, rest = [], (folder, profile, options.sabotage)
    for mode in MODES:
        here = [one for one in chosen if mode in one.modes and options.mode in (None, mode)]
        together = [one for one in here if not one.alone]
        made += [(play_together, together, mode, *rest)] if together else []
        made += [(play_alone, one, mode, *rest) for one in here if one.alone]
    return made


def said(wrong):
    """One line; the folder of the scenario's gateway has the rest."""
    return f"{type(wrong).__name__}: {' '.join(str(wrong).replace(f'{ROOT}/', '').split())[:300]}"


def row(score):
    missed = "" if score.meets_the_bar() else "   missed"
    return f"{score.id}  {score.mode:<16}  {score.verdict:<7}  {score.attempts:>8}  {score.seconds:>7.2f}  {score.what}{missed}"


def scorecard(scores):
    """The lines to print."""
    lines = [f"{'id':<3}  {'mode':<16}  {'verdict':<7}  attempts  seconds  what the provider does"]
    for score in scores:
        lines += [row(score)] + [f"{'':>47}  {note}" for note in score.notes if score.verdict != "pass"]
    for mode in MODES:
        counts = {verdict: sum(s.mode == mode and s.id[0] == "S" and s.verdict == verdict for s in scores) for verdict in VERDICTS}
        if any(counts.values()):
            lines.append(f"S01 to S16, {mode}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    ours_played = [s for s in scores if s.id[0] == "F"]
    if ours_played:
        lines.append(f"F01 to F15: {sum(s.verdict == 'pass' for s in ours_played)} of {len(ours_played)} pass")
    return lines


def arguments():
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=["fast", "full"], default="fast", help="full: the catalogue's own timings")
    parser.add_argument("--only", default="", help="ids, with commas between")
    parser.add_argument("--mode", choices=MODES, help="one mode instead of all")
    parser.add_argument("--at-once", type=int, default=None, help="Envoys at a time")
    parser.add_argument("--sabotage", choices=["bare", "short"], help="spoil the gateway: no scenario may pass that can tell")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "faults")
    return parser.parse_args()


def main():
    options = arguments()
    profile = FULL if options.profile == "full" else FAST
    folder = options.out / "gateways"
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()
    # With the catalogue's timings nearly all of it is waiting.
    at_once = options.at_once or (6 if profile is FAST else 12)
    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(*job) for job in jobs(options, profile, folder)]
        scores = [score for job in running for score in job.result()]
    # Mode by mode, and the public catalogue's first.
    order = list(MODES)
    ordered = sorted(scores, key=lambda score: (order.index(score.mode), score.id[0] != "S", score.id))
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
