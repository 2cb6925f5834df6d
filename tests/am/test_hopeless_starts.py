"""Starts that have no answer, explode or are not pulled anywhere: frozen, marked, no trouble."""

from __future__ import annotations

import torch
from torch import Tensor

from tune_am.am.ascent import EXPLODED_RMS
from tune_am.am.settings import Settings

from .toys import Cliff, Linear, Rectified, ascend


def test_a_start_without_an_answer_is_frozen_and_leaves_the_others_alone() -> None:
    settings = Settings(lr=0.1, l2=0.01, init_scale=0.5)
    cliff, free = ascend(Cliff(), settings, 0, layer="cliff"), ascend(Linear(), settings, 0)
    fell_at: dict[int, Tensor] = {}
    for _ in range(17):
        before = cliff.latents.clone()
        cliff.advance(1)
        free.advance(1)
        for row in torch.nonzero(cliff.diverged).flatten().tolist():
            fell_at.setdefault(row, before[row])
    assert 0 < cliff.diverged.sum() < 6, "the test needs some of each"
    assert torch.isfinite(cliff.latents).all()
    assert (cliff.latents[cliff.diverged, 0] <= 2).all()
    # The step before the one that asked beyond the cliff is the last good latent, and was kept.
    assert torch.equal(cliff.kept_latents[cliff.diverged], cliff.latents[cliff.diverged])
    alive = ~cliff.diverged
    assert torch.equal(cliff.latents[alive], free.latents[alive])
    assert torch.equal(cliff.kept_activations[alive], free.kept_activations[alive])


def test_exploding_starts_stay_where_they_were() -> None:
    ascent = ascend(Linear(), Settings(lr=1e6, optimizer="sgd", l2=0.0), 0)
    starts = ascent.latents.clone()
    ascent.advance(3)
    assert ascent.diverged.all()
    assert not ascent.dead.any()
    assert torch.equal(ascent.latents, starts)
    assert torch.equal(ascent.kept_latents, starts)
    assert torch.equal(ascent.kept_activations, ascent.start_activations)
    assert ascent.sample_steps == 6  # frozen starts cost nothing


def test_starts_far_out_are_no_divergence_below_the_bound() -> None:
    ascent = ascend(Linear(), Settings(init_scale=EXPLODED_RMS / 10, lr=1.0), 5)
    assert not ascent.diverged.any()


def test_a_start_that_never_had_an_answer_keeps_nothing() -> None:
    ascent = ascend(Cliff(), Settings(init_scale=4.0), 2, layer="cliff", starts=40)
    assert 0 < ascent.diverged.sum() < 40
    assert torch.equal(torch.isfinite(ascent.kept_activations), ~ascent.diverged)
    assert (ascent.kept_activations[ascent.diverged] == -torch.inf).all()


def test_starts_without_a_gradient_are_dead() -> None:
    settings = Settings(lr=0.01, l2=0.0)
    assert ascend(Rectified(-100.0), settings, 0, layer="rectified").dead.sum() == 0
    flat = ascend(Rectified(-100.0), settings, 3, layer="rectified")
    assert flat.dead.all()
    assert not flat.diverged.any()
    some = ascend(Rectified(0.0), settings, 3, layer="rectified")
    assert torch.equal(some.dead, some.start_activations == 0)
    assert 0 < some.dead.sum() < 6
