"""Networks and data that do not fit are named in one line, and nothing is written."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from tests.packs.own_models import SMALL, Thrower
from tune_am.errors import UserError
from tune_am.packs.make_pack import make_pack
from tune_am.packs.prior import GeneratorPrior


class OwnStarts(GeneratorPrior):
    def sample(self, *arguments: Any, **options: Any) -> Tensor:
        return super().sample(*arguments, **options).abs()


class Steep(nn.Sequential):
    """Of 1 it makes 1e20: more than float32 holds of what is much larger."""

    def __init__(self) -> None:
        super().__init__(OrderedDict(first=nn.Linear(6, 4), last=nn.Linear(4, 2)))
        for layer in self:
            nn.init.constant_(layer.weight, 1e10)


class Squeezer(nn.Sequential):
    """Drops the axis of the batch too, where that is 1."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 2))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.unsqueeze(2).squeeze())


class Unwritten(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Counter(nn.Sequential):
    """Adds how often it was called, which it keeps as a buffer or beside them."""

    def __init__(self, buffer: bool = False) -> None:
        super().__init__(nn.Linear(6, 2))
        if buffer:
            self.register_buffer("calls", torch.zeros(()))
        else:
            self.calls = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x + self.calls)


TWO = "the classifier's layer '0' gives two answers for one input: does forward"
FAR = {"real_data": torch.ones(100, 6).index_fill(0, torch.tensor([70]), 1e25)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classifier": 3}, "the classifier is int, not a network"),
        ({"classifier": nn.Linear(5, 2)}, r"does not take real_data of shape \[6\], float32"),
        ({"classifier": nn.Linear(6, 2).double()}, "computes in float64, float32 is needed"),
        (
            {"classifier": Squeezer()},
            r"'0' has the shape \[2, 1\] for one alone, \[3, 2\] for 3: do",
        ),
        ({"classifier": nn.Linear(6, 2)}, "Linear is a layer alone.*wrap it, torch.nn.Sequential"),
        (
            {"classifier": nn.Sequential(OrderedDict(config=nn.Linear(6, 2)))},
            "Sequential cannot be stored as a torch.export graph .*'config' already exists",
        ),
        ({"classifier": nn.Flatten()}, "Flatten has no layers with weights that are sure"),
        ({"classifier": Thrower()}, "'head' is .* off once stored: does the network draw random"),
        ({"real_data": torch.zeros(100, 6).byte()}, r"real_data is uint8.*x\.float\(\) / 255"),
        ({"real_data": torch.zeros(100, 6).half()}, "real_data is float16"),
        ({"real_data": TensorDataset(torch.zeros(9, 9, 6))}, "is a TensorDataset: give DataLoader"),
        ({"real_data": map(float, "x")}, "real_data cannot be read: ValueError: could not convert"),
        ({"real_data": torch.zeros(99, 6)}, "has 99 inputs, a search needs at least 100"),
        ({"real_data": torch.full((100, 6), torch.nan)}, "a non-finite value"),
        ({"classifier": Unwritten(nn.Linear(6, 2))}, r"\[6\], float32: NotImplementedError$"),
        ({"classifier": Counter()}, TWO),
        ({"classifier": Counter(buffer=True)}, TWO),
        ({"classifier": Counter(), "classifier_config": {}}, TWO),
        (
            {"classifier": nn.Sequential(nn.Linear(6, 2, device="meta"))},
            "the classifier is on the meta device, without numbers: make it on another",
        ),
        ({"prior": nn.Linear(3, 6, device="meta"), "latent": 3}, "the prior is on the meta device"),
        ({"real_data": torch.zeros(100, 6, device="meta")}, "real_data is on the meta device"),
        ({"real_data": torch.zeros(100, 6).to_sparse()}, "real_data is sparse_coo: it must be den"),
        ({"real_data": [torch.zeros(100, 6).to_sparse()]}, "real_data is sparse_coo: it must be d"),
        ({"real_data": torch.full((100, 6), 0.1)}, "real_data do not vary, so the prior 'raw' has"),
        ({"real_data": []}, "real_data is empty"),
        ({"real_data": ["x"]}, "real_data gives str"),
        ({"real_data": [()]}, "real_data gives tuple"),
        ({"real_data": None}, r"real_data is NoneType: it must be a tensor \[n, \*input_shape\]"),
        ({"real_data": torch.tensor(1.0)}, "real_data is a single number: it must be a tensor"),
        ({"classifier": Steep(), **FAR}, "layer 'last' is NaN or infinite for input 70 of real_d"),
        (
            {"classifier": Steep(), "dtype": torch.float16},
            r"^classifier.safetensors: first.weight has values beyond .*float16, at most 65504: ch",
        ),
        ({"real_data": [torch.zeros(9, 6), torch.zeros(9, 7)]}, r"shape \[7\] after such of \[6\]"),
        (
            {
                "classifier": nn.Sequential(nn.Flatten(), nn.Linear(3000, 2)),
                "real_data": torch.zeros(100, 3000, 1),
            },
            r"3000 channels, at most 2048 are allowed: .* \[1, samples\]",
        ),
        ({"real_data": torch.zeros(100)}, r"a batch of shape \[64\]"),
        ({"layers": ["3"]}, "the classifier has no layer '3'; there are 0, 1, 2"),
        ({"neurons": {"a": "2:5"}}, "the neuron 'a' is wrong: no neuron '2:5'"),
        (
            {"neurons": {"a": "2:@direction.npy"}},
            "the neuron 'a' is wrong: .* is not written layer",
        ),
        ({"neurons": {"a": "5:0"}, "layers": ["0"]}, "no layer '5'"),
        ({"input": {"range": [0, 1]}}, r"real_data goes from -.* from 0 to 1"),
        ({"prior": "vae"}, "unknown prior 'vae': give a network, or raw, fourier"),
        ({"prior": "fourier"}, r"shape \[6\] have no Fourier prior"),
        ({"prior": nn.Linear(3, 6)}, "the latent of Linear is not known: give latent"),
        ({"prior": nn.Linear(3, 6), "latent": 4}, r"does not take latents of shape \[4\]"),
        ({"prior": nn.Linear(3, 5), "latent": 3}, r"makes \[3, 5\] float32 of 3 .* \[3, 6\] float"),
        ({"prior": nn.Linear(3, 6).double(), "latent": 3}, "does not take latents of shape"),
        ({"prior": OwnStarts(nn.Linear(3, 6), 3)}, "draws starts of its own: give prior_config"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        make_pack(**{**SMALL, **change}, out=tmp_path / "pack")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_networks_whose_outputs_depend_on_the_batch_are_refused(tmp_path: Path) -> None:
    """Also where a loader gives one input at a time, and where a network has a config."""
    norm = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten())
    image = {"real_data": torch.rand(100, 1, 4, 4).split(1), "out": tmp_path / "pack"}
    classifier = nn.Sequential(*norm, nn.Linear(16, 2))
    for more in ({}, {"classifier_config": {}}):
        with pytest.raises(UserError, match="the classifier's layer '2' is not the same for one"):
            make_pack(**{**SMALL, **image, **more, "classifier": classifier})
    plain = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    generator = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, (1, 4, 4)), norm[0])
    with pytest.raises(UserError, match="the prior's output is not the same for one"):
        make_pack(**{**SMALL, **image, "classifier": plain, "prior": generator, "latent": 3})


def test_torchscript_is_refused(tmp_path: Path) -> None:
    with pytest.warns(Warning, match=r"torch.jit.script.* is deprecated"):
        classifier, prior = (torch.jit.script(nn.Linear(*sizes)) for sizes in ((6, 2), (3, 6)))
    with pytest.raises(UserError, match="TorchScript, whose layers cannot be read"):
        make_pack(**{**SMALL, "classifier": classifier}, out=tmp_path / "pack")
    with pytest.raises(
        UserError, match=r"or, if it was scripted, what torch.jit.trace makes of th"
    ):
        make_pack(**{**SMALL, "prior": prior, "latent": 3}, out=tmp_path / "pack")


def exported(network: nn.Module) -> torch.export.ExportedProgram:
    shapes = ({0: torch.export.Dim("n")},)
    return torch.export.export(network, (torch.randn(4, 6),), dynamic_shapes=shapes)


@pytest.mark.parametrize("learns", [nn.Dropout(0.5), nn.BatchNorm1d(4)])
def test_a_program_that_was_exported_in_training_mode(tmp_path: Path, learns: nn.Module) -> None:
    network = nn.Sequential(nn.Linear(6, 4), learns, nn.Linear(4, 2))
    small = {**SMALL, "out": tmp_path / "pack"}
    with pytest.raises(UserError, match=r"in training mode .*: call eval\(\) on its network"):
        make_pack(**{**small, "classifier": exported(network.train())})
    assert make_pack(**{**small, "classifier": exported(network.eval())}).layers["2"] == 2


def test_a_program_has_no_config_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give the module with its config"):
        make_pack(**{**SMALL, "classifier": exported(Thrower())}, out=tmp_path / "pack")


def test_dtypes_that_float_does_not_change_are_no_obstacle(tmp_path: Path) -> None:
    """A complex number, as of a Fourier layer, comes first among the parameters."""

    class Complex(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(6, 2))
            self.turn = nn.Parameter(torch.ones(1, dtype=torch.complex64))

        def forward(self, x: Tensor) -> Tensor:
            return super().forward((x * self.turn).real)

    assert make_pack(**{**SMALL, "classifier": Complex()}, out=tmp_path / "pack").layers == {"0": 2}
