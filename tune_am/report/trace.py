"""An ascent watched step by step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tune_am.am.ascent import Ascent
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.choices import SIGNS
from tune_am.packs.pack import Pack

# Starts to watch, and sample-steps that the watching may cost: a few seconds on one core.
STARTS = 8
SAMPLE_STEPS = 240

# Of one start on its way.
PICTURES = 6


@dataclass(frozen=True)
class Trace:
    """The examples kept after each step: activations [steps, n]; after those of `path`: latents
    [len(path), n, *latent]."""

    activations: Tensor
    latents: Tensor
    sign: float  # -1 where the activation was minimised
    diverged_share: float = 0.0  # of the starts

    @property
    def steps(self) -> int:
        return len(self.activations)

    @property
    def best(self) -> int:
        """The start that came furthest."""
        return int((self.sign * self.activations[-1]).nan_to_num(-torch.inf).argmax())

    @property
    def median(self) -> Tensor:
        """[steps], over the starts; of an even number of them the mean of the middle two."""
        return self.activations.quantile(0.5, dim=1)

    @property
    def path(self) -> list[int]:
        return path_of(self.steps)


def path_of(last: int) -> list[int]:
    """At most `PICTURES` steps, the first and last among them, growing geometrically."""
    return sorted({round(last ** (i / (PICTURES - 1))) for i in range(PICTURES)} | {1, last})


def watch(pack: Pack, plan: Plan, settings: Settings, steps: int, starts: int = STARTS) -> Trace:
    """Ascend from `starts` starts of `plan.seed` for `steps` steps."""
    ascent = Ascent(
        pack.prior,
        pack.classifier,
        pack.neuron(plan.neuron),
        settings,
        starts=starts,
        seed=plan.seed,
        direction=plan.direction,
        device=pack.device,
    )
    activations, latents, path = [], [], path_of(steps)
    for step in range(1, steps + 1):
        ascent.advance(1)
        activations.append(ascent.kept_activations.cpu().clone())
        if step in path:  # of inputs as large as pictures all of them would be gigabytes
            latents.append(ascent.kept_latents.cpu().clone())
    share, sign = float(ascent.diverged.float().mean()), SIGNS[plan.direction]
    return Trace(torch.stack(activations), torch.stack(latents), sign, share)


def affordable(steps: int) -> int:
    """Starts to watch for so many steps within `SAMPLE_STEPS`."""
    return max(1, min(STARTS, SAMPLE_STEPS // steps))
