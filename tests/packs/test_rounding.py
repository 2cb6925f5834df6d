"""Fewer bits for the weights, the same networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.packs.own_models import SMALL
from tune_am.errors import UserError
from tune_am.packs.make_pack import make_pack

# Years and such, far from 0 for how little they vary.
FAR = torch.tensor([2015.0, 1013.0]) + torch.randn(
    100, 2, generator=torch.Generator().manual_seed(0)
)


class Standard(nn.Module):
    """Standardises by statistics of its own."""

    def __init__(self, trained: bool = False) -> None:
        super().__init__()
        self.mean: Tensor
        if trained:
            self.mean = nn.Parameter(FAR.mean(0))
        else:
            self.register_buffer("mean", FAR.mean(0))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.mean


def classifier(standard: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(standard, nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("config", [None, {}])
def test_what_standardises_is_not_rounded(
    tmp_path: Path, dtype: torch.dtype, config: dict[str, object] | None
) -> None:
    """A traced network knows its buffers as one that is stored by its class does."""
    given = {**SMALL, "classifier": classifier(Standard()), "real_data": FAR}
    if config is not None:
        given |= {"classifier": Whole(), "classifier_config": config}
    network = given["classifier"]
    pack = make_pack(**given, dtype=dtype, out=tmp_path / "pack")
    kinds = {
        name.rpartition(".")[2]: tensor.dtype
        for name, tensor in load_file(pack.path / "classifier.safetensors").items()
    }
    assert kinds == {"mean": torch.float32, "weight": dtype, "bias": dtype}
    with torch.no_grad():
        expected = network.eval()(FAR)
        off = (pack.classifier(FAR) - expected).square().mean(0).sqrt() / expected.std(0)
    assert off.max() < 0.02


class Whole(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(*classifier(Standard()))


def test_weights_that_do_not_bear_it_are_refused(tmp_path: Path) -> None:
    given = {**SMALL, "real_data": FAR, "out": tmp_path / "pack"}
    for network in (classifier(Standard(trained=True)), nn.Sequential(nn.Linear(2, 4))):
        said = r"layer '[013]' is .* of its deviation off with weights of torch.bfloat16: leave"
        with pytest.raises(UserError, match=said) as caught:
            make_pack(**{**given, "classifier": network}, dtype=torch.bfloat16)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_generator_that_does_not_bear_it_is_refused(tmp_path: Path) -> None:
    generator = nn.Sequential(nn.Linear(3, 6))
    nn.init.constant_(generator[0].bias, 1001.0)
    given = {**SMALL, "prior": generator, "latent": 3, "dtype": torch.bfloat16}
    with pytest.raises(UserError, match=r"the prior's output is .* of its deviation off"):
        make_pack(**given, out=tmp_path / "pack")
