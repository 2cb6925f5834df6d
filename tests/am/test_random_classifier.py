"""Classifiers that learnt nothing, and ascents on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

from tune_am.am import random_classifier
from tune_am.am.ascent import Ascent
from tune_am.am.plan import Plan
from tune_am.am.random_classifier import (
    CLASSIFIERS,
    PROBED,
    ascended_latents,
    with_random_weights,
)
from tune_am.am.settings import Settings
from tune_am.packs.make_pack import make_pack
from tune_am.packs.neuron import Neuron
from tune_am.packs.pack import Pack
from tune_am.packs.reparametrised import with_plain_weights


@pytest.fixture(scope="module")
def pack(tiny_pack: Path) -> Pack:
    return Pack.load(tiny_pack)


def test_the_starts_are_shared_out_among_classifiers(pack: Pack) -> None:
    latents, of = ascended_latents(pack, Plan("vocal", starts=23), Settings(lr=0.1), 2)
    assert latents.shape == (23, *pack.prior.latent_shape)
    assert of.bincount().tolist() == [3] * 3 + [2] * 7
    assert len(of.unique()) == CLASSIFIERS
    _, few = ascended_latents(pack, Plan("vocal", starts=3), Settings(lr=0.1), 1)
    assert few.tolist() == [0, 1, 2]
    assert latents.unique(dim=0).shape == latents.shape  # no start twice


@pytest.mark.parametrize("direction", ["max", "min"])
def test_how_steep_random_weights_are_makes_no_difference(
    pack: Pack, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By plain gradients, whose size counts: it is that of the true classifier's."""
    settings, plan = Settings(lr=0.02, optimizer="sgd"), Plan("vocal", direction, starts=4)
    latents, _ = ascended_latents(pack, plan, settings, 4)

    def flat(network: nn.Module, seed: int) -> nn.Module:
        copy = with_random_weights(network, seed)
        last = copy.get_submodule("fc9")
        for weight in last.parameters():
            weight.data.mul_(1e-3)
        return copy

    monkeypatch.setattr(random_classifier, "with_random_weights", flat)
    again, _ = ascended_latents(pack, plan, settings, 4)
    torch.testing.assert_close(again, latents, rtol=1e-3, atol=1e-3)
    starts, _ = ascended_latents(pack, plan, settings, 1)
    assert (again - starts).norm() > 0.02 * starts.norm()


@pytest.mark.parametrize("place", ["fc9:0", "conv4:1"])
def test_a_scaled_neuron_is_as_steep_as_on_the_true_classifier(pack: Pack, place: str) -> None:
    neuron, plan = pack.neuron(place), Plan(place, starts=4, seed=5)
    random, true = with_random_weights(pack.classifier, 3), pack.classifier
    steep = random_classifier._steepness(pack, true, neuron, plan)
    scaled = random_classifier._as_steep(steep, pack, random, neuron, plan)

    def steepness(network: nn.Module, neuron: Neuron) -> float:
        ascent = Ascent(pack.prior, network, neuron, Settings(lr=0.1), PROBED, 5)
        return float(ascent.steepness().median())

    assert steepness(random, scaled) == pytest.approx(steepness(true, neuron), rel=1e-4)


def test_random_weights_keep_the_moments_and_the_buffers_only(pack: Pack) -> None:
    true, random = pack.classifier, with_random_weights(pack.classifier, seed=0)
    again, other = (with_random_weights(true, seed) for seed in (0, 1))
    for name, weight in true.named_parameters():
        drawn = random.get_parameter(name)
        assert torch.equal(drawn, again.get_parameter(name))
        if weight.numel() == 1:
            assert torch.equal(drawn, weight)
            continue
        assert not torch.equal(drawn, weight)
        assert not torch.equal(drawn, other.get_parameter(name))
        error = 4 * weight.std() / weight.numel() ** 0.5
        assert (drawn.mean() - weight.mean()).abs() <= error
        assert (drawn.std() - weight.std()).abs() <= error
    for name, buffer in true.named_buffers():
        assert torch.equal(buffer, random.get_buffer(name))


@torch.no_grad()
def test_random_classifiers_hear_nothing_of_what_the_true_one_does(pack: Pack) -> None:
    """Nor do they agree with it on the whole."""
    x = pack.prior(torch.randn(60, 8, generator=torch.Generator().manual_seed(0)))
    heard = [with_random_weights(pack.classifier, seed)(x) for seed in range(8)]
    correlation = torch.corrcoef(torch.stack([pack.classifier(x), *heard]))[0, 1:]
    assert correlation.abs().max() < 0.6
    assert correlation.mean().abs() < 0.25


@pytest.mark.parametrize("normalised", [spectral_norm, parametrizations.spectral_norm])
def test_what_normalises_the_true_weights_is_not_left_to_random_ones(
    normalised: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    """Also of a network stored as its operations, which know no normalisation any more."""
    torch.manual_seed(0)
    network = nn.Sequential(normalised(nn.Linear(6, 30)), nn.ReLU(), normalised(nn.Linear(30, 2)))
    x = torch.rand(120, 6)
    for _ in range(30):  # until the norm is known
        network(x)
    plain = with_plain_weights(network.eval())
    torch.testing.assert_close(plain(x), network(x))
    assert not list(plain.buffers())
    expected = with_random_weights(plain, 1)(x).detach()
    torch.testing.assert_close(with_random_weights(network, 1)(x), expected)
    pack = make_pack(network, "raw", x, {}, tmp_path / "pack")
    stored = with_random_weights(pack.classifier, 1)(x).detach()
    assert 0.2 < stored.std() / expected.std() < 5


def test_complex_and_whole_numbers_are_weights_too() -> None:
    network = nn.Module()
    network.wave = nn.Parameter(torch.randn(400, dtype=torch.complex64))
    network.table = nn.Parameter(torch.arange(4), requires_grad=False)
    drawn = with_random_weights(network, 0).requires_grad_(False)
    assert float(drawn.wave.imag.std()) == pytest.approx(float(drawn.wave.real.std()), rel=0.2)
    assert drawn.table.tolist() == [0, 1, 2, 3]
