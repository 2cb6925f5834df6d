"""The best settings once more, on fresh starts, and the rows they are read against.

The lowest of many noisy scores is lower than it deserves (the winner's curse), so what the search
liked best is scored again on starts that it never saw, and the best of that is the result: see
`finalists.ranked`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import ray
import torch
from ray.exceptions import RayTaskError
from torch import Tensor

from tune_am.am import controls
from tune_am.am.measures import LeftOut
from tune_am.am.plan import Plan
from tune_am.am.score import (
    DIVERGED_FROM,
    before_of,
    collapse,
    inputs_of,
    pairwise_distance,
)
from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Target
from tune_am.tuning.budget import Budget
from tune_am.tuning.defaults import RESCORE_STARTS
from tune_am.tuning.finalists import Candidate, Rescored, ranked
from tune_am.tuning.label import settings_title
from tune_am.tuning.task import pack_and_plan

# On CPUs the starts of a setting are shared out among the workers. How many parts there are does
# not depend on the number of workers, so neither do the scores.
CPU_PARTS = 2

CONTROL_TASKS = 2  # of `control_rows`

# Hears how many of how many tasks are done.
Told = Callable[[int, int], None]


def eighths(told: Told) -> Told:
    """Passes on the first word of each eighth of the tasks."""
    heard = 0

    def tell(done: int, tasks: int) -> None:
        nonlocal heard
        if 8 * done // tasks > heard:
            heard = 8 * done // tasks
            told(done, tasks)

    return tell


def rescore(
    chosen: Sequence[Candidate],
    task: dict[str, Any],
    budget: Budget,
    pack: Pack,
    halt: threading.Event,
    told: Told,
) -> list[Rescored] | None:
    """All candidates on the same fresh starts, as `ranked`; None when halted. told: as `gather`
    has it."""
    parts = _parts(budget.plan)
    futures = [
        remote(ascend, budget, f"re-score {settings_title(candidate.settings)}").remote(
            task, candidate, part
        )
        for candidate in chosen
        for part in parts
    ]
    done = gather(futures, halt, told)
    if done is None:
        return None
    pairs = [done[i : i + len(parts)] for i in range(0, len(done), len(parts))]
    rows = [
        joined(candidate, pair, pack, budget.plan)
        for candidate, pair in zip(chosen, pairs, strict=True)
    ]
    return ranked(rows)


def control_rows(
    best: Candidate,
    task: dict[str, Any],
    budget: Budget,
    halt: threading.Event,
    told: Told,
) -> dict[str, Any] | None:
    """The controls of `tune_am.am.controls` by name; None when halted. told: as `gather` has
    it."""
    futures = [
        remote(_random_classifier, budget, "control: random classifier").remote(task, best),
        remote(_cheap_controls, budget, "controls: no ascent, real against real").remote(task),
    ]
    done = gather(futures, halt, told)
    return None if done is None else {**done[1], "random_classifier": done[0]}


def tasks_of(chosen: Sequence[Candidate], plan: Plan) -> int:
    """How many tasks `rescore` and `control_rows` are together."""
    return len(chosen) * len(_parts(plan)) + CONTROL_TASKS


def _parts(plan: Plan) -> list[Plan]:
    """The fresh starts, in parts that can ascend side by side."""
    count = CPU_PARTS if plan.device == "cpu" else 1
    sizes = [len(part) for part in torch.arange(RESCORE_STARTS).tensor_split(count)]
    return [plan.fresh(f"rescore {i}").on(n) for i, n in enumerate(sizes)]


Kept = tuple[Tensor, Tensor, Tensor]  # latents, activations, whether the start diverged


def ascend(task: dict[str, Any], candidate: Candidate, part: Plan) -> Kept:
    """What the ascent of `candidate` keeps from the starts of `part`."""
    pack, _ = pack_and_plan(task)
    ascent = TrialRun(pack, part, candidate.settings).ascent
    ascent.advance(candidate.step)
    return ascent.kept_latents.cpu(), ascent.kept_activations.cpu(), ascent.diverged.cpu()


def joined(candidate: Candidate, parts: Sequence[Kept], pack: Pack, plan: Plan) -> Rescored:
    """What the ascent of `candidate` kept, in parts, scored as one as trials are (`am.score`)."""
    latents, activations, diverged = (torch.cat(column) for column in zip(*parts, strict=True))
    has_diverged = float(diverged.float().mean()) >= DIVERGED_FROM
    valid = torch.isfinite(activations)
    latents, activations = latents[valid], activations[valid]
    measure = plan.measure()
    if has_diverged:  # what was kept before is no example of the setting
        latents, activations = latents[:0], activations[:0]
    if len(activations) < measure.objective.fewest:
        worst = measure.objective.worst
        none = (latents, activations, None, 0.0, collapse(0.0, plan.apart))
        return Rescored(candidate, measure.penalties(), (worst, worst), *none)
    neuron = pack.neuron(plan.neuron)
    target = pack.reference.target(neuron, plan.direction)
    inputs = inputs_of(pack, latents.to(pack.device))
    examples = Target(activations, before_of(pack, neuron, inputs))
    distance, second = pairwise_distance(inputs), measure.second
    enough = len(activations) >= second.objective.fewest
    return Rescored(
        candidate,
        measure.scores(examples, target),
        measure.interval(examples, target, plan.seed),
        latents,
        activations,
        LeftOut.of(second, examples, target) if enough else None,
        distance,
        collapse(distance, plan.apart),
    )


def _random_classifier(task: dict[str, Any], best: Candidate) -> controls.Control:
    pack, plan = pack_and_plan(task)
    return controls.random_classifier(pack, plan.on(RESCORE_STARTS), best.settings, best.step)


def _cheap_controls(task: dict[str, Any]) -> dict[str, controls.Control]:
    pack, plan = pack_and_plan(task)
    return {
        "never_optimised": controls.never_optimised(pack, plan),
        "real_vs_real": controls.real_vs_real(pack, plan),
    }


def remote(function: Any, budget: Budget, title: str) -> Any:
    """`function` as a task of Ray's, called `title` in its dashboard."""
    share = budget.resources
    return ray.remote(function).options(
        num_cpus=share["cpu"], num_gpus=share.get("gpu", 0), name=title
    )


def gather(
    futures: list[Any], halt: threading.Event, told: Told = lambda done, tasks: None
) -> list[Any] | None:
    """What the tasks return, None when halted. told: is told twice a second, at least once."""
    waiting = list(futures)
    while waiting:
        if halt.is_set():
            for future in waiting:
                ray.cancel(future, force=True)
            return None
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=0.5)
        told(len(futures) - len(waiting), len(futures))
    try:
        results: list[Any] = ray.get(futures)
    except RayTaskError as error:  # which is also of its cause's type, and says a traceback
        raise error.cause from None
    return results
