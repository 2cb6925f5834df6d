"""The same ascent on classifiers that learnt nothing: the sanity check of Adebayo et al. (2018)."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from tune_am.am.ascent import Ascent
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.packs.neuron import Neuron
from tune_am.packs.pack import Pack
from tune_am.packs.reparametrised import with_plain_weights

# Classifiers that share out the starts of that control: what one draw of weights comes to says
# little of another's.
CLASSIFIERS = 10

# Random latents at which gradients are compared.
PROBED = 4


def ascended_latents(
    pack: Pack, plan: Plan, settings: Settings, step: int, classifiers: int = CLASSIFIERS
) -> tuple[Tensor, Tensor]:
    """What the ascent of `settings` keeps on classifiers with random weights.

    The latents [n, *latent_shape], n being `plan.starts` but for starts that never had a finite
    activation, and which classifier [n] each is of. `plan.seed` draws weights and starts.

    Random weights make an activation hundreds of times flatter than trained ones do. Where
    gradients are not normalised an ascent would hardly leave its starts, whatever a classifier had
    learnt; so the activation is scaled to be as steep as that of the true classifier.
    """
    neuron = pack.neuron(plan.neuron)
    steep = None if settings.normalize_grad else _steepness(pack, pack.classifier, neuron, plan)
    shares = torch.arange(plan.starts).tensor_split(min(classifiers, plan.starts))
    latents, groups = [], []
    for i, share in enumerate(shares):
        seed = plan.fresh(f"random weights {i}").seed
        random = with_random_weights(pack.classifier, seed)
        ascent = Ascent(
            pack.prior,
            random,
            neuron if steep is None else _as_steep(steep, pack, random, neuron, plan),
            settings,
            starts=len(share),
            seed=seed,
            direction=plan.direction,
            device=pack.device,
            chunk=plan.at_once,
        )
        ascent.advance(step)
        kept = ascent.kept_latents[torch.isfinite(ascent.kept_activations)]
        latents.append(kept)
        groups.append(torch.full((len(kept),), i))
    return torch.cat(latents), torch.cat(groups)


def with_random_weights(network: nn.Module, seed: int) -> nn.Module:
    """A copy whose weight tensors are drawn anew, normal with each tensor's own mean and deviation.

    Buffers (the standardisation of the input), integers and single numbers, which have no
    deviation, stay.
    """
    generator = torch.Generator().manual_seed(seed)
    copy = deepcopy(with_plain_weights(network))
    for weight in copy.parameters():
        if weight.numel() > 1 and (weight.is_floating_point() or weight.is_complex()):
            values = weight.detach().cpu()
            drawn = torch.randn(values.shape, generator=generator, dtype=values.dtype)
            weight.data.copy_(values.mean() + values.std() * drawn)
    return copy


def _as_steep(steep: float, pack: Pack, random: nn.Module, neuron: Neuron, plan: Plan) -> Neuron:
    """`neuron`, to be read from the network `random`: its activation scaled so that its gradient
    is as large as on the true classifier, where it has one."""
    flat = _steepness(pack, random, neuron, plan)
    if not (steep > 0 and flat > 0):  # of a dead unit, or where nothing is finite
        return neuron
    return neuron.scaled(steep / flat, pack.layers[neuron.layer])


def _steepness(pack: Pack, classifier: nn.Module, neuron: Neuron, plan: Plan) -> float:
    """Median size of the activation's gradient, at the same latents for all classifiers."""
    plain = Settings(lr=1.0)  # nothing is changed at random
    ascent = Ascent(pack.prior, classifier, neuron, plain, PROBED, plan.seed, device=pack.device)
    return float(ascent.steepness().nanmedian())
