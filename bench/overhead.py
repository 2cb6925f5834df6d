"""What Ray, Optuna and MLflow cost: the same trials with them and in one plain process.

    python bench/overhead.py --pack vocal --trials 8

One worker and one thread both times. The search runs first; the plain loop then repeats its trials,
with their settings and to the steps where they ended. Counted is the time from the first trial's
start to the last one's end: the start of Ray and of the worker, which a search pays once, is shown
beside it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import torch

from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack
from tune_am.tuning import cluster, space
from tune_am.tuning.budget import Budget, budget_for
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import Record
from tune_am.tuning.run import Halt, run_trials
from tune_am.tuning.task import task
from tune_am.tuning.tracking import runs


class Stopwatch:
    """Times of the first trial's first report and of the last trial's end."""

    def __init__(self) -> None:
        self.first = self.last = 0.0

    def trial_started(self, record: Record) -> None:
        pass

    def trial_reported(self, record: Record) -> None:
        self.first = self.first or time.perf_counter()

    def trial_ended(self, record: Record) -> None:
        self.last = time.perf_counter()


def searched(pack: Pack, budget: Budget, chosen: space.Space, folder: Path) -> tuple[Ledger, dict]:
    """The trials under Ray, Optuna and MLflow."""
    times = {"begun": time.perf_counter()}
    cluster.start(1, 0, None)
    times["Ray started"] = time.perf_counter()
    log = runs.Tracking(f"sqlite:///{folder / 'mlflow.db'}", folder)
    ledger = Ledger(folder / "study.journal", "overhead", 0)
    ledger.enqueue(chosen.points)
    tags = {runs.FOLDER: str(folder)}
    log.begin("overhead", "overhead", {}, tags, ledger, lambda record: str(record.number), print)
    watch = Stopwatch()
    work = task(pack, budget.plan, folder / "trials")
    halt = Halt(threading.Event())
    run_trials(ledger, chosen, budget, work, folder / "ray", halt, [log, watch])
    log.close({}, "FINISHED", [])
    cluster.stop()
    times |= {"first report": watch.first, "last end": watch.last}
    return ledger, times


def plain(pack: Pack, budget: Budget, ledger: Ledger) -> tuple[float, float]:
    """Seconds from the first report to the end of the same trials, one after the other; and the
    largest relative difference of a score, which is to be 0."""
    first, difference = 0.0, 0.0
    for record in ledger.records:
        run = TrialRun(pack, budget.plan, record.settings)
        for metrics in record.reports:
            again = run.advance_to(int(metrics["step"]))["activation_fid"]
            first = first or time.perf_counter()
            there = metrics["activation_fid"]
            difference = max(difference, abs(again - there) / max(abs(there), 1e-12))
    return time.perf_counter() - first, difference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal", help="name or folder of the pack [vocal]")
    parser.add_argument("--neuron", default="vocal")
    parser.add_argument("--space", default="default")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--starts", type=int)
    parser.add_argument("--max-steps", type=int)
    given = vars(parser.parse_args())
    torch.set_num_threads(1)
    config = SearchConfig(**given, device="cpu", workers=1)
    pack, chosen = Pack.load(config.pack), space.load(config.space)
    budget = budget_for(config, chosen, config.neuron or "")
    with tempfile.TemporaryDirectory() as folder:
        ledger, times = searched(pack, budget, chosen, Path(folder))
        alone, difference = plain(pack, budget, ledger)
    together = times["last end"] - times["first report"]
    steps = budget.plan.starts * sum(record.step for record in ledger.records)
    print(f"{len(ledger.records)} trials, {steps} sample-steps, first report to last end")
    print(f"  Ray, Optuna, MLflow  {together:8.1f} s  {steps / together:7.1f} sample-steps/s")
    print(f"  one plain process    {alone:8.1f} s  {steps / alone:7.1f} sample-steps/s")
    print(f"  ratio                {together / alone:8.3f}")
    print(f"  scores differ by     {difference:8.0e}")
    print(f"once: Ray {times['Ray started'] - times['begun']:.1f} s, then worker, MLflow and first")
    print(f"report {times['first report'] - times['Ray started']:.1f} s")


if __name__ == "__main__":
    main()
