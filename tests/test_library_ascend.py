"""One ascent by hand: `tune_am.ascend`, without Ray, Optuna and MLflow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import tune_am
from tests.packs.own_models import SMALL


def test_an_ascent_by_hand(tiny_pack):
    """`ascend` is the trial of a search, on starts of its own."""
    pack = tune_am.load_pack(tiny_pack)
    settings = tune_am.Settings(lr=0.1, l2=0.01)
    examples = tune_am.ascend("vocal", settings, steps=3, starts=4, pack=pack, seed=7)
    assert (examples.settings, examples.step) == (settings, 3)
    assert examples.activations.shape == (4,)
    assert examples.inputs.shape == (4, 80, 115)
    target = pack.reference.target(pack.neuron("vocal"), "max").activations
    assert examples.activation_fid == tune_am.activation_fid(examples.activations, target)
    assert examples.ci95[0] <= examples.activation_fid <= examples.ci95[1]
    assert examples.plot_ascent()._repr_png_()
    assert "lr 0.1" in examples._repr_html_()
    more = tune_am.ascend("vocal", {"lr": 0.1, "l2": 0.01}, steps=6, starts=4, pack=pack, seed=7)
    assert (more.activations >= examples.activations).all()  # the same starts, twice as far
    with pytest.raises(tune_am.UserError, match="unknown setting 'rate'"):
        tune_am.ascend("vocal", {"rate": 1}, pack=pack)
    with pytest.raises(tune_am.UserError, match="no neuron 'fc9:9'"):
        tune_am.ascend("fc9:9", pack=pack)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"steps": "5"}, "steps='5': must be a whole number"),
        ({"steps": 2.5}, "steps=2.5: must be a whole number"),
        ({"steps": 0}, "steps=0: must be at least 1"),
        ({"starts": "4"}, "starts='4': must be a whole number"),
        ({"starts": True}, "starts=True: must be a whole number"),
        ({"seed": 1.5}, "seed=1.5: must be a whole number"),
        ({"neuron": 2}, "neuron=2: must be the name of one neuron"),
        ({"neuron": ["vocal"]}, "neuron=['vocal']: must be the name of one neuron"),
        ({"settings": 5}, "settings=5: must be Settings or a dict of them"),
        ({"direction": ["max"]}, "direction=['max']: must be max or min"),
        ({"pack": None}, "pack=None: must be a pack, its name or its folder"),
    ],
)
def test_what_no_ascent_can_be_asked_for(tiny_pack, asked, said):
    with pytest.raises(tune_am.UserError) as raised:
        tune_am.ascend(**{"neuron": "vocal", "pack": tiny_pack, **asked})
    assert str(raised.value) == said


def test_numbers_of_what_cannot_be_drawn(tmp_path):
    given = {**SMALL, "classifier": nn.Sequential(nn.Flatten(), nn.Linear(6, 2))}
    sensors = {**given, "real_data": torch.randn(100, 2, 3), "input": {"domain": "curve"}}
    pack = tune_am.make_pack(**sensors, out=tmp_path / "pack")
    examples = tune_am.ascend("1:0", steps=2, starts=3, pack=pack)
    with pytest.raises(tune_am.UserError, match="cannot be drawn"):
        examples.plot_examples()
    html = examples._repr_html_()
    assert "these settings" in html
    assert "<img" not in html


def test_whole_numbers_of_numpy_are_whole(tiny_pack):
    one, four, seed = np.array([1, 4, 7])
    assert tune_am.ascend("vocal", steps=one, starts=four, seed=seed, pack=tiny_pack).step == 1


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there(tiny_pack, device):
    with pytest.raises(tune_am.UserError, match=f"device='{device}': PyTorch sees no such device"):
        tune_am.load_pack(tiny_pack, device=device)
