from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tune_am.errors import UserError
from tune_am.packs.neuron import Neuron
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Reference, Target, collect

NEURON = Neuron("fc9", 0, "vocal")


def reference(logits: list[float]) -> Reference:
    n = len(logits)
    before = torch.arange(n).float()[:, None] * torch.tensor([1.0, 10.0])
    return Reference({"fc8": before, "fc9": torch.tensor(logits)[:, None]})


def test_tail_is_the_most_extreme_first_and_ties_keep_their_order() -> None:
    ref = reference([0.0, 3.0, -2.0, 3.0, 1.0])
    assert ref.tail(NEURON, "max", 3).tolist() == [1, 3, 4]
    assert ref.tail(NEURON, "min", 2).tolist() == [2, 0]


def test_target_pairs_the_activations_with_the_layer_before() -> None:
    target = reference([0.0, 3.0, -2.0, 4.0]).target(NEURON, "max", 2)
    assert target.activations.tolist() == [4.0, 3.0]
    assert target.before.tolist() == [[3.0, 30.0], [1.0, 10.0]]


def test_the_layer_before() -> None:
    layers = {name: torch.zeros(2, 1) for name in ("conv4", "fc8", "fc9")}
    for before, expected in (({}, "fc8"), ({"fc9": "conv4"}, "conv4")):
        ref = Reference(layers, before)
        assert ref.layer_before("fc9") == expected
        assert (ref.layer_before("fc8"), ref.layer_before("conv4")) == ("conv4", "conv4")


def test_the_tail_cannot_be_longer_than_the_reference() -> None:
    with pytest.raises(UserError, match="has 3 excerpts, 50 are needed"):
        reference([1.0, 2.0, 3.0]).tail(NEURON)


@pytest.mark.parametrize(
    ("activations", "why"),
    [
        ({}, "equally many"),
        ({"fc8": torch.ones(3, 2), "fc9": torch.ones(4, 1)}, "equally many"),
        ({"fc9": torch.ones(4)}, "equally many"),
        ({"fc9": torch.tensor([[1.0], [torch.nan]])}, "finite"),
    ],
)
def test_refuses_what_is_no_reference(activations, why: str) -> None:
    with pytest.raises(UserError, match=why):
        Reference(activations)


def test_collect_reads_every_excerpt_once_in_evaluation_mode(tiny_pack: Path) -> None:
    pack = Pack.load(tiny_pack)
    x = torch.randn(7, *pack.input_shape)
    pack.classifier.train()  # dropout would show
    seen = collect(pack.classifier, ["fc9", "conv2"], iter(x.split(3)))
    assert list(seen) == ["fc9", "conv2"]
    assert seen["conv2"].shape == (7, pack.layers["conv2"])
    with torch.no_grad():
        torch.testing.assert_close(seen["fc9"][:, 0], pack.classifier.eval()(x))


@pytest.mark.parametrize(
    ("groups", "independent"),
    [
        (None, [0, 1, 2, 3, 4, 5]),
        ([7, 7, 3, 9, 3, 3], [1, 1, 0, 2, 0, 0]),
        ([7, 7, 7, 7, 3, 9], [0, 1, 2, 3, 4, 5]),  # of one song mostly: groups say too little
        ([7, 7, 7, 7, 7, 7], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_examples_count_in_groups(groups, independent) -> None:
    values = torch.arange(6.0)
    given = None if groups is None else torch.tensor(groups)
    target = Target(values, values[:, None], given)
    assert target.independent.tolist() == independent
    half = target[torch.tensor([True, False] * 3)]
    assert half.activations.tolist() == [0, 2, 4]
    assert half.groups is None or half.groups.tolist() == groups[::2]


def test_a_target_has_the_groups_of_its_excerpts() -> None:
    layers = {"fc8": torch.zeros(4, 2), "fc9": torch.tensor([[3.0], [9.0], [1.0], [7.0]])}
    reference = Reference(layers, groups=torch.tensor([5, 6, 5, 8]))
    target = reference.target(Neuron("fc9", 0, "vocal"), n=3)
    assert target.activations.tolist() == [9, 7, 3]
    assert target.groups.tolist() == [6, 8, 5]
