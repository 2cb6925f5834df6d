"""How many trials should share a GPU? Sample-steps per second of workers side by side.

    python bench/workers.py [--pack vocal] [--device auto] [--workers 1 2 4 8] [--seconds 5]

Each worker is a process that runs one trial after the other as a search does, its scores included,
with the starts and report points of the device's default budget.
"""

from __future__ import annotations

import argparse
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import torch

from tune_am.am.plan import Plan, report_points
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.choices import DEVICES
from tune_am.packs.device import chosen_device
from tune_am.packs.pack import Pack
from tune_am.tuning.defaults import CPU, GPU

WARM_UP = 2.0  # seconds before the first measurement
PATIENCE = 180.0  # seconds for a measurement more than it takes: a worker that died says nothing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal", help="name or folder of a pack")
    parser.add_argument("--neuron", default="vocal")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="[auto]")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=5, help="for each number of workers [5]")
    asked = parser.parse_args()
    asked.device = chosen_device(asked.device)
    most = max(asked.workers)
    context = get_context("spawn")
    together, rates = context.Barrier(most), context.Queue()
    processes = [
        context.Process(target=work, args=(i, asked, together, rates), daemon=True)
        for i in range(most)
    ]
    for process in processes:
        process.start()
    measured = [rates.get(timeout=PATIENCE + asked.seconds) for _ in range(sum(asked.workers))]
    for process in processes:
        process.join()
    print(f"{asked.neuron} of {asked.pack} on {asked.device}, torch {torch.__version__}")
    print(f"{'workers':>8}{'sample-steps/s':>16}")
    for count in asked.workers:
        print(f"{count:8}{sum(rate for workers, rate in measured if workers == count):16.0f}")


def work(number: int, asked: argparse.Namespace, together: Barrier, rates: Queue) -> None:
    """Run trials while so many workers are asked for, and wait while fewer are."""
    torch.set_num_threads(1)
    budget = CPU if asked.device == "cpu" else GPU
    points = report_points(budget.first_point, budget.max_steps)
    pack = Pack.load(asked.pack, asked.device)
    plan = Plan(asked.neuron, starts=budget.starts, report_points=points, device=asked.device)
    rate(pack, plan, WARM_UP)
    for count in asked.workers:
        together.wait()
        if number < count:
            rates.put((count, rate(pack, plan, asked.seconds)))
        together.wait()


def rate(pack: Pack, plan: Plan, seconds: float) -> float:
    """Sample-steps per second of one trial after the other, until the report after so long."""
    begun, done = time.perf_counter(), 0
    while True:
        run, before = TrialRun(pack, plan, Settings()), 0
        while (point := run.next_point) is not None:
            run.advance_to(point)
            done, before = done + plan.starts * (point - before), point
            if (spent := time.perf_counter() - begun) > seconds:
                return done / spent


if __name__ == "__main__":
    main()
