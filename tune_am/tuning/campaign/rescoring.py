"""The best setting of each unit once more, on fresh starts, and the controls of all units.

What does not depend on the unit is computed once: the latents never optimised are drawn, decoded
and heard in one go, and units with the same best setting share one ascent on the random classifier.
The weights of such a classifier are drawn alike for all units of a layer, so that which of them is
ascended on makes no difference but that of the draw; unless gradients count with their size, which
is that of the unit's own on the true classifier.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tune_am.am import controls
from tune_am.am.controls import Control
from tune_am.am.plan import Plan
from tune_am.am.random_classifier import ascended_latents
from tune_am.am.score import inputs_of
from tune_am.am.settings import Settings
from tune_am.tuning.budget import Budget
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.defaults import RESCORE_STARTS
from tune_am.tuning.finalists import Candidate, Rescored, candidates
from tune_am.tuning.rescore import Told, ascend, eighths, gather, joined, remote
from tune_am.tuning.result import save_best
from tune_am.tuning.result_format import made_of, save_made
from tune_am.tuning.task import pack_and_plan

# In a unit's folder: what was ascended to on the random classifier of the control.
RANDOM_CLASSIFIER_FILE = "random_classifier.safetensors"


@dataclass(frozen=True)
class Verdict:
    """What a unit comes to. seconds: that workers ascended for it, its share in the ascents on
    random classifiers included."""

    best: Rescored
    controls: dict[str, Control]
    seconds: float


def starts_of(plan: Plan) -> int:
    """Fresh starts on which a unit's best setting is scored: as many as a trial has, so that it
    costs no more than one, and no more than a search alone takes."""
    return min(RESCORE_STARTS, plan.starts)


def judge(
    units: Sequence[Unit],
    budget: Budget,
    halt: threading.Event,
    told: Told,
) -> dict[str, Verdict] | None:
    """The verdict on each of `units`, which have a score, by name; None when halted. The workers
    write the examples into the units' folders.

    told: is told now and then how many of how many tasks are done.
    """
    best = {unit.name: candidates(unit.ledger.scored, 1)[0] for unit in units}
    groups = _alike(units, best)
    futures = [
        remote(score_again, budget, f"re-score {unit.name}").remote(
            unit.task, best[unit.name], unit.folder.best
        )
        for unit in units
    ]
    futures += [
        remote(_random_classifier, budget, "control: random classifier").remote(
            group[0].task,
            [unit.plan for unit in group],
            best[group[0].name],
            group[0].folder.path / RANDOM_CLASSIFIER_FILE,
        )
        for group in groups
    ]
    every = [unit.plan for unit in units]
    futures.append(remote(_never, budget, "control: no ascent").remote(units[0].task, every))
    done = gather(futures, halt, eighths(told))
    if done is None:
        return None
    again, *rest = done[: len(units)], *done[len(units) :]
    never = dict(zip(best, rest.pop(), strict=True))
    random_rows = {
        unit.name: (row, seconds / len(group))
        for group, (rows, seconds) in zip(groups, rest, strict=True)
        for unit, row in zip(group, rows, strict=True)
    }
    return {
        unit.name: Verdict(
            row,
            {
                "never_optimised": never[unit.name],
                "random_classifier": random_rows[unit.name][0],
                "real_vs_real": unit.floor,
            },
            seconds + random_rows[unit.name][1],
        )
        for unit, (row, seconds) in zip(units, again, strict=True)
    }


def floors(
    units: Sequence[Unit], budget: Budget, halt: threading.Event
) -> dict[str, Control] | None:
    """The control `real_vs_real` of each unit, by name; the workers share them out. None when
    halted."""
    parts = [part for i in range(budget.workers) if (part := units[i :: budget.workers])]
    futures = [
        remote(_floors, budget, "control: real against real").remote(
            part[0].task, [unit.plan for unit in part]
        )
        for part in parts
    ]
    done = gather(futures, halt)
    if done is None:
        return None
    return {
        unit.name: row
        for part, rows in zip(parts, done, strict=True)
        for unit, row in zip(part, rows, strict=True)
    }


def _alike(units: Sequence[Unit], best: dict[str, Candidate]) -> list[list[Unit]]:
    """The units in groups that share an ascent on the random classifiers."""
    groups: dict[tuple[str, Settings, int], list[Unit]] = {}
    for unit in units:
        groups.setdefault(shared_by(unit, best[unit.name]), []).append(unit)
    return list(groups.values())


def shared_by(unit: Unit, best: Candidate) -> tuple[str, Settings, int]:
    """What units with the same ascent on random classifiers have in common."""
    place = unit.layer if best.settings.normalize_grad else unit.name
    return place, best.settings, best.step


def score_again(task: dict[str, Any], best: Candidate, path: Path) -> tuple[Rescored, float]:
    """The best of a unit scored again, and the seconds of its ascent; its examples go to `path`, or
    are there from a session that was killed."""
    pack, plan = pack_and_plan(task)
    begun = time.perf_counter()
    part = plan.fresh("rescore 0").on(starts_of(plan))
    if made := made_of(path, best.number, best.step, "latents", "activations"):
        latents, activations = made
        kept = latents, activations, torch.zeros(len(latents))
    else:
        kept = ascend(task, best, part)
    seconds = time.perf_counter() - begun
    row = joined(best, [kept], pack, plan)
    save_best(path, row, pack)
    return row, seconds


def _random_classifier(
    task: dict[str, Any], plans: Sequence[Plan], best: Candidate, path: Path
) -> tuple[list[Control], float]:
    """The control of each of `plans`, and the seconds of the one ascent; its latents go to `path`,
    or are there from a session that was killed."""
    pack, plan = pack_and_plan(task)
    begun = time.perf_counter()
    made = made_of(path, best.number, best.step, "latents", "classifiers")
    if made is None:
        fresh = plan.fresh("random classifier").on(starts_of(plan))
        made = ascended_latents(pack, fresh, best.settings, best.step)
        named = dict(zip(("latents", "classifiers"), made, strict=True))
        save_made(path, best.number, best.step, named)
    seconds = time.perf_counter() - begun
    latents, of = made
    inputs = inputs_of(pack, latents.to(pack.device))
    return controls.against_references(pack, plans, inputs, of), seconds


def _never(task: dict[str, Any], plans: Sequence[Plan]) -> list[Control]:
    pack, plan = pack_and_plan(task)
    latents = controls.never_optimised_latents(pack, plan, starts_of(plan))
    return controls.against_references(pack, plans, inputs_of(pack, latents))


def _floors(task: dict[str, Any], plans: Sequence[Plan]) -> list[Control]:
    pack, _ = pack_and_plan(task)
    # As many examples as the best has: 1 is then what real ones in its place would come to.
    return [controls.real_vs_real(pack, plan, examples=starts_of(plan)) for plan in plans]
