"""What does `tune_am.allocator` win? Two trials side by side, as a search on two cores runs them.

    python bench/allocator.py [--pack vocal] [--rounds 5]

In each round two processes ascend with memory given back as glibc does it, then two that keep it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from tune_am.allocator import keep_freed_memory
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack
from tune_am.tuning.defaults import CPU

WORKERS, STEPS = 2, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal", help="name or folder of a pack")
    parser.add_argument("--neuron", default="vocal")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    ratios = []
    print(f"{'given back, s':>14}{'kept, s':>9}{'ratio':>7}")
    for _ in range(asked.rounds):
        given_back, kept = (side_by_side(asked.pack, asked.neuron, keep) for keep in (False, True))
        ratios.append(given_back / kept)
        print(f"{given_back:14.2f}{kept:9.2f}{ratios[-1]:7.2f}")
    median = statistics.median(ratios)
    print(f"median {median:.2f}; {CPU.starts} starts, {STEPS} steps, torch {torch.__version__}")


def side_by_side(pack: str, neuron: str, keep: bool) -> float:
    """Mean seconds of the workers, each a process of its own."""
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        asked = [pool.submit(ascend, pack, neuron, keep) for _ in range(WORKERS)]
        return statistics.mean(future.result() for future in asked)


def ascend(pack: str, neuron: str, keep: bool) -> float:
    torch.set_num_threads(1)
    if keep and not keep_freed_memory():
        raise SystemExit("this C library has no mallopt: there is nothing to measure")
    plan = Plan(neuron, "max", CPU.starts, (2, 2 + STEPS), 0)
    run = TrialRun(Pack.load(pack), plan, Settings(lr=0.05))
    run.advance_to(2)
    begun = time.perf_counter()
    run.advance_to(2 + STEPS)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
