"""What finds the best settings in the fewest steps: samplers and schedulers compared.

    python bench/searchers.py [--device cuda] [--seeds 5] [--trials 24] [--out curves.json]
    python bench/searchers.py --neuron fc8:0 fc8:1 fc8:2 fc8:3 fc8:4   # each seed its own neuron

Each way of searching gets the same budget of sample-steps (one start, one step), that of --trials
ascents to their end; with early stopping it tries more settings for it. Trials run one after the
other, without Ray, by the samplers, rules and ledger of a search. The best of each search at a
quarter, half and all of the budget is scored again on fresh starts, since the lowest of many noisy
scores is lower than it deserves. Scores are distances in multiples of the neuron's noise floor.
Prints, for each way, their mean over the seeds and its standard deviation; then the geometric mean
of their ratio to the first way's with the same seed, with its standard error as a factor. A
continuous space has no grid: `grid` searches one of its own. Searches that --out has already are
not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from tune_am.am.controls import real_vs_real
from tune_am.am.plan import Plan, report_points
from tune_am.am.score import BEST_STEP, STEP
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack
from tune_am.tuning.campaign.result import distance
from tune_am.tuning.defaults import (
    CPU,
    GRID,
    RESCORE_STARTS,
    SAMPLER,
    SAMPLERS,
    SCHEDULER,
    SCHEDULERS,
)
from tune_am.tuning.early_stopping.schedulers import stopping_rule
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import DIVERGED, FINISHED, STOPPED_EARLY, Record, has_diverged
from tune_am.tuning.sampling.grid import gridded
from tune_am.tuning.space import Space, from_source, load

# What somebody who knows the default space might write down as a grid.
WRITTEN = """
def space(trial):
    return {
        "radius": 1.1,
        "lr": trial.suggest_categorical("lr", [0.003, 0.01, 0.03, 0.1, 0.3]),
        "l2": trial.suggest_categorical("l2", [0.0, 0.01, 0.1]),
        "init_scale": trial.suggest_float("init_scale", 0.5, 1.5, step=0.5),
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]),
    }
"""
WAYS = (
    *product(SAMPLERS, (SCHEDULER, "none")),
    *((SAMPLER, rule) for rule in SCHEDULERS if rule not in (SCHEDULER, "none")),
)
FACTS = ("pack", "space", "starts", "first_point", "max_steps")  # of all searches in --out
SHARES = (0.25, 0.5, 1.0)  # of the budget, at which the best is scored again


@dataclass
class Curve:
    """One search. points: [sample-steps, best score so far, trial] at each new best. rescored:
    distances by share of the budget."""

    sampler: str
    scheduler: str
    seed: int
    points: list[tuple[int, float, int]]
    rescored: dict[str, float]
    neuron: str
    trials: int = 0
    seconds: float = 0.0


def main() -> None:
    arguments = parsed()
    if arguments.device == "cpu":
        torch.set_num_threads(1)
    pack = Pack.load(arguments.pack, arguments.device)
    points = report_points(arguments.first_point, arguments.max_steps)
    neurons = arguments.neuron
    plan = Plan(neurons[0], starts=arguments.starts, report_points=points, device=arguments.device)
    budget = arguments.budget or arguments.trials * plan.starts * plan.max_steps
    space, written = load(arguments.space), from_source("grid", WRITTEN)
    print(
        f"{pack.name}, {', '.join(neurons)}, {arguments.device}, space {space.name}: "
        f"{budget} sample-steps of {plan.starts} starts, scored at {', '.join(map(str, points))}",
        flush=True,
    )
    facts = {name: getattr(arguments, name) for name in FACTS} | {"budget": budget}
    begun, curves = time.monotonic(), known(arguments.out, facts)
    for seed in range(arguments.seeds):
        plan = replace(plan, neuron=neurons[seed % len(neurons)], seed=seed)
        for sampler, scheduler in ways(arguments.only):
            here = sampler, scheduler, seed, plan.neuron
            late = arguments.seconds and time.monotonic() - begun > arguments.seconds
            if late or any((c.sampler, c.scheduler, c.seed, c.neuron) == here for c in curves):
                continue
            tried = written if sampler == GRID else space
            curve = search(pack, plan, tried, sampler, scheduler, budget)
            curves.append(curve)
            print(f"  {told(curve)}", flush=True)
            if arguments.out:
                content = facts | {"curves": [asdict(curve) for curve in curves]}
                Path(arguments.out).write_text(json.dumps(content, indent=1), encoding="utf-8")
    table(curves)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal", help="name or folder of a pack")
    parser.add_argument("--neuron", nargs="+", default=["vocal"], help="for each seed the next")
    parser.add_argument("--space", default="default", help="of all samplers but grid")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--seeds", type=int, default=5, help="searches of each way")
    parser.add_argument("--trials", type=int, default=CPU.trials, help="full ascents to spend")
    parser.add_argument("--starts", type=int, default=CPU.starts, help="of each trial")
    parser.add_argument("--first-point", type=int, default=CPU.first_point)
    parser.add_argument("--max-steps", type=int, default=CPU.max_steps, help="of each ascent")
    parser.add_argument("--budget", type=int, help="sample-steps, in place of --trials")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="samplers, or sampler/scheduler")
    parser.add_argument(
        "--out", help="JSON of all curves, written after each search and gone on with"
    )
    parser.add_argument("--seconds", type=float, help="begin no further search after so many")
    return parser.parse_args()


def known(file: str | None, facts: dict[str, Any]) -> list[Curve]:
    if not file or not Path(file).exists():
        return []
    content = json.loads(Path(file).read_text(encoding="utf-8"))
    if (theirs := {name: content.get(name) for name in facts}) != facts:
        raise SystemExit(f"{file} has searches of {theirs}, not of {facts}: take another file")
    return [Curve(**curve) for curve in content["curves"]]


def ways(only: list[str] | None) -> list[tuple[str, str]]:
    return [way for way in WAYS if only is None or way[0] in only or "/".join(way) in only]


def search(
    pack: Pack, plan: Plan, space: Space, sampler: str, scheduler: str, budget: int
) -> Curve:
    begun = time.monotonic()
    curve = Curve(sampler, scheduler, plan.seed, [], {}, plan.neuron)
    for ledger, spent in reports(pack, plan, space, sampler, scheduler, budget):
        best = ledger.best
        if spent <= budget and (not curve.points or best.score < curve.points[-1][1]):
            curve.points.append((spent, best.score, best.number))
        for share in SHARES:
            if spent >= share * budget and str(share) not in curve.rescored:
                curve.rescored[str(share)] = again(pack, plan, best)
        curve.trials = len(ledger.records)
    curve.seconds = round(time.monotonic() - begun, 2)
    return curve


def reports(
    pack: Pack, plan: Plan, space: Space, sampler: str, scheduler: str, budget: int
) -> Iterator[tuple[Ledger, int]]:
    """Searches; at each report the ledger and the sample-steps spent."""
    rule, spent = stopping_rule(scheduler, plan.report_points), 0
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "study")
        ledger = Ledger(kept, "bench", plan.seed, plan.scored_by, sampler=sampler)
        ledger.enqueue(gridded(space, plan.seed).points if sampler == GRID else space.points)
        while spent < budget:
            number = ledger.ask(space).number
            run = TrialRun(pack, plan, ledger[number].settings)
            outcome = None
            while outcome is None and spent < budget:
                metrics = run.advance_to(run.next_point)
                spent += plan.starts * (int(metrics[STEP]) - ledger[number].step)
                if has_diverged(metrics):
                    outcome = DIVERGED
                elif run.next_point is None:
                    outcome = FINISHED
                elif rule is not None and rule.stops(ledger, number, metrics):
                    outcome = STOPPED_EARLY
                ledger.write(number, metrics, outcome)
                yield ledger, spent


def again(pack: Pack, plan: Plan, best: Record) -> float:
    """The distance of a record's settings and best step on fresh starts."""
    return fresh_distance(pack, plan, best.settings, int(best.reports[-1][BEST_STEP]))


@cache  # many searches of a seed have the same best, a point of the space
def fresh_distance(pack: Pack, plan: Plan, settings: Settings, step: int) -> float:
    fresh = replace(plan.fresh("searchers"), starts=RESCORE_STARTS, report_points=(step,))
    row = TrialRun(pack, fresh, settings).advance_to(step)
    return distance(plan.objective, row, noise_floor(pack, plan.neuron, plan.device))


@cache
def noise_floor(pack: Pack, neuron: str, device: str) -> dict[str, float]:
    return real_vs_real(pack, Plan(neuron, device=device), examples=RESCORE_STARTS)


def told(curve: Curve) -> str:
    scores = "  ".join(f"{score:8.3g}" for score in curve.rescored.values())
    way = f"{curve.sampler}/{curve.scheduler}"
    return f"{way:16} seed {curve.seed}: {scores}   {curve.trials} trials, {curve.seconds} s"


def table(curves: list[Curve]) -> None:
    head = "".join(f"{f'{share:.0%} of budget':>20}" for share in SHARES)
    print(
        f"\n{'sampler':8}{'scheduler':11}{'seeds':>5}{head}"
        f"{'trials':>8}{'s':>7}{'ratio at the end':>20}"
    )
    first = None
    for way in WAYS:
        mine = {curve.seed: curve for curve in curves if (curve.sampler, curve.scheduler) == way}
        if not mine:
            continue
        first = first or mine
        cells = ""
        for share in SHARES:
            scores = [curve.rescored[str(share)] for curve in mine.values()]
            spread = stdev(scores) if len(scores) > 1 else math.nan
            cells += f"{f'{fmean(scores):.3g} ± {spread:.2g}':>20}"
        trials, seconds = (
            fmean(getattr(c, n) for c in mine.values()) for n in ("trials", "seconds")
        )
        print(
            f"{way[0]:8}{way[1]:11}{len(mine):5}{cells}"
            f"{trials:8.0f}{seconds:7.1f}{against(mine, first):>20}"
        )


def against(mine: dict[int, Curve], first: dict[int, Curve]) -> str:
    """The ratio of final distances with the same seeds."""
    end = str(SHARES[-1])
    logs = [
        math.log(mine[seed].rescored[end] / first[seed].rescored[end])
        for seed in sorted(mine.keys() & first.keys())
    ]
    error = stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else math.nan
    return f"{math.exp(fmean(logs)):.2f} x/÷ {math.exp(error):.2f}" if logs else ""


if __name__ == "__main__":
    main()
