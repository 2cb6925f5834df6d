"""What cannot be a pack is said in one line, before it costs anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from tune_am.errors import UserError
from tune_am.packs.make_pack import make_pack

REAL = torch.rand(100, 6, generator=torch.Generator().manual_seed(0))


class Scaled(nn.Module):
    """Inputs from `low` to `high`."""

    latent = 3

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.linear, self.low, self.high = nn.Linear(3, 6), low, high

    def forward(self, z: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * torch.sigmoid(9 * self.linear(z))


class WithoutGradient(nn.Module):
    latent = 3

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 6)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.linear(x)


class Branching(nn.Module):
    """The way through it depends on the values of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(-x) if x.max() > 1e6 else self.linear(x)


def broken() -> nn.Module:
    network = nn.Sequential(nn.Linear(6, 4))
    network[0].weight.data[0, 0] = torch.nan
    return network


def made(tmp_path: Path, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "classifier": nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)),
        "prior": Scaled(0, 1),
        "real_data": REAL,
        "neurons": {"cat": "0:1"},
        "input": {"domain": "curve", "range": [0, 1]},
        "out": tmp_path / "pack",
        **changes,
    }
    return make_pack(**given)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"neurons": ["0:1"]}, r"neurons=\['0:1'\]: must be a dict of names to layer:unit"),
        ({"neurons": {"cat": 3}}, "'cat' is 3, not a text layer:unit"),
        ({"neurons": {"": "0:1"}}, "the name '' must be a text without comma and colon"),
        ({"neurons": {"cat,dog": "0:1"}}, "the name 'cat,dog' must be a text without comma"),
        ({"neurons": {"0:1": "0:3"}}, "the name '0:1' must be a text without comma and colon"),
        ({"neurons": {"0": "0:3"}}, "'0' is the name of a layer: choose another"),
        ({"layers": "0"}, "layers='0': must be a list of names of modules"),
        ({"latent": -3}, "latent=-3: must be a length above 0"),
        ({"credits": ["me"]}, r"credits=\['me'\]: must be a line of text"),
        ({"dtype": "float16"}, "dtype='float16': must be a type of real numbers"),
        ({"dtype": torch.int8}, "dtype=torch.int8: must be a type of real numbers"),
        ({"about": ["x"]}, "must be a dict of further entries"),
        ({"about": {"neurons": {}}}, "pack.json has an entry 'neurons' of its own"),
        ({"about": {"x": REAL}}, "about cannot be written as JSON"),
        ({"input": "image"}, "input='image': must be a dict"),
        ({"input": {"units": REAL}}, "input cannot be written as JSON"),
        ({"classifier_config": [1]}, r"classifier_config=\[1\]: must be a dict"),
        ({"prior_config": {"act": nn.ReLU}}, "prior_config cannot be written as JSON"),
        ({"files": ["none.md"]}, "files: there is no file 'none.md'"),
        ({"files": "none.md"}, "files='none.md': must be a list of files"),
        ({"input": {"domian": "image"}}, "'domian' says nothing; is 'domain' meant"),
        ({"input": {"range": [0, 0.5, 1]}}, r"the range \[0, 0.5, 1\] must be \[low, high\]"),
        ({"input": {"range": "0-1"}}, "the range '0-1' must be"),
        ({"input": {"range": [1, 0]}}, "has nothing between its ends"),
        ({"input": {"sample_rate": "44k"}}, "the sample_rate '44k' must be a number of Hz"),
        ({"input": {"sample_rate": 0.5}}, "the sample_rate 0.5 must be"),
        ({"input": {"shape": None}}, r"the shape None is not real_data's, \[6\]"),
        ({"out": 3}, "out=3: must be a folder"),
        ({"files": [__file__, __file__]}, "the pack has a test_pack_arguments.py already"),
        ({"input": {"shape": [7]}}, r"the shape \[7\] is not real_data's, \[6\]"),
        ({"prior": Scaled(-1, 1)}, "the prior makes inputs from -.* from 0 to 1: rescale what"),
        ({"classifier": broken()}, "the classifier's layer '0' is NaN or infinite"),
        ({"classifier": WithoutGradient(6)}, "layer 'linear' has no gradient.*torch.no_grad"),
        ({"prior": WithoutGradient(3)}, "the prior's output has no gradient"),
        ({"groups": [1, 2]}, "groups has 2 numbers for 100 inputs of real_data"),
        ({"groups": torch.rand(100)}, "groups: must be an integer for each of real_data"),
        ({"groups": "abc"}, "groups: must be an integer for each of real_data"),
    ],
)
def test_what_cannot_be_a_pack(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    if "classifier" in changes:
        changes = {"neurons": {}, **changes}
    with pytest.raises(UserError, match=said) as caught:
        made(tmp_path, **changes)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_beside_a_pack_is_none_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pack.json").write_text("{}")
    with pytest.raises(UserError, match=r"the pack has a pack\.json already: rename it"):
        made(tmp_path, files=[tmp_path / "pack.json"])


def test_a_class_that_nobody_finds_again_is_refused(tmp_path: Path) -> None:
    class Local(Branching):
        pass

    with pytest.raises(UserError, match=r"Local cannot be found again.*to the top of a module"):
        made(tmp_path, classifier=Local(), neurons={}, classifier_config={})


def test_what_cannot_be_traced_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = r"Branching cannot be stored as a torch\.export graph \(.*\); give the config"
    with pytest.raises(UserError, match=said) as caught:
        made(tmp_path, classifier=Branching(), neurons={})
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_layers_of_neurons_are_offered_beside_the_others(tmp_path: Path) -> None:
    classifier = nn.Sequential(weight_norm(nn.Linear(6, 4)), nn.BatchNorm1d(4), nn.Linear(4, 2))
    pack = made(tmp_path, classifier=classifier, neurons={"cat": "1:3"})
    assert pack.layers == {"0": 4, "1": 4, "2": 2}
