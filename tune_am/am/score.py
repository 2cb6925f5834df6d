"""How good a trial's examples are: the metrics, by the names used in code, MLflow and prose."""

from __future__ import annotations

import torch
from torch import Tensor

from tune_am.am.ascent import Ascent
from tune_am.am.measures import Measure
from tune_am.am.objectives import DEFAULT
from tune_am.choices import SIGNS
from tune_am.packs.device import default_chunk
from tune_am.packs.neuron import Neuron, read_activations
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Target

STEP = "step"  # steps taken; the name ASHA reads as its clock
ACTIVATION_FID_NOW = "activation_fid_now"  # kept activations against the reference tail, 1-D
BEST_STEP = "best_step"  # the step of the best so far
ACTIVATION_MEAN = "activation_mean"  # mean kept activation
IMPROVED_SHARE = "improved_share"  # share of starts kept better than they began
PAIRWISE_DISTANCE = "pairwise_distance"  # mean RMS difference of two kept inputs; 0 is collapse
COLLAPSE = "collapse"  # how much nearer together than wanted the best so far are, as a share
DIVERGED_SHARE = "diverged_share"  # share of starts that diverged, and were frozen
DEAD_SHARE = "dead_share"  # share of starts that never saw a gradient
SAMPLE_STEPS_PER_SECOND = "sample_steps_per_second"  # starts times steps in a second

# A trial has diverged when at least this share of its starts has.
DIVERGED_FROM = 0.5


def score(ascent: Ascent, pack: Pack, target: Target, by: Measure) -> dict[str, float]:
    """Metrics of the examples that `ascent` keeps now, all finite whatever happened to the starts.

    Starts whose activation was never finite have no example and are left out. by: the objective.
    """
    valid = torch.isfinite(ascent.kept_activations)
    kept = ascent.kept_activations[valid]
    improved = SIGNS[ascent.direction] * (kept - ascent.start_activations[valid]) > 0
    metrics = {
        STEP: ascent.step,
        **_now(by.penalties(), by),
        ACTIVATION_MEAN: 0.0,
        IMPROVED_SHARE: float(improved.sum()) / len(valid),
        PAIRWISE_DISTANCE: 0.0,
        DIVERGED_SHARE: float(ascent.diverged.float().mean()),
        DEAD_SHARE: float(ascent.dead.float().mean()),
    }
    if metrics[DIVERGED_SHARE] >= DIVERGED_FROM or len(kept) < by.objective.fewest:
        return metrics
    inputs = inputs_of(pack, ascent.kept_latents[valid])
    examples = Target(kept, before_of(pack, ascent.neuron, inputs))
    return metrics | {
        **_now(by.scores(examples, target), by),
        ACTIVATION_MEAN: float(kept.mean()),
        PAIRWISE_DISTANCE: pairwise_distance(inputs),
    }


def _now(scores: dict[str, float], by: Measure) -> dict[str, float]:
    """Scores by the names that they have at a report point: the first objective's and
    activation_fid, which have a best so far, are those of now."""
    best_too = {DEFAULT.metric: DEFAULT.beside, by.objective.metric: by.objective.now}
    return {best_too.get(name, name): value for name, value in scores.items()}


@torch.no_grad()
def inputs_of(pack: Pack, latents: Tensor) -> Tensor:
    """Inputs [n, *input_shape] of `latents: [n, *latent_shape]`."""
    if not len(latents):  # not every network takes an empty batch
        return torch.empty(0, *pack.input_shape, device=latents.device)
    chunk = default_chunk(latents.device, len(latents))
    return torch.cat([pack.prior(part) for part in latents.split(chunk)])


def before_of(pack: Pack, neuron: Neuron, inputs: Tensor) -> Tensor:
    """Activations [n, D] of the layer before the neuron's, for `inputs: [n, *input_shape]`."""
    layer = pack.reference.layer_before(neuron.layer)
    return read_activations(pack.classifier, [layer], inputs)[layer]


def activations_of(pack: Pack, neuron: Neuron, inputs: Tensor) -> Tensor:
    """Activations [n] of `neuron`, for `inputs: [n, *input_shape]`."""
    layer = neuron.layer
    return neuron.read(read_activations(pack.classifier, [layer], inputs)[layer])


def pairwise_distance(inputs: Tensor) -> float:
    """Mean over pairs of the RMS difference between two of `inputs: [n, *input_shape]`."""
    flat = inputs.flatten(1)
    return float(torch.pdist(flat).mean()) / flat.shape[1] ** 0.5


def collapse(distance: float, apart: float) -> float:
    """How much nearer together than `apart` examples at a mean `distance` are, as a share of it; 0
    where they are not."""
    return max(0.0, 1 - distance / apart) if apart else 0.0
