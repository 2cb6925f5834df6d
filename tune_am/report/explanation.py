"""All that a report shows, computed: the examples of a setting and what they are read against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tune_am.am import controls
from tune_am.am.objectives import Objective
from tune_am.am.plan import Plan
from tune_am.am.score import DIVERGED_FROM, activations_of, before_of, inputs_of
from tune_am.am.settings import Settings
from tune_am.choices import SIGNS
from tune_am.errors import UserError
from tune_am.packs.neuron import Neuron
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Target
from tune_am.report.config import FEW
from tune_am.report.finished import FinishedRun, Kept, worst_trial
from tune_am.report.trace import Trace, affordable, watch


@dataclass(frozen=True)
class Group:
    """Examples shown together: inputs [n, *input_shape], activations [n], latents [n, ...] | None.

    key: names their files. credits: a line for each real excerpt.
    """

    key: str
    inputs: Tensor
    activations: Tensor
    latents: Tensor | None = None
    credits: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.activations)


@dataclass(frozen=True)
class Explanation:
    """A neuron at one setting. row, others, controls: as in result.json (docs/result.md).

    kept: all examples of the setting, of which `best` shows those that came furthest. others: the
    runners-up and the worst setting, each with its examples.
    """

    pack: Pack
    plan: Plan
    row: dict[str, Any]
    kept: Kept
    best: Group
    never: Group
    never_activations: Tensor  # [TAIL], of all latents that the control drew
    real: Group | None
    controls: dict[str, Any]
    apart: Group | None = None  # of `kept`, unlike each other and `best`
    path: Group | None = None  # none, nor a trace, where it stands beside another
    trace: Trace | None = None
    others: tuple[tuple[str, dict[str, Any], Group], ...] = ()
    run: FinishedRun | None = None

    @cached_property
    def neuron(self) -> Neuron:
        return self.pack.neuron(self.plan.neuron)

    @property
    def objective(self) -> Objective:
        """What the scores are."""
        return self.plan.scored_by

    @property
    def target(self) -> Tensor:
        """Activations [TAIL] of the real excerpts that the score compares with, on the CPU."""
        return self.pack.reference.target(self.neuron, self.plan.direction).activations.cpu()

    @property
    def groups(self) -> list[Group]:
        shown = [self.best, self.apart, self.never, self.path, self.real]
        others = [group for *_, group in self.others]
        return [group for group in shown if group is not None] + others


def best_of_run(run: FinishedRun, pack: Pack, examples: int) -> Explanation | None:
    """The best setting of a search, to stand beside others; None without its examples. Raises
    `UserError` where no trial has a score."""
    run.expect_score()
    kept = run.best()
    if kept is None:
        return None
    return Explanation(
        row=run.result["best"],
        kept=kept,
        controls=run.result["controls"],
        run=run,
        **_shown(pack, run.plan(), kept, examples),
    )


def explain_run(run: FinishedRun, pack: Pack, examples: int) -> Explanation | None:
    """All about a search: its best setting, the others, an ascent; None without its examples."""
    shown = best_of_run(run, pack, examples)
    if shown is None:
        return None
    plan, row = shown.plan, shown.row
    others = []
    for place, other in enumerate(run.result["runners_up"], start=2):
        others.append((f"runner-up-{place}", other))
    if (worst := worst_trial(run)) is not None:
        others.append(("worst", worst))
    rows = []
    for key, other in others:
        found = run.kept(other["trial"])
        if found is not None:
            rows.append((key, other, _furthest(pack, plan, key, found, FEW)))
    # Starts of their own: those of the search were chosen by it.
    trace = watch(
        pack,
        plan.fresh("explain"),
        Settings.from_dict(row["settings"]),
        row["step"],
        affordable(row["step"]),
    )
    return replace(
        shown,
        apart=_apart(pack, shown.kept, shown.best),
        trace=trace,
        path=_path(pack, trace),
        others=tuple(rows),
    )


def explain_settings(
    pack: Pack, plan: Plan, settings: Settings, controlled: bool = True
) -> Explanation:
    """A neuron at given settings, with no search behind them: an ascent of `plan.max_steps` from
    `plan.starts` starts, all of them shown; its controls if `controlled`, which take about as long.
    Scored as trials are. Raises `UserError` where the ascent diverges."""
    steps = plan.max_steps
    trace = watch(pack, plan.fresh("explain"), settings, steps, plan.starts)
    valid = torch.isfinite(trace.activations[-1])
    kept = Kept(trace.latents[-1][valid], trace.activations[-1][valid])
    measure, neuron = plan.measure(), pack.neuron(plan.neuron)
    few = len(kept.activations) < measure.objective.fewest
    if few or trace.diverged_share >= DIVERGED_FROM:
        raise UserError(
            f"the ascent diverges at these settings (lr={settings.lr}, "
            f"init_scale={settings.init_scale}): try smaller ones"
        )
    target = pack.reference.target(neuron, plan.direction)
    inputs = inputs_of(pack, kept.latents.to(pack.device))
    examples = Target(kept.activations, before_of(pack, neuron, inputs))
    row = {
        "settings": settings.to_dict(),
        "step": steps,
        "starts": len(kept.activations),
        **measure.scores(examples, target),
        "ci95": list(measure.interval(examples, target, plan.seed)),
        "activation_mean": float(kept.activations.mean()),
    }
    rows: dict[str, Any] = {}
    if controlled:
        rows = {
            "never_optimised": controls.never_optimised(pack, plan),
            "random_classifier": controls.random_classifier(pack, plan, settings, steps),
            "real_vs_real": controls.real_vs_real(pack, plan),
        }
    shown = _shown(pack, plan, kept, plan.starts)
    return Explanation(
        row=row,
        kept=kept,
        controls=rows,
        trace=trace,
        apart=_apart(pack, kept, shown["best"]),
        path=_path(pack, trace),
        **shown,
    )


def _shown(pack: Pack, plan: Plan, kept: Kept, examples: int) -> dict[str, Any]:
    never, activations = _never_optimised(pack, plan, examples)
    return {
        "pack": pack,
        "plan": plan,
        "best": _furthest(pack, plan, "best", kept, examples),
        "never": never,
        "never_activations": activations,
        "real": _real(pack, plan, examples),
    }


def _furthest(pack: Pack, plan: Plan, key: str, kept: Kept, n: int) -> Group:
    """The `n` examples that excite the neuron most (least, when minimised), best first."""
    chosen = (SIGNS[plan.direction] * kept.activations).argsort(descending=True, stable=True)[:n]
    return _group(pack, key, kept, chosen.tolist())


def _group(pack: Pack, key: str, kept: Kept, chosen: list[int]) -> Group:
    latents = kept.latents[chosen]
    inputs = inputs_of(pack, latents.to(pack.device)).cpu()
    return Group(key, inputs, kept.activations[chosen], latents)


def _apart(pack: Pack, kept: Kept, best: Group) -> Group | None:
    """Of the other examples up to `FEW`, each the one farthest from `best` and those before it
    (farthest-first traversal, Gonzalez 1985), by the RMS difference of inputs; None without others.

    Those that excite most are often alike; these show how unlike examples can be.
    """
    flat = inputs_of(pack, kept.latents.to(pack.device)).cpu().flatten(1)
    nearest = torch.cdist(flat, best.inputs.flatten(1)).min(1).values
    chosen: list[int] = []
    for _ in range(min(FEW, len(flat) - len(best))):
        chosen.append(int(nearest.argmax()))
        nearest = nearest.minimum(torch.cdist(flat, flat[chosen[-1:]]).squeeze(1))
    return _group(pack, "apart", kept, chosen) if chosen else None


def _never_optimised(pack: Pack, plan: Plan, n: int) -> tuple[Group, Tensor]:
    """The first `n` random latents of the control, and the activations [TAIL] of all of them."""
    latents = controls.never_optimised_latents(pack, plan)
    inputs = inputs_of(pack, latents)
    activations = activations_of(pack, pack.neuron(plan.neuron), inputs).cpu()
    shown = Group("never", inputs[:n].cpu(), activations[:n], latents[:n].cpu())
    return shown, activations


def _real(pack: Pack, plan: Plan, n: int) -> Group | None:
    """The pack's real excerpts that excite the neuron most; None where it has none to show."""
    excerpts = pack.excerpts
    if excerpts is None:
        return None
    inputs = excerpts.inputs.to(pack.device)
    activations = activations_of(pack, pack.neuron(plan.neuron), inputs).cpu()
    order = (SIGNS[plan.direction] * activations).argsort(descending=True, stable=True)[:n]
    credits = tuple(excerpts.credits[i] for i in order.tolist())
    return Group("real", excerpts.inputs[order], activations[order], credits=credits)


def _path(pack: Pack, trace: Trace) -> Group:
    """What the start that came furthest had kept, from its first step to its last."""
    steps = torch.tensor(trace.path) - 1
    latents = trace.latents[:, trace.best]
    inputs = inputs_of(pack, latents.to(pack.device)).cpu()
    return Group("path", inputs, trace.activations[steps, trace.best], latents)


def renamed(shown: Explanation, prefix: str) -> Explanation:
    """The same with the names of its files prefixed, to lie beside others in one folder."""
    named: dict[str, Any] = {
        name: replace(group, key=f"{prefix}-{group.key}")
        for name in ("best", "never", "real")
        if (group := getattr(shown, name)) is not None
    }
    return replace(shown, **named)


def typical_inputs(shown: Explanation) -> Tensor:
    """Inputs [n, *input_shape] that set the one colour scale: the pack's own, of no result.

    So all reports on a pack have the same scale, and an ascent that leaves it is seen to.
    """
    excerpts = shown.pack.excerpts
    return shown.never.inputs if excerpts is None else excerpts.inputs
