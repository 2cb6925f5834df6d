"""Networks of all kinds that users give compute the same once they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.packs.own_models import SMALL, Causal, Thrower, Tied
from tune_am.errors import UserError
from tune_am.packs.make_pack import make_pack
from tune_am.packs.neuron import Tap
from tune_am.packs.pack import Pack
from tune_am.packs.prior import Prior


class Roots(Prior):
    """Of latents above 0 only, which it draws itself."""

    latent_shape = (6,)

    def __init__(self, drawn: int = 6) -> None:
        super().__init__()
        self.drawn, self.low = drawn, 0.1

    def sample(self, n: int, generator: torch.Generator, *_: float) -> Tensor:
        return self.low + torch.rand(n, self.drawn, generator=generator)

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


def test_a_pack_of_an_earlier_version_loads(tmp_path: Path) -> None:
    """What it names has moved since."""
    made = make_pack(**SMALL, out=tmp_path / "pack")
    file = made.path / "pack.json"
    text = file.read_text()
    assert '"tune_am.packs.graph:' in text
    file.write_text(text.replace("tune_am.packs.graph", "tune_am.am.graph"))
    inputs = torch.rand(3, 6)
    old = Pack.load(made.path)
    torch.testing.assert_close(old.classifier(inputs), made.classifier(inputs))


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


class Tuned(nn.Sequential):
    """Its scale is an attribute, no weight."""

    latent = 3

    def __init__(self, inputs: int = 6, outputs: int = 2, scale: float = 1.0) -> None:
        super().__init__(nn.Linear(inputs, outputs))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.scale * x)


def test_what_a_config_does_not_say_of_a_network_is_missed(tmp_path: Path) -> None:
    """All that is stored by class are weights and config; what was set afterwards is lost."""
    classifier, prior = Tuned(scale=2.0), Tuned(3, 6, 2.0)
    small = {**SMALL, "out": tmp_path / "pack", "overwrite": True}
    whole = {"scale": 2.0}, {"inputs": 3, "outputs": 6, "scale": 2.0}
    for given, config, said in (
        (classifier, {}, r"layer '0' is .* off once stored: classifier_config must make the same"),
        (classifier, {"inputs": 5}, "classifier_config does not make the Tuned .* size mismatch"),
        (classifier, {"width": 5}, "classifier_config does not make the Tuned .* TypeError"),
        (classifier, whole[0], None),
        (prior, {"inputs": 3, "outputs": 6}, "prior's output is .* off once stored: prior_config"),
        (prior, whole[1], None),
    ):
        what = "classifier" if given is classifier else "prior"
        arguments = {**small, what: given, f"{what}_config": config}
        if said is None:
            make_pack(**arguments)
            continue
        with pytest.raises(UserError, match=said) as caught:
            make_pack(**arguments)
        assert "\n" not in str(caught.value)


def test_starts_that_a_config_does_not_say_are_missed(tmp_path: Path) -> None:
    prior = Roots()
    prior.low = 0.5
    given = {**SMALL, "prior": prior, "prior_config": {}, "out": tmp_path / "pack"}
    with pytest.raises(UserError, match=r"a start is 0.4 off once stored: prior_config"):
        make_pack(**given)


def test_of_what_draws_random_numbers_nothing_is_missed(tmp_path: Path) -> None:
    given = {**SMALL, "classifier": Thrower(), "classifier_config": {}}
    assert type(make_pack(**given, out=tmp_path / "pack").classifier) is Thrower


def test_a_default_of_float64_makes_the_same_pack(tmp_path: Path) -> None:
    tuned = {**SMALL, "classifier": Tuned(), "classifier_config": {}}
    torch.set_default_dtype(torch.float64)
    try:
        pack = make_pack(**SMALL, out=tmp_path / "pack")
        assert type(make_pack(**tuned, out=tmp_path / "other").classifier) is Tuned
    finally:
        torch.set_default_dtype(torch.float32)
    assert pack.hash == make_pack(**SMALL, out=tmp_path / "again" / "pack").hash
