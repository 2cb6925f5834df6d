"""What a search by two objectives gains: the fronts found by both, and by the first alone.

    python bench/front.py [--pack vocal] [--neuron fc8:0 fc8:1 ...] [--objective A,B] [--trials 24]

Each way of searching gets the same budget of sample-steps, that of --trials ascents to their end.
What a search would score again (`tune_am.tuning.finalists.candidates`) is scored on fresh starts by
both objectives: by the first alone its four best, and as many as a front has (8). Prints for each
way the mean over the neurons, a seed for each, of the best distance by either objective (roots of
squares, what is missing to a share of 1) and of the area that the front dominates, of that between
the scores of latents that were never optimised, 0, and the best there is, 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

import torch
from searchers import reports

from tune_am.am.controls import never_optimised
from tune_am.am.objectives import Objective
from tune_am.am.plan import Plan, report_points
from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack
from tune_am.tuning.defaults import CPU, RESCORE_STARTS, RESCORED, RESCORED_FRONT
from tune_am.tuning.finalists import Candidate, candidates
from tune_am.tuning.space import load

Pair = tuple[float, ...]

# The objectives of a search (both or the first), its sampler, and how many are scored again.
WAYS = (
    ("both", "tpe", RESCORED_FRONT),
    ("both", "gp", RESCORED_FRONT),
    ("both", "nsga2", RESCORED_FRONT),
    ("both", "random", RESCORED_FRONT),
    ("first", "tpe", RESCORED_FRONT),
    ("first", "tpe", RESCORED),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal", help="name or folder of a pack")
    parser.add_argument("--neuron", nargs="+", default=["vocal"], help="for each seed the next")
    parser.add_argument("--objective", default="activation_fid,coverage", help="two")
    parser.add_argument("--trials", type=int, default=CPU.trials, help="full ascents to spend")
    parser.add_argument("--scheduler", default="asha")
    parser.add_argument("--space", default="default")
    given = parser.parse_args()
    torch.set_num_threads(1)
    pack, space = Pack.load(given.pack), load(given.space)
    points = report_points(CPU.first_point, CPU.max_steps)
    found: dict[tuple[str, str, int], list[Pair]] = {way: [] for way in WAYS}
    for seed, neuron in enumerate(given.neuron):
        plan = Plan(neuron, "max", CPU.starts, points, seed, objective=given.objective)
        every, budget = plan.scored_by.every, given.trials * plan.starts * plan.max_steps
        never = never_optimised(pack, replace(plan, starts=RESCORE_STARTS))
        worst = distances(every, [never[each.metric] for each in every])
        for way in WAYS:
            by, sampler, most = way
            asked = plan if by == "both" else replace(plan, objective=every[0].name)
            *_, (ledger, _) = reports(pack, asked, space, sampler, given.scheduler, budget)
            best = candidates(ledger.scored, most)
            scored = [distances(every, again(pack, plan, each)) for each in best]
            lowest = tuple(min(column) for column in zip(*scored, strict=True))
            area = dominated([tuple(v / w for v, w in zip(p, worst, strict=True)) for p in scored])
            found[way].append((*lowest, area))
            print(f"  {neuron} {' '.join(map(str, way))}: area {area:.3f}", flush=True)
    first, second = (each.label for each in every)
    print(
        f"{pack.name}, {len(given.neuron)} neurons, {budget} sample-steps each, {given.scheduler}"
    )
    print(f"{'by':6}{'sampler':9}{'again':>6}{first:>22}{second:>22}{'area':>18}")
    for way, rows in found.items():
        cells = "".join(f"{spread(column):>{22}}" for column in zip(*rows, strict=True))
        print(f"{way[0]:6}{way[1]:9}{way[2]:6}{cells}")


def again(pack: Pack, plan: Plan, best: Candidate) -> list[float]:
    fresh = replace(plan.fresh("front"), starts=RESCORE_STARTS, report_points=(best.step,))
    row = TrialRun(pack, fresh, best.settings).advance_to(best.step)
    first, *others = plan.scored_by.every
    return [row[first.metric], *(row[each.beside] for each in others)]


def distances(every: Sequence[Objective], scores: Sequence[float]) -> Pair:
    return tuple(each.distance(score) for each, score in zip(every, scores, strict=True))


def dominated(points: Sequence[Pair]) -> float:
    """The area of the unit square that is worse than one of `points`, 0 being best by both."""
    area, lowest = 0.0, 1.0
    for x, y in sorted(points):
        if x < 1 and y < lowest:
            area += (1 - x) * (lowest - y)
            lowest = y
    return area


def spread(values: Sequence[float]) -> str:
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{fmean(values):.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
