"""One trial of a search: an ascent, scored at the report points."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tune_am.am import score
from tune_am.am.ascent import Ascent
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.packs.pack import Pack


@dataclass(frozen=True)
class Best:
    """The examples at the report point that scored best."""

    step: int
    score: float  # by the plan's objective
    latents: Tensor  # [n, *latent_shape]
    activations: Tensor  # [n]; not finite for a start that never had a finite activation
    collapse: float = 0.0  # how much nearer together they are than the plan wants, as a share


class TrialRun:
    """The whole computation of a trial: what Ray runs, and a plain loop just as well.

        run = TrialRun(pack, plan, settings)
        for step in plan.report_points:
            metrics = run.advance_to(step)

    `best` is what the trial comes to: scores are not monotone in the steps. Examples as far apart
    as the plan wants them are better than any that are not.
    """

    def __init__(self, pack: Pack, plan: Plan, settings: Settings) -> None:
        self._pack, self._plan = pack, plan
        self.neuron = pack.neuron(plan.neuron)
        self._measure = plan.measure()
        self._target = pack.reference.target(self.neuron, plan.direction)
        self.ascent = Ascent(
            pack.prior,
            pack.classifier,
            self.neuron,
            settings,
            starts=plan.starts,
            seed=plan.seed,
            direction=plan.direction,
            device=pack.device,
            chunk=plan.at_once,
        )
        self.best: Best | None = None
        self._seconds = 0.0

    @property
    def step(self) -> int:
        return self.ascent.step

    @property
    def next_point(self) -> int | None:
        """The report point that comes next, None when the trial is over."""
        return next((point for point in self._plan.report_points if point > self.step), None)

    def advance_to(self, step: int) -> dict[str, float]:
        """Ascend to `step` and score: every metric of `score`, the best so far included."""
        if step <= self.step:
            raise ValueError(f"the trial is at step {self.step} already, not before {step}")
        begun = time.perf_counter()
        self.ascent.advance(step - self.step)
        metrics = score.score(self.ascent, self._pack, self._target, self._measure)
        self._seconds += time.perf_counter() - begun
        objective = self._measure.objective
        now, apart = metrics[objective.now], self._plan.apart
        collapse = score.collapse(metrics[score.PAIRWISE_DISTANCE], apart)
        better = (collapse, objective.loss(now))
        if self.best is None or better < (self.best.collapse, objective.loss(self.best.score)):
            kept = self.ascent.kept_latents.clone(), self.ascent.kept_activations.clone()
            self.best = Best(step, now, *kept, collapse)
        return metrics | {
            objective.metric: self.best.score,
            score.BEST_STEP: self.best.step,
            **({score.COLLAPSE: self.best.collapse} if apart else {}),
            score.SAMPLE_STEPS_PER_SECOND: self.ascent.sample_steps / self._seconds,
        }

    def best_inputs(self) -> Tensor:
        """Inputs [n, *input_shape] of the best examples."""
        if self.best is None:
            raise ValueError("the trial has not been scored yet")
        return score.inputs_of(self._pack, self.best.latents)

    def state_dict(self) -> dict[str, Any]:
        """All that a new `TrialRun` of the same arguments needs to go on bit for bit."""
        best = None if self.best is None else vars(self.best).copy()
        return {"ascent": self.ascent.state_dict(), "best": best, "seconds": self._seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ascent.load_state_dict(state["ascent"])
        self.best = None if state["best"] is None else Best(**state["best"])
        self._seconds = state["seconds"]
