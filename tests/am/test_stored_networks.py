"""Networks of all kinds that users give compute the same once they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.am.own_models import SMALL, Causal, Tied
from tune_am.am.make_pack import make_pack
from tune_am.am.neuron import Tap
from tune_am.am.prior import Prior
from tune_am.errors import UserError


class Roots(Prior):
    """Of latents above 0 only, which it draws itself."""

    latent_shape = (6,)

    def __init__(self, drawn: int = 6) -> None:
        super().__init__()
        self.drawn = drawn

    def sample(self, n: int, generator: torch.Generator, *_: float) -> Tensor:
        return 0.1 + torch.rand(n, self.drawn, generator=generator)

    def forward(self, z: Tensor) -> Tensor:
        return z.sqrt()


def test_a_prior_is_tried_with_the_starts_that_it_draws(tmp_path: Path) -> None:
    given = {**SMALL, "real_data": torch.rand(100, 6), "input": {"range": [0, 2]}}
    given |= {"prior": Roots(), "prior_config": {}}
    pack = make_pack(**given, out=tmp_path / "pack")
    assert type(pack.prior) is Roots
    with pytest.raises(UserError, match=r"Roots draws starts of shape \[3, 5\], \[3, 6\] were"):
        make_pack(**given | {"prior": Roots(5)}, out=tmp_path / "other")


class Ramp(Prior):
    latent_shape = (2, 3)

    def forward(self, z: Tensor) -> Tensor:
        return z.flatten(1).cumsum(1)


def test_a_prior_of_ones_own(tmp_path: Path) -> None:
    classifier = nn.Sequential(nn.Linear(6, 2))
    pack = make_pack(classifier, Ramp(), torch.randn(100, 6), {}, tmp_path / "ramp")
    z = torch.randn(3, 2, 3)
    assert pack.prior.latent_shape == (2, 3)
    torch.testing.assert_close(pack.prior(z), Ramp()(z))


def test_a_traced_generator_is_stored_as_its_operations(tmp_path: Path) -> None:
    generator = nn.Sequential(nn.Linear(3, 6), nn.Tanh())
    with pytest.warns(Warning, match=r"torch.jit.trace.* is deprecated"):
        traced = torch.jit.trace(generator, torch.zeros(2, 3))
    pack = make_pack(**{**SMALL, "prior": traced, "latent": 3}, out=tmp_path / "pack")
    z = torch.randn(5, 3)
    torch.testing.assert_close(pack.prior(z), generator(z))


def test_exported_programs_are_networks(tmp_path: Path) -> None:
    networks = SMALL["classifier"], nn.Sequential(nn.Linear(3, 6), nn.Tanh())
    programs = [
        torch.export.export(
            network.eval(), (torch.zeros(2, inputs),), dynamic_shapes=({0: torch.export.Dim("n")},)
        )
        for network, inputs in zip(networks, (6, 3), strict=True)
    ]
    given = {**SMALL, "neurons": {"a": "2:1"}, "latent": 3}
    given |= {"classifier": programs[0], "prior": programs[1]}
    pack = make_pack(**given, out=tmp_path / "pack")
    assert pack.layers == {"0": 4, "2": 2}
    z = torch.randn(5, 3)
    torch.testing.assert_close(pack.prior(z), networks[1](z))
    torch.testing.assert_close(pack.classifier(pack.prior(z)), networks[0](networks[1](z)))


def test_tied_weights_are_stored_by_class(tmp_path: Path) -> None:
    network = Tied()
    pack = make_pack(**{**SMALL, "classifier": network}, classifier_config={}, out=tmp_path / "p")
    torch.testing.assert_close(pack.classifier(SMALL["real_data"]), network(SMALL["real_data"]))


@pytest.mark.parametrize("config", [None, {}])
def test_a_mask_may_be_infinite(tmp_path: Path, config: dict[str, Any] | None) -> None:
    network, data = Causal(), SMALL["real_data"].view(100, 1, 6) * torch.linspace(1, 2, 5)[:, None]
    given = {**SMALL, "classifier": network, "real_data": data, "classifier_config": config}
    stored = make_pack(**given, out=tmp_path / "pack").classifier
    expected = Tap(network.eval(), ["head"])(data)["head"]
    torch.testing.assert_close(Tap(stored, ["head"])(data)["head"], expected)
