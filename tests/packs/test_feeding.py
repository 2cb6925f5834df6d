"""Which layer feeds a layer, in networks that branch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tune_am.am.controls import never_optimised
from tune_am.am.frechet import frechet_distance
from tune_am.am.plan import Plan
from tune_am.am.score import before_of
from tune_am.errors import UserError
from tune_am.packs.feeding import layers_before
from tune_am.packs.make_pack import make_pack
from tune_am.packs.neuron import Tap
from tune_am.packs.pack import Pack


class Heads(nn.Module):
    """Two heads on one body, which an activation function changes in place."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.age, self.sex = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.relu(self.body(x))
        return self.age(hidden), self.sex(hidden)


def test_of_two_heads_each_is_fed_by_the_body(tmp_path: Path) -> None:
    network, data = Heads(), torch.randn(120, 6)
    out = tmp_path / "heads"
    pack = make_pack(network, "raw", data, {"male": "sex:1", "old": "age:2"}, out)
    assert list(pack.layers) == ["body", "age", "sex"]
    assert [layer.get("before") for layer in pack.manifest["layers"]] == [None, None, "body"]
    body = Tap(network, ["body"])(data)["body"]
    for name in ("male", "old"):
        neuron = pack.neuron(name)
        before = pack.reference.target(neuron).before
        torch.testing.assert_close(before, body[pack.reference.tail(neuron)])
        assert before_of(pack, neuron, data[:4]).shape == (4, 5)
    target, row = pack.reference.target(pack.neuron("male")), never_optimised(pack, Plan("male"))
    latents = torch.Generator().manual_seed(Plan("male").fresh("never optimised").seed)
    inputs = pack.prior(pack.prior.sample(50, latents))
    expected = frechet_distance(before_of(pack, pack.neuron("male"), inputs), target.before)
    assert row["layer_fid"] == pytest.approx(expected, rel=1e-5)

    described = json.loads((out / "pack.json").read_text())
    described["layers"][0]["before"] = "sex"
    (out / "pack.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match="'sex' is no layer before 'body'"):
        Pack.load(out)


class Branches(nn.Module):
    """Two ways from the input that meet; the second is added in place."""

    def __init__(self, frozen: bool) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(6, 5), nn.Linear(6, 5)
        self.after, self.last = nn.Linear(5, 5), nn.GRU(5, 2)
        self.requires_grad_(not frozen)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.one(x), self.other(x)
        after = self.after(one.relu())
        one += after
        output: Tensor = self.last(one + other)[0]
        return output


@pytest.mark.parametrize("frozen", [True, False])
def test_branches_that_meet(frozen: bool) -> None:
    network = Branches(frozen).eval()
    layers = ["one", "other", "after", "last"]
    assert layers_before(network, layers, torch.randn(3, 6)) == {"other": "other", "after": "one"}
    assert all(weight.requires_grad is not frozen for weight in network.parameters())


class Ending(nn.Module):
    """Goes on with what a recurrent layer remembers in the end, its second output."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.lstm = nn.Linear(6, 5), nn.LSTM(5, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(self.body(x))
        output: Tensor = self.head(hidden[-1])
        return output


def test_a_layer_feeds_by_any_of_its_outputs() -> None:
    network = Ending().eval()
    assert layers_before(network, ["body", "lstm", "head"], torch.randn(3, 5, 6)) == {}


class Rounded(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(x)


def test_without_gradients_the_run_order_stays() -> None:
    network = Rounded(nn.Linear(6, 5), nn.Linear(5, 2))
    assert layers_before(network, ["0", "1"], torch.randn(3, 6)) == {}
