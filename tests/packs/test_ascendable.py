"""Networks that no gradient passes are refused before anything ascends through them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.packs.own_models import SMALL
from tune_am.errors import UserError
from tune_am.packs.make_pack import make_pack


class Tokens(nn.Module):
    """Looks up rounded inputs: its weights are trained, its input has no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(9, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.table(x.abs().clamp(max=8).long()).mean(1))
        return output


class Detached(nn.Module):
    def __init__(self, inputs: int = 6, outputs: int = 2) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(x.detach())
        return output


class Spoilt(nn.Module):
    """Overwrites what the gradient of its sigmoid needs."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(6, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).sigmoid()
        hidden += 1
        output: Tensor = self.head(hidden)
        return output


class Timed(nn.Module):
    """Adds what it has learnt of one moment, whatever the input."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.time, self.head = nn.Linear(6, 4), nn.Embedding(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        moment = self.time(torch.zeros(x.shape[0], dtype=torch.long))
        output: Tensor = self.head((self.body(x) + moment).relu())
        return output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classifier": Tokens()}, r"layer 'table' has no gradient.*made an integer"),
        ({"classifier": Detached()}, "layer 'head' has no gradient.*detached"),
        ({"classifier": Spoilt()}, "layer 'head' has no gradient.*by an inplace operation"),
        ({"prior": Detached(3, 6), "latent": 3}, "prior's output has no gradient.*detached"),
    ],
)
def test_what_has_no_gradient_is_named(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        make_pack(**{**SMALL, **change}, out=tmp_path / "pack")
    assert "\n" not in str(caught.value)


def test_layers_that_do_not_depend_on_the_input_are_not_offered(tmp_path: Path) -> None:
    given = {**SMALL, "classifier": Timed(), "out": tmp_path / "pack"}
    assert list(make_pack(**given).layers) == ["body", "head"]
    with pytest.raises(UserError, match="layer 'time' has no gradient"):
        make_pack(**given, layers=["time", "head"], overwrite=True)


def test_networks_made_in_inference_mode_are_refused(tmp_path: Path) -> None:
    with torch.inference_mode():
        network = nn.Sequential(nn.Linear(6, 2))
    with pytest.raises(UserError, match=r"no gradient can be taken.*: Inference tensors cannot"):
        make_pack(**{**SMALL, "classifier": network}, out=tmp_path / "pack")
