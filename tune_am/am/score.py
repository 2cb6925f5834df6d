"""How good a trial's examples are: the metrics, by the names used in code, MLflow and prose."""

from __future__ import annotations

import torch
from torch import Tensor

from tune_am.am.ascent import SIGNS, Ascent, default_chunk
from tune_am.am.frechet import frechet_distance
from tune_am.am.neuron import Neuron, layer_before, read_activations
from tune_am.am.pack import Pack
from tune_am.am.reference import Target

STEP = "step"  # steps taken; the name ASHA reads as its clock
ACTIVATION_FID = "activation_fid"  # the objective: the lowest activation_fid_now so far
ACTIVATION_FID_NOW = "activation_fid_now"  # kept activations against the reference tail, 1-D
BEST_STEP = "best_step"  # the step of activation_fid
LAYER_FID = "layer_fid"  # the same at the layer before, multi-dimensional; never optimised
ACTIVATION_MEAN = "activation_mean"  # mean kept activation
IMPROVED_SHARE = "improved_share"  # share of starts kept better than they began
PAIRWISE_DISTANCE = "pairwise_distance"  # mean RMS difference of two kept inputs; 0 is collapse
DIVERGED_SHARE = "diverged_share"
DEAD_SHARE = "dead_share"  # share of starts that never saw a gradient
SAMPLE_STEPS_PER_SECOND = "sample_steps_per_second"

# Reported in place of a distance by a trial that diverged. Large and finite: a NaN is never stopped
# by ASHA and is refused by Optuna.
DIVERGED_PENALTY = 1e6

# A trial has diverged when at least this share of its starts has.
DIVERGED_FROM = 0.5


def score(ascent: Ascent, pack: Pack, target: Target) -> dict[str, float]:
    """Metrics of the examples that `ascent` keeps now, all finite whatever happened to the starts.

    Starts whose activation was never finite have no example and are left out.
    """
    valid = torch.isfinite(ascent.kept_activations)
    kept = ascent.kept_activations[valid]
    improved = SIGNS[ascent.direction] * (kept - ascent.start_activations[valid]) > 0
    metrics = {
        STEP: ascent.step,
        ACTIVATION_FID_NOW: DIVERGED_PENALTY,
        LAYER_FID: DIVERGED_PENALTY,
        ACTIVATION_MEAN: 0.0,
        IMPROVED_SHARE: float(improved.sum()) / len(valid),
        PAIRWISE_DISTANCE: 0.0,
        DIVERGED_SHARE: float(ascent.diverged.float().mean()),
        DEAD_SHARE: float(ascent.dead.float().mean()),
    }
    if metrics[DIVERGED_SHARE] >= DIVERGED_FROM or len(kept) < 2:
        return metrics
    inputs = inputs_of(pack, ascent.kept_latents[valid])
    return metrics | {
        ACTIVATION_FID_NOW: frechet_distance(kept, target.activations),
        LAYER_FID: frechet_distance(before_of(pack, ascent.neuron, inputs), target.before),
        ACTIVATION_MEAN: float(kept.mean()),
        PAIRWISE_DISTANCE: pairwise_distance(inputs),
    }


@torch.no_grad()
def inputs_of(pack: Pack, latents: Tensor) -> Tensor:
    """Inputs [n, *input_shape] of `latents: [n, *latent_shape]`."""
    chunk = default_chunk(latents.device, len(latents))
    return torch.cat([pack.prior(part) for part in latents.split(chunk)])


def before_of(pack: Pack, neuron: Neuron, inputs: Tensor) -> Tensor:
    """Activations [n, D] of the layer before the neuron's, for `inputs: [n, *input_shape]`."""
    layer = layer_before(neuron.layer, list(pack.layers))
    chunk = default_chunk(inputs.device, len(inputs))
    return read_activations(pack.classifier, [layer], inputs, chunk)[layer]


def activations_of(pack: Pack, neuron: Neuron, inputs: Tensor) -> Tensor:
    """Activations [n] of `neuron`, for `inputs: [n, *input_shape]`."""
    chunk = default_chunk(inputs.device, len(inputs))
    layer = neuron.layer
    return neuron.read(read_activations(pack.classifier, [layer], inputs, chunk)[layer])


def pairwise_distance(inputs: Tensor) -> float:
    """Mean over pairs of the RMS difference between two of `inputs: [n, *input_shape]`."""
    flat = inputs.flatten(1)
    return float(torch.pdist(flat).mean()) / flat.shape[1] ** 0.5
