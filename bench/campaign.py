"""Many neurons: does it pay to share what was learnt, and to spend where improvement is?

python bench/campaign.py --units 64 --trials 24

Three ways of spending the same number of trials, all of the same length, on units of one layer:

    separate   as many for each, no unit knows of the others
    shared     as many for each, each begins with what was best for the others
    campaign   the same, and the next trial goes where `tune_am.tuning.campaign` says

For each the mean over units of the best score in the search, as a multiple of the unit's real-
against-real distance, after each round of one trial per unit; and the sample-steps at which it is
no worse than `separate` at its end. One process, one trial at a time, no early stopping: this is
about the rules, not about Ray.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import torch

from tune_am.am.controls import real_vs_real
from tune_am.am.pack import Pack
from tune_am.am.plan import Plan
from tune_am.am.trial_run import TrialRun
from tune_am.tuning import space as spaces
from tune_am.tuning.campaign import FIRST, Course, next_neuron, select, warm_start
from tune_am.tuning.ledger import FINISHED, Ledger

# Every so many trials of a neuron one is TPE's, the others are what others found best.
TPE_EVERY = 2


class Arm:
    """One way of spending."""

    def __init__(self, pack: Pack, plans: dict[str, Plan], floors: dict[str, float], path: Path):
        self.pack, self.plans, self.floors = pack, plans, floors
        self.space = spaces.load("default")
        self.ledgers = {
            name: Ledger(path / f"{i}.journal", name, i) for i, name in enumerate(plans)
        }
        self.ascending = self.sample_steps = 0.0
        self.curve: list[float] = []

    def spend(self, trials: int, shared: bool, chosen: bool) -> None:
        names = list(self.plans)
        for i in range(trials):
            name = next_neuron(self.courses()) if chosen else names[i % len(names)]
            self.trial(name, shared)
            if (i + 1) % len(names) == 0:
                self.curve.append(self.mean_distance())

    def trial(self, name: str, shared: bool) -> None:
        ledger, plan = self.ledgers[name], self.plans[name]
        tried = [record.params for record in ledger.records]
        point = None
        if shared and (len(tried) < FIRST or len(tried) % TPE_EVERY):
            best = [(other, self.ledgers[other].best) for other in self.ledgers if other != name]
            courses = self.courses()
            point = warm_start(
                [(record.params, courses[other].distance) for other, record in best if record],
                tried,
            )
        if point is None and len(tried) < len(self.space.points):
            point = next((p for p in self.space.points if p not in tried), None)
        if point is not None:
            ledger.enqueue((point,))
        record = ledger.ask(self.space)
        begun = time.perf_counter()
        run = TrialRun(self.pack, plan, record.settings)
        for step in plan.report_points:
            last = step == plan.max_steps
            ledger.write(record.number, run.advance_to(step), FINISHED if last else None)
        self.ascending += time.perf_counter() - begun
        self.sample_steps += plan.starts * plan.max_steps

    def courses(self) -> dict[str, Course]:
        return {
            name: Course(self.floors[name], tuple(record.score for record in ledger.records))
            for name, ledger in self.ledgers.items()
        }

    def mean_distance(self) -> float:
        return sum(course.distance for course in self.courses().values()) / len(self.ledgers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layer", default="fc8")
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--trials", type=int, default=24, help="per unit [24]")
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--points", default="5,10,20,40", help="report points [5,10,20,40]")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pack = Pack.load("vocal")
    points = tuple(map(int, asked.points.split(",")))
    plans = {
        name: Plan(name, starts=asked.starts, report_points=points)
        for name in select(f"{asked.layer}:0-{asked.units - 1}", pack.layers)
    }
    floors = {name: real_vs_real(pack, plan)["activation_fid"] for name, plan in plans.items()}
    arms = {"separate": (False, False), "shared": (True, False), "campaign": (True, True)}
    curves, trials = {}, asked.trials * asked.units
    print(f"{asked.units} units of {asked.layer}, {trials} trials of {asked.starts} x {points[-1]}")
    print("mean best score / noise floor, after each round of one trial per unit:")
    for name, (shared, chosen) in arms.items():
        with tempfile.TemporaryDirectory() as path:
            begun = time.perf_counter()
            arm = Arm(pack, plans, floors, Path(path))
            arm.spend(trials, shared, chosen)
            other = 1 - arm.ascending / (time.perf_counter() - begun)
        curves[name] = arm.curve
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:10}" + " ".join(f"{value:8.3g}" for value in arm.curve))
        print(f"{'':10}not ascending {other:.1%}, peak memory {memory:.0f} MiB", flush=True)
    goal, per_round = curves["separate"][-1], asked.units * asked.starts * points[-1]
    print(f"sample-steps until no worse than separate at its end ({goal:.3g}):")
    for name, curve in curves.items():
        reached = next((i + 1 for i, value in enumerate(curve) if value <= goal), None)
        print(f"{name:10}{reached * per_round if reached else 'never'}")


if __name__ == "__main__":
    main()
