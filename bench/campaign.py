"""Many neurons: does it pay to share what was learnt, and to spend where there is hope?

    python bench/campaign.py                      # ten minutes on a core
    python bench/campaign.py --units 64 --trials 24 --starts 16 --device cuda
    python bench/campaign.py --pack examples/digits/pack --layer hidden --units 64 --trials 24
    python bench/campaign.py --arms campaign --total 522880 --goal 4.7 --until 0.5  # known already
    python bench/campaign.py --work DIR           # stopped and run again, it goes on where it was

Four ways of spending the same number of sample-steps on units of one layer, each with ASHA:

    separate   a full search on each, none knows of the others
    equal      shared, and every unit gets as many trials
    unshared   the budget goes where hope is, no unit knows of the others
    campaign   shared, and the budget goes where hope is: what `tune_am.search` does

For each the mean over units of the distance of the best, in multiples of the unit's noise floor,
after shares of the sample-steps that `separate` takes: as the search sees it, and on fresh starts,
where the luckiest of many trials has no advantage. Then the share at which it is as near as
`separate` at its end, as the search sees it.
One process, one trial at a time: this is about the rules, not about Ray (bench/campaign_job.py).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tune_am.am.ascent import Ascent
from tune_am.am.controls import real_vs_real
from tune_am.am.plan import Plan, report_points
from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack
from tune_am.packs.units import select
from tune_am.tuning import space as spaces
from tune_am.tuning.campaign.rescoring import starts_of
from tune_am.tuning.campaign.result import distance
from tune_am.tuning.campaign.searcher import CampaignSearcher
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.early_stopping.schedulers import stopping_rule
from tune_am.tuning.finalists import Candidate
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import Record
from tune_am.tuning.task import task
from tune_am.tuning.trial import NUMBER

# What the files in --work are of.
FACTS = ("pack", "layer", "units", "trials", "starts", "first_point", "max_steps", "fresh", "seed")

# Of the sample-steps of `separate`: where curves are read.
SHARES = (1 / 6, 1 / 3, 1 / 2, 1)


class Equal(CampaignSearcher):
    def next_unit(self) -> str:
        return min(self.units, key=lambda name: len(self.units[name].ledger.records))


class Unshared(CampaignSearcher):
    def enqueue(self, unit: Unit) -> None:
        """The points of the space; then the unit's own sampler is asked."""
        tried = len(unit.ledger.records)
        unit.ledger.enqueue(self.space.points[tried : tried + 1])


class Separate(Equal, Unshared):
    pass


ARMS = {"separate": Separate, "equal": Equal, "unshared": Unshared, "campaign": CampaignSearcher}


class Bench:
    """The pack, the plans and the noise floors that all arms share."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.pack = Pack.load(asked.pack, asked.device)
        points = report_points(asked.first_point, asked.max_steps)
        self.space = spaces.load("default")
        self.plans = {
            name: Plan(name, "max", asked.starts, points, asked.seed, asked.device)
            for name in select(f"{asked.layer}:0-{asked.units - 1}", self.pack.layers)
        }
        begun = time.perf_counter()
        self.floors = {name: self.floor_of(plan) for name, plan in self.plans.items()}
        print(f"noise floors: {(time.perf_counter() - begun) / len(self.floors):.2f} s a unit")
        self.seed, self.fresh = asked.seed, asked.fresh
        self.rule = stopping_rule("asha", points)
        self._kept = Path(asked.work, "fresh.json")
        self._known = json.loads(read_text(self._kept) or "{}")  # distances on fresh starts
        self.in_ascent = 0.0  # seconds, over all arms
        self._time_ascents()

    def floor_of(self, plan: Plan) -> dict[str, Any]:
        return real_vs_real(self.pack, plan, examples=starts_of(plan))

    def units(self, folder: Path) -> dict[str, Unit]:
        return {
            name: Unit(
                name,
                plan.neuron.partition(":")[0],
                plan,
                Ledger(folder / f"{name}.journal", name, self.seed, neuron=name),
                RunFolder(folder / name),
                task(self.pack, plan, folder),
                self.floors[name],
            )
            for name, plan in self.plans.items()
        }

    def trial(self, units: dict[str, Unit], searcher: CampaignSearcher, i: int) -> None:
        """Run one trial as Ray would."""
        config = searcher.suggest(str(i))
        unit = units[config["task"]["plan"]["neuron"]]
        record = unit.ledger[config[NUMBER]]
        run = TrialRun(self.pack, unit.plan, record.settings)
        for step in unit.plan.report_points:
            metrics = run.advance_to(step)
            stop = self.rule.stops(unit.ledger, record.number, metrics)
            if stop or step == unit.plan.max_steps or metrics["diverged_share"] >= 0.5:
                searcher.on_trial_complete(str(i), metrics)
                return
            searcher.on_trial_result(str(i), metrics)
        raise AssertionError("a trial ends at its last report point")

    def spend(self, arm: str, folder: Path, trials: int | None, steps: float) -> list:
        """Run so many trials or sample-steps: sample-steps so far, mean distance, and the best of
        each unit, after each. What an earlier process wrote into `folder` is done already."""
        units = self.units(folder)
        searcher = ARMS[arm](units, self.space, self.seed)
        curve = [json.loads(line) for line in read_text(folder / "curve.jsonl").splitlines()]
        while (trials is None or len(curve) < trials) and (not curve or curve[-1][0] < steps):
            self.trial(units, searcher, len(curve))
            near = mean([unit.course.distance for unit in units.values()])
            bests = {
                name: unit.ledger.best.number for name, unit in units.items() if unit.ledger.best
            }
            curve.append((spent(units), near, bests))
            with (folder / "curve.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(curve[-1]) + "\n")
        return [
            (at, near, {name: units[name].ledger[number] for name, number in bests.items()})
            for at, near, bests in curve
        ]

    def again(self, bests: dict[str, Record]) -> float:
        """The mean distance of the units' best on fresh starts."""
        return mean([self._fresh(name, bests.get(name)) for name in self.plans])

    def _fresh(self, name: str, best: Record | None) -> float:
        if best is None:
            return float("inf")
        chosen = Candidate.of(best)
        key = f"{name} {chosen.settings} {chosen.step} {self.fresh}"
        if key not in self._known:
            fresh = self.plans[name].fresh("bench")
            fresh = replace(fresh, starts=self.fresh, report_points=(chosen.step,))
            row = TrialRun(self.pack, fresh, chosen.settings).advance_to(chosen.step)
            self._known[key] = distance("activation_fid", row, self.floors[name])
            self._kept.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
        return self._known[key]

    def _time_ascents(self) -> None:
        advance = Ascent.advance

        def timed(ascent: Ascent, steps: int) -> None:
            begun = time.perf_counter()
            advance(ascent, steps)
            self.in_ascent += time.perf_counter() - begun

        Ascent.advance = timed


def spent(units: dict[str, Unit]) -> int:
    """Sample-steps of the trials that ended."""
    ended = [(unit, record) for unit in units.values() for record in unit.ledger.records]
    return sum(unit.plan.starts * record.step for unit, record in ended if record.outcome)


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def read(curve: list, steps: float) -> tuple | None:
    """Where a curve is after so many sample-steps; None before its first trial's end, and past its
    last."""
    before = [point for point in curve if point[0] <= steps]
    return before[-1] if before and curve[-1][0] >= steps else None


def cell(value: float | None) -> str:
    return f"{'':8}" if value is None else f"{value:8.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal")
    parser.add_argument("--layer", default="fc8")
    parser.add_argument("--units", type=int, default=3, help="the first so many [3]")
    parser.add_argument("--trials", type=int, default=8, help="a unit, of a separate search [8]")
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--first-point", type=int, default=5)
    parser.add_argument("--max-steps", type=int, default=40)
    parser.add_argument("--fresh", type=int, default=50, help="starts to score again on [50]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--arms", default=",".join(ARMS), help="the first is what others must reach"
    )
    parser.add_argument(
        "--until", type=float, default=1.0, help="share at which the other arms stop [1]"
    )
    parser.add_argument("--total", type=float, help="sample-steps of the first arm, if known")
    parser.add_argument("--goal", type=float, help="mean distance it comes to, if known")
    parser.add_argument("--work", help="folder for all that a stop would lose [a temporary one]")
    asked = parser.parse_args()
    if (asked.total is None) != (asked.goal is None):
        parser.error("--total and --goal are given together: what the first arm came to")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        asked.work = asked.work or temporary
        facts = json.dumps({name: getattr(asked, name) for name in FACTS})
        file = Path(asked.work, "asked.json")
        if (read_text(file) or facts) != facts:
            parser.error(f"--work {asked.work} is of {read_text(file)}: take another folder")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(facts, encoding="utf-8")
        compare(asked)


def compare(asked: argparse.Namespace) -> None:
    bench = Bench(asked)
    print(f"{asked.units} units of {asked.layer}, {asked.starts} starts, {asked.max_steps} steps")
    shares = "".join(f"{f'{share:.0%}':>8}" for share in SHARES)
    print(f"\nmean distance / noise floor{'in the search':>20}{'on fresh starts':>32}")
    print(f"{'':10}{shares}{shares}{'as near at':>12}{'trials':>8}{'in ascent':>11}", flush=True)
    total, goal = asked.total, asked.goal
    for arm in asked.arms.split(","):
        folder = Path(asked.work, arm)
        folder.mkdir(parents=True, exist_ok=True)
        begun, before = time.perf_counter(), bench.in_ascent
        if total is None:
            curve = bench.spend(arm, folder, asked.trials * asked.units, float("inf"))
            total, goal, _ = curve[-1]
        else:
            curve = bench.spend(arm, folder, None, total * asked.until)
        ascending = (bench.in_ascent - before) / (time.perf_counter() - begun)
        near = next((steps / total for steps, value, _ in curve if value <= goal), None)
        points = [read(curve, share * total) for share in SHARES]
        row = "".join(cell(point and point[1]) for point in points)
        row += "".join(cell(point and bench.again(point[2])) for point in points)
        reached = "never" if near is None else f"{near:.2f}"
        print(f"{arm:10}{row}{reached:>12}{len(curve):8}{ascending:11.1%}", flush=True)
    print(f"\n{total:.0f} sample-steps, to a mean distance of {goal:.3g}")


if __name__ == "__main__":
    main()
