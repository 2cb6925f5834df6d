"""The ascent does what its formula says: closed forms, an independent loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn
from torch.nn import functional as F

from tune_am.am.ascent import Ascent
from tune_am.am.settings import Settings
from tune_am.errors import UserError
from tune_am.packs.neuron import Neuron
from tune_am.packs.pack import Pack
from tune_am.packs.prior import GeneratorPrior

from .toys import UNIT, WEIGHT, IdentityPrior, Linear, ascend

W = torch.tensor(WEIGHT)


@pytest.fixture(scope="module")
def pack(tiny_pack: Path) -> Pack:
    return Pack.load(tiny_pack)


def ascent_on(pack: Pack, neuron: str, settings: Settings, direction: str = "max") -> Ascent:
    return Ascent(
        pack.prior, pack.classifier, pack.neuron(neuron), settings, 5, 3, direction, chunk=2
    )


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize(
    "settings",
    [
        Settings(optimizer="adam", lr=0.1, l2=0.25),
        Settings(optimizer="sgd", momentum=0.0, lr=0.2, l2=0.25),
        Settings(optimizer="sgd", momentum=0.8, lr=0.2, l2=0.25),
        Settings(optimizer="sgd", momentum=0.8, lr=0.5, l2=0.25, schedule="inverse_sqrt"),
    ],
    ids=lambda s: f"{s.optimizer}-{s.momentum}-{s.schedule}",
)
def test_settles_on_the_optimum_of_a_quadratic(settings: Settings, direction: str) -> None:
    ascent = ascend(Linear(), settings, 400, direction=direction)
    sign = 1 if direction == "max" else -1
    optimum = sign * W / (2 * settings.l2)
    torch.testing.assert_close(ascent.latents, optimum.expand(6, 3), atol=2e-3, rtol=0)


def test_normalised_gradient_settles_on_the_optimum_of_the_scaled_activation() -> None:
    settings = Settings(optimizer="sgd", momentum=0.0, lr=0.2, l2=0.25, normalize_grad=True)
    for scale in (1e-25, 1.0, 1e25):  # whatever the neuron's own scale, also where squares overflow
        weight = tuple(scale * w for w in WEIGHT)
        ascent = ascend(Linear(weight), settings, 150)
        optimum = W / W.square().mean().sqrt() / (2 * settings.l2)
        torch.testing.assert_close(ascent.latents, optimum.expand(6, 3), atol=1e-3, rtol=0)


# Along the three coordinates: the matrix L of z'Lz, the sum of their squared differences.
PATH = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("normalize", [False, True])
def test_total_variation_settles_on_the_optimum_of_the_smoothed_quadratic(
    normalize: bool, direction: str
) -> None:
    settings = Settings(
        optimizer="sgd", momentum=0.0, lr=0.2, l2=0.25, tv=0.5, normalize_grad=normalize
    )
    ascent = ascend(Linear(), settings, 300, direction=direction)
    pull = W / W.square().mean().sqrt() if normalize else W  # the penalties are not divided
    hessian = 2 * settings.l2 * torch.eye(3) + 2 * settings.tv * PATH
    optimum = torch.linalg.solve(hessian, pull if direction == "max" else -pull)
    torch.testing.assert_close(ascent.latents, optimum.expand(6, 3), atol=1e-3, rtol=0)


def test_blur_settles_on_the_optimum_of_the_blurred_activation_and_keeps_the_clean_one() -> None:
    settings = Settings(optimizer="sgd", momentum=0.0, lr=0.2, l2=0.25, blur=0.8)
    ascent = ascend(Linear(), settings, 300)
    blur = torch.tensor(gaussian_filter1d(np.eye(3), 0.8, axis=1, mode="nearest", truncate=3.75))
    optimum = (blur.float() @ W) / (2 * settings.l2)  # a row is the blur of one coordinate
    torch.testing.assert_close(ascent.latents, optimum.expand(6, 3), atol=1e-3, rtol=0)
    torch.testing.assert_close(ascent.kept_activations, ascent.kept_latents @ W)


def conv4_by_hand(pack: Pack, x: Tensor) -> Tensor:
    """The mean over positions of unit 5 of conv4, written out layer by layer."""
    net = pack.classifier
    x = ((x - net.mean[:, None]) / net.std[:, None])[:, None]
    x = F.leaky_relu(net.conv2(F.leaky_relu(net.conv1(x), 0.01)), 0.01)
    return net.conv4(F.max_pool2d(x, 3))[:, 5].mean((1, 2))


def one_by_one(
    pack: Pack, starts: Tensor, settings: Settings, steps: int, sign: float, activation
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents, kept latents and kept activations by a plain loop over single starts."""
    rows = []
    for start in starts:
        z = start.clone()[None].requires_grad_()
        rule = (
            torch.optim.SGD([z], settings.lr, momentum=settings.momentum)
            if settings.optimizer == "sgd"
            else torch.optim.Adam([z], settings.lr)
        )
        decay = torch.optim.lr_scheduler.LambdaLR(
            rule, lambda t: (1 + t) ** -0.5 if settings.schedule == "inverse_sqrt" else 1.0
        )
        kept, best = None, None
        for _ in range(steps):
            a = activation(pack, pack.prior(z))
            if best is None or sign * a.item() > sign * best:
                kept, best = z.detach().clone(), a.item()
            rule.zero_grad()
            x = pack.prior(z)[0]
            down, across = x[1:] - x[:-1], x[:, 1:] - x[:, :-1]
            rough = down.square().sum() + across.square().sum()
            loss = -sign * a.sum() + settings.l2 * z.square().sum() + settings.tv * rough
            loss.backward()
            rule.step()
            decay.step()
        rows.append((z.detach()[0], kept[0], torch.tensor(best)))
    latents, kept, best = (torch.stack(column) for column in zip(*rows, strict=True))
    return latents, kept, best


@pytest.mark.parametrize(
    ("neuron", "direction", "settings"),
    [
        ("vocal", "max", Settings(lr=0.1, l2=0.01)),
        ("vocal", "min", Settings(lr=0.05, l2=0.5, optimizer="sgd", momentum=0.5)),
        ("conv4:5", "max", Settings(lr=0.2, l2=0.0, schedule="inverse_sqrt")),
        ("vocal", "min", Settings(lr=0.1, l2=0.01, tv=1e-4)),
        ("conv4:5", "min", Settings(lr=0.02, l2=0.1, optimizer="sgd", schedule="inverse_sqrt")),
    ],
)
def test_equals_a_plain_loop_over_single_starts(
    pack: Pack, neuron: str, direction: str, settings: Settings
) -> None:
    ascent = ascent_on(pack, neuron, settings, direction)
    starts = ascent.latents.clone()
    ascent.advance(7)

    def by_hand(pack: Pack, x: Tensor) -> Tensor:
        return pack.classifier(x) if neuron == "vocal" else conv4_by_hand(pack, x)

    sign = 1.0 if direction == "max" else -1.0
    latents, kept, best = one_by_one(pack, starts, settings, 7, sign, by_hand)
    torch.testing.assert_close(ascent.latents, latents, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ascent.kept_latents, kept, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ascent.kept_activations, best, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(latents, starts, atol=1e-2)


def test_minimising_is_maximising_the_negated_activation() -> None:
    settings = Settings(lr=0.3, l2=0.1)
    down = ascend(Linear(), settings, 20, direction="min")
    up = ascend(Linear(tuple(-w for w in WEIGHT)), settings, 20)
    assert torch.equal(down.latents, up.latents)
    assert torch.equal(down.kept_latents, up.kept_latents)
    assert torch.equal(down.kept_activations, -up.kept_activations)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_kept_examples_are_the_best_clean_ones_so_far(pack: Pack, direction: str) -> None:
    settings = Settings(lr=0.5, l2=0.5, jitter=20, gain=1.0)
    ascent = ascent_on(pack, "vocal", settings, direction)
    sign = 1 if direction == "max" else -1
    seen = []
    for _ in range(8):
        with torch.no_grad():
            seen.append(sign * pack.classifier(pack.prior(ascent.latents)))
        ascent.advance(1)
        best = torch.stack(seen).max(0).values
        torch.testing.assert_close(sign * ascent.kept_activations, best, atol=1e-4, rtol=1e-5)
    with torch.no_grad():
        kept = sign * pack.classifier(pack.prior(ascent.kept_latents))
    torch.testing.assert_close(kept, best, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(sign * ascent.start_activations, seen[0], atol=1e-4, rtol=1e-5)


def test_jitter_changes_the_way_and_not_the_starts(pack: Pack) -> None:
    calm, shaken = (ascent_on(pack, "vocal", Settings(lr=0.1, jitter=jitter)) for jitter in (0, 10))
    assert torch.equal(calm.latents, shaken.latents)
    for ascent in (calm, shaken):
        ascent.advance(3)
    assert not torch.allclose(calm.latents, shaken.latents, atol=1e-3)


def test_networks_are_frozen_and_deterministic() -> None:
    class Dropped(Linear):
        def forward(self, x: Tensor) -> Tensor:
            return self.unit(F.dropout(x, 0.5, self.training))

    classifier: nn.Module = Dropped().train()
    ascent = ascend(classifier, Settings(), 3)
    assert not classifier.training
    assert not any(weight.requires_grad for weight in classifier.parameters())
    assert torch.equal(classifier.unit.weight[0], W)  # type: ignore[union-attr, index]
    torch.testing.assert_close(ascent.latents, ascend(Linear(), Settings(), 3).latents)


class ByChannel(nn.Module):
    """Its `view` joins batch and channels: channels last, that suits a single input only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.unit = nn.Conv2d(2, 3, 3), nn.Conv2d(1, 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv(x)
        output: Tensor = self.unit(hidden.view(len(x) * 3, 1, 4, 4)).view(len(x), 3)
        return output


@pytest.mark.parametrize("starts", [1, 3])
def test_a_layout_is_tried_on_more_than_one_input(starts: int) -> None:
    prior = GeneratorPrior(nn.Unflatten(1, (2, 6, 6)), 72)
    neuron = Neuron("conv", 1, "conv:1")
    ascent = Ascent(prior, ByChannel(), neuron, Settings(), starts, 0)
    ascent.advance(2)
    assert torch.isfinite(ascent.kept_activations).all()


@pytest.mark.parametrize(
    ("starts", "direction", "said"), [(0, "max", "starts=0"), (2, "up", "'up'.*max, min")]
)
def test_refuses_what_makes_no_sense(starts: int, direction: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Ascent(IdentityPrior(), Linear(), UNIT, Settings(), starts, 0, direction)


def test_within_a_radius_the_optimum_lies_on_its_sphere() -> None:
    settings = Settings(optimizer="sgd", momentum=0.0, lr=0.2, l2=0.0, radius=0.8)
    ascent = ascend(Linear(), settings, 300)
    optimum = 0.8 * 3**0.5 * W / W.norm()
    torch.testing.assert_close(ascent.latents, optimum.expand(6, 3), atol=1e-3, rtol=0)


def test_no_latent_ever_leaves_the_radius(pack: Pack) -> None:
    limit = 1.1 * 8**0.5
    free = ascent_on(pack, "vocal", Settings(lr=0.5, l2=0.0, init_scale=1.5))
    kept = ascent_on(pack, "vocal", Settings(lr=0.5, l2=0.0, init_scale=1.5, radius=1.1))
    assert kept.latents.norm(dim=1).max() <= limit + 1e-5
    for _ in range(6):
        free.advance(1)
        kept.advance(1)
        assert kept.latents.norm(dim=1).max() <= limit + 1e-5
        assert kept.kept_latents.norm(dim=1).max() <= limit + 1e-5
    assert free.latents.norm(dim=1).max() > limit


def test_ascends_where_gradients_are_switched_off() -> None:
    settings = Settings(lr=0.1, l2=0.0, tv=0.01)
    expected = ascend(Linear(), settings, 3)
    with torch.no_grad():
        found = ascend(Linear(), settings, 3)
        assert not found.steepness().requires_grad
    assert torch.equal(found.latents, expected.latents)
    with torch.inference_mode(), pytest.raises(UserError, match=r"which torch.inference_mode\(\)"):
        ascend(Linear(), settings, 3)


def test_a_default_of_float64_changes_no_dtype(tiny_pack: Path) -> None:
    """Of networks stored by class, whose layers follow it; with a transform, which draws."""
    torch.set_default_dtype(torch.float64)
    try:
        pack = Pack.load(tiny_pack)
        ascent = ascent_on(pack, "vocal", Settings(lr=0.1, jitter=2, gain=0.5, blur=0.5, tv=0.01))
        ascent.advance(2)
    finally:
        torch.set_default_dtype(torch.float32)
    weights = [*pack.classifier.parameters(), *pack.prior.parameters()]
    kept = ascent.kept_latents, ascent.kept_activations
    assert {values.dtype for values in (*weights, *kept)} == {torch.float32}


def test_a_pack_loaded_in_inference_mode_has_gradients(tiny_pack: Path) -> None:
    with torch.inference_mode():
        pack = Pack.load(tiny_pack)
    ascent = ascent_on(pack, "vocal", Settings(lr=0.1))
    ascent.advance(2)
    assert torch.isfinite(ascent.kept_activations).all()
