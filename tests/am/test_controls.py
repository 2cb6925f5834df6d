from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tune_am.am.controls import (
    never_optimised,
    random_classifier,
    real_vs_real,
)
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Reference

SETTINGS = Settings(lr=0.1, l2=0.001)
PLAN = Plan("vocal", starts=8, report_points=(30,))


@pytest.fixture(scope="module")
def pack(tiny_pack: Path) -> Pack:
    return Pack.load(tiny_pack)


def test_a_result_beats_its_controls_and_not_the_noise_floor(pack: Pack) -> None:
    """The prior of the fixture is far from its real tail, and its weights know the neuron."""
    result = TrialRun(pack, PLAN, SETTINGS).advance_to(30)["activation_fid"]
    random = random_classifier(pack, PLAN, SETTINGS, 30)
    never, real = never_optimised(pack, PLAN), real_vs_real(pack, PLAN)
    assert real["activation_fid"] < result < 0.5 * random["activation_fid"]
    assert result < 0.5 * never["activation_fid"]
    assert [row["n"] for row in (never, random, real)] == [50, 8, 50]
    for row in (never, random, real):
        low, high = row["ci95"]
        assert 0 <= low <= row["activation_fid"] <= high


class Muffled(nn.Module):
    """Hears nothing (NaN) once its weights, of mean 0, are drawn anew."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier, self.signs = classifier, nn.Parameter(torch.tensor([1.0, -1.0]))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.classifier(x + 0 / (self.signs == self.signs.round()).all())
        return output


@pytest.mark.parametrize("objective", ["activation_fid", "layer_fid", "coverage"])
def test_a_random_classifier_that_hears_nothing_is_a_row_all_the_same(
    pack: Pack, objective: str
) -> None:
    muffled = replace(pack, classifier=Muffled(pack.classifier))
    muffled = replace(muffled, layers={f"classifier.{name}": n for name, n in pack.layers.items()},
                      neurons={"vocal": "classifier.fc9:0"},
                      reference=Reference({f"classifier.{name}": values for name, values
                                           in pack.reference.activations.items()}))  # fmt: skip
    plan = replace(PLAN, objective=objective)
    row, worst = random_classifier(muffled, plan, SETTINGS, 2), plan.scored_by.worst
    assert (row[objective], row["ci95"], row["n"]) == (worst, (worst, worst), 0)
    assert row.keys() == never_optimised(muffled, plan).keys()


def test_controls_are_fixed_by_the_seed(pack: Pack) -> None:
    other = Plan("vocal", starts=8, report_points=(30,), seed=1)
    for control in (never_optimised, real_vs_real):
        assert control(pack, PLAN) == control(pack, PLAN)
        assert control(pack, PLAN) != control(pack, other)
    assert random_classifier(pack, PLAN, SETTINGS, 2) == random_classifier(pack, PLAN, SETTINGS, 2)


def test_never_optimised_is_the_prior_alone(pack: Pack) -> None:
    few, many = never_optimised(pack, PLAN, n=10), never_optimised(pack, PLAN, n=200)
    assert (few["n"], many["n"]) == (10, 200)
    with torch.no_grad():
        latents = torch.randn(400, 8, generator=torch.Generator().manual_seed(9))
        expected = pack.classifier(pack.prior(latents)).mean().item()
    assert many["activation_mean"] == pytest.approx(expected, abs=0.4)


def test_real_against_real_takes_the_end_that_is_asked_about(pack: Pack) -> None:
    most = real_vs_real(pack, PLAN)["activation_mean"]
    least = real_vs_real(pack, Plan("vocal", "min"))["activation_mean"]
    activations = pack.reference.of(pack.neuron("vocal")).sort().values
    assert most == pytest.approx(activations[-100:].mean().item())
    assert least == pytest.approx(activations[:100].mean().item())


def test_fewer_examples_are_farther_from_as_many_real_ones(pack: Pack) -> None:
    """The mean distance of sets of sizes n and m has a term of 1/n and one of 1/m."""
    plan = Plan("vocal")
    few, many = (real_vs_real(pack, plan, n=30, examples=n) for n in (8, 30))
    assert (few["n"], many["n"]) == (8, 30)
    assert few["activation_fid"] > 1.3 * many["activation_fid"]
    assert many == real_vs_real(pack, plan, n=30)


def test_real_excerpts_of_one_group_are_never_on_both_sides(pack: Pack) -> None:
    """Each excerpt twice: unless told, a floor would compare excerpts with themselves."""
    single = Reference({k: v[:200] for k, v in pack.reference.activations.items()})
    twice = {name: values.repeat_interleave(2, 0) for name, values in single.activations.items()}
    groups = torch.arange(200).repeat_interleave(2)
    plain, grouped = (
        real_vs_real(replace(pack, reference=Reference(twice, groups=of)), PLAN)
        for of in (None, groups)
    )
    alone = real_vs_real(replace(pack, reference=single), PLAN, n=25)
    assert plain["activation_fid"] < 0.7 * alone["activation_fid"]
    assert grouped["activation_fid"] == pytest.approx(alone["activation_fid"], rel=0.25)
    few = real_vs_real(replace(pack, reference=Reference(twice, groups=groups)), PLAN, examples=8)
    assert few["activation_fid"] > grouped["activation_fid"]
