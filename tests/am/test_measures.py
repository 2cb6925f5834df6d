"""The objectives are what their definitions say, and their intervals hold what they promise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from torchmetrics.image.kid import poly_mmd

from tune_am.am import controls
from tune_am.am.frechet import bootstrap_interval, frechet_distance
from tune_am.am.measures import NORMAL_95, LeftOut, jackknife, kernel_distance, measure
from tune_am.am.objectives import DIVERGED_PENALTY, OBJECTIVES, objective
from tune_am.am.plan import Plan
from tune_am.am.prdc import prdc
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Target


def random(n: int, dimensions: int, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(n, dimensions, generator=draws, dtype=torch.float64) + shift


def examples(n: int, seed: int, shift: float = 0.0) -> Target:
    before = random(n, 4, seed, shift)
    return Target(before.sum(1), before)


def test_kid_is_that_of_torchmetrics():
    x, y = random(30, 16), random(30, 16, seed=1, shift=0.5)
    assert kernel_distance(x, y) == pytest.approx(float(poly_mmd(x, y)), rel=1e-10)


def test_kid_of_few_by_hand():
    """k = (xy + 1)^3: within x 27, within y 1, across the mean of 1, 1, 8 and 1."""
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [0.0]])
    assert kernel_distance(x, y) == pytest.approx(27 + 1 - 2 * 1)
    with pytest.raises(ValueError, match="2 are needed"):
        kernel_distance(x[:1], y)


def test_kid_is_unbiased():
    """Sets of one distribution: the mean over many pairs is 0, single ones fall on either side."""
    scores = [kernel_distance(random(20, 3, i), random(30, 3, 1000 + i)) for i in range(400)]
    error = torch.tensor(scores).std() / 20
    assert abs(sum(scores) / 400) < 3 * error
    assert min(scores) < 0 < max(scores)


def test_objectives_read_what_they_are_named_for():
    kept, real = examples(20, 1, shift=0.3), examples(30, 2)
    shares = prdc(real.before, kept.before)
    expected = {
        "activation_fid": frechet_distance(kept.activations, real.activations),
        "layer_fid": frechet_distance(kept.before, real.before),
        "kid": kernel_distance(kept.before, real.before),
        "coverage": shares["coverage"],
        "precision": shares["precision"],
    }
    assert {name: measure(name)(kept, real) for name in OBJECTIVES} == expected
    assert measure("kid").scores(kept, real) == {
        name: expected[name] for name in ("activation_fid", "layer_fid", "kid")
    }


def test_the_jackknife_of_a_difference_of_means_is_its_textbook_error():
    kept, real = examples(12, 1), examples(30, 2)
    found = jackknife(lambda a, b: float(a.activations.mean() - b.activations.mean()), kept, real)
    exact = math.sqrt(float(kept.activations.var() / 12 + real.activations.var() / 30))
    assert found == pytest.approx(exact, rel=1e-10)


def test_of_a_difference_what_two_scores_share_is_left_out():
    """Means against one reference: its spread cancels, and so does that of the starts."""

    def difference(a: Target, b: Target) -> float:
        return float(a.activations.mean() - b.activations.mean())

    real, kept, noise = (random(30, 1, seed)[:, 0] for seed in (1, 2, 3))
    real, kept, near, other = (
        Target(values, values[:, None]) for values in (real, kept, kept + 0.1 * noise, noise)
    )
    one, alike, apart = (LeftOut.of(difference, each, real) for each in (kept, near, other))
    assert one.deviation == pytest.approx(jackknife(difference, kept, real))
    assert one.deviation_from(one) == 0
    exact = float((0.1 * noise).std()) / math.sqrt(30)
    assert one.deviation_from(alike) == pytest.approx(exact, rel=1e-6)
    few = LeftOut.of(difference, other[torch.arange(20)], real)  # some starts gave no example
    parts = [float(each.activations.var()) / len(each.activations) for each in (kept, other[:20])]
    assert one.deviation_from(few) == pytest.approx(math.sqrt(sum(parts)), rel=1e-6)
    assert apart.deviation_from(one) == one.deviation_from(apart)


@pytest.mark.parametrize(("shift", "told"), [(0.0, range(4)), (0.5, range(18, 31))])
def test_layer_fids_are_told_apart_where_they_differ(shift, told):
    """Of 30 pairs of sets in 4 dimensions, the second the first mirrored and moved by `shift`."""
    by, sure, mirror = measure("layer_fid"), 0, torch.tensor([1.0, -1.0, 1.0, -1.0])
    for i in range(30):
        starts, real = random(25, 4, 10 + i), random(25, 4, 500 + i)
        near, far = starts + 0.4, mirror * starts + 0.4 + shift
        left_out, scores = [], []
        for kept in (near, far):
            examples = Target(kept[:, 0], kept), Target(real[:, 0], real)
            left_out.append(LeftOut.of(by, *examples))
            scores.append(by(*examples))
        sure += abs(scores[1] - scores[0]) > NORMAL_95 * left_out[0].deviation_from(left_out[1])
    assert sure in told


def test_the_jackknife_leaves_out_whole_groups():
    """Each example three times over is as sure as each once."""
    kept, real = examples(12, 1), examples(30, 2)
    of = torch.arange(30).repeat_interleave(3)
    thrice = Target(*(x.repeat_interleave(3, 0) for x in (real.activations, real.before)), of)

    def difference(a: Target, b: Target) -> float:
        return float(a.activations.mean() - b.activations.mean())

    once = jackknife(difference, kept, real)
    assert jackknife(difference, kept, thrice) == pytest.approx(once, rel=1e-10)
    assert jackknife(difference, kept, replace(thrice, groups=None)) < 0.97 * once


def test_intervals_hold_the_score_and_keep_within_its_bounds():
    kept, real = examples(20, 1), examples(30, 2)
    for name, made in OBJECTIVES.items():
        low, high = measure(name).interval(kept, real)
        assert made.bounds[0] <= low <= measure(name)(kept, real) <= high <= made.bounds[1]
    usual = bootstrap_interval(kept.activations, real.activations, seed=4)
    assert measure().interval(kept, real, 4) == usual


def test_ninety_five_of_a_hundred_intervals_of_kid_hold_the_true_distance():
    """Apart by 1 in each of 2 dimensions; of the true distance the kernel's mean is a sum, for
    four nodes of Gauss and Hermite are exact for a polynomial of degree 3."""
    nodes, weights = (torch.tensor(part) for part in hermegauss(4))
    x = torch.cartesian_prod(nodes, nodes)
    w = torch.cartesian_prod(weights, weights).prod(1) / (2 * math.pi)

    def mean(a: torch.Tensor, b: torch.Tensor) -> float:
        return float(w @ (a @ b.T / 2 + 1) ** 3 @ w)

    true = mean(x, x) + mean(x + 1, x + 1) - 2 * mean(x, x + 1)
    assert true == pytest.approx(13, rel=1e-12)
    held = 0
    for i in range(100):
        kept, real = random(40, 2, 10 + i), random(40, 2, 500 + i, shift=1.0)
        low, high = measure("kid").interval(Target(kept[:, 0], kept), Target(real[:, 0], real))
        held += low <= true <= high
    assert 88 <= held <= 100


def test_most_intervals_of_layer_fid_hold_the_expected_score_of_sets_of_their_size():
    """In 8 dimensions, 20 examples each: of the true distance, 2, that score is more than twice."""
    by = measure("layer_fid")
    pairs = [
        [Target(x[:, 0], x) for x in (random(20, 8, i), random(20, 8, 5000 + i, shift=0.5))]
        for i in range(400)
    ]
    expected = sum(by(*pair) for pair in pairs) / len(pairs)
    intervals = [by.interval(*pair) for pair in pairs[:100]]
    assert expected > 4
    assert sum(low <= expected <= high for low, high in intervals) >= 80


@pytest.mark.parametrize("name", ["coverage", "precision"])
def test_shares_of_nothing_and_of_all_are_not_certain(name):
    """The rule of three: no row is better than another by an interval that is a point."""
    by, real = measure(name), examples(30, 2)
    far, same = examples(20, 1, shift=100.0), real
    assert by.interval(far, real) == (0.0, pytest.approx(3 / 20))
    assert by.interval(same, real) == (pytest.approx(1 - 3 / 30), 1.0)


def test_better_and_worse_follow_the_direction():
    for name, made in OBJECTIVES.items():
        better, worse = (0.9, 0.1) if name in ("coverage", "precision") else (0.1, 0.9)
        assert made.loss(better) < made.loss(worse) <= made.loss(made.worst) < made.loss(None)
        assert made.distance(better) < made.distance(worse)


def test_unknown_objectives_and_too_few_starts():
    with pytest.raises(UserError, match=r"unknown objective 'fid'; allowed: activation_fid, .*kid"):
        objective("fid")
    with pytest.raises(UserError, match="coverage needs at least 7 starts"):
        Plan("vocal", starts=6, objective="coverage")


@pytest.fixture
def own(tmp_path, monkeypatch) -> str:
    """A module with scores of a user's own."""
    (tmp_path / "own_scores.py").write_text(
        "def closeness(kept, real):\n"
        "    kept.before.zero_(), real.before.zero_()\n"
        "    return (kept.activations.mean() - real.activations.mean()).abs()\n"
        "def raising(kept, real):\n    return 1 / 0\n"
        "def nothing(kept, real):\n    return float('nan')\n"
        "def hopeless(kept, real):\n    return 1e300\n"
        "def words(kept, real):\n    return 'good'\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    return "own_scores"


def test_a_score_of_ones_own_is_imported_with_consent_only(own):
    kept, real = examples(20, 1), examples(30, 2)
    with pytest.raises(UserError, match="add trust_code=True"):
        measure(f"{own}:closeness")
    mine = measure(f"{own}:closeness", trust_code=True)
    exact = abs(float(kept.activations.mean() - real.activations.mean()))
    assert mine.scores(kept, real)["user_score"] == pytest.approx(exact)
    low, high = mine.interval(kept, real)
    assert low < exact < high
    assert torch.equal(kept.before, examples(20, 1).before)  # whatever it does to what it is given


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("raising", "raised ZeroDivisionError"),
        ("nothing", "gave nan: it must return a finite number"),
        ("hopeless", "gave 1e+300: it must return a finite number within ±1e+30, lower"),
        ("words", "gave 'good': it must return a finite number"),
        ("missing", "cannot be imported: AttributeError"),
        ("number", "is no function"),
    ],
)
def test_what_is_wrong_with_a_score_of_ones_own_is_said_in_a_line(own, function, said):
    with pytest.raises(UserError) as caught:
        measure(f"{own}:{function}", trust_code=True)(examples(20, 1), examples(30, 2))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["layer_fid", "kid", "coverage"])
def test_a_trial_counts_with_its_best_by_the_objective(tiny_pack, name):
    pack = Pack.load(tiny_pack)
    plan = Plan("vocal", starts=12, report_points=(2, 4, 8), objective=name)
    run = TrialRun(pack, plan, Settings(lr=0.3, l2=0.0))
    reports = [run.advance_to(step) for step in plan.report_points]
    best = max if name == "coverage" else min
    now = [report[f"{name}_now"] for report in reports]
    assert [report[name] for report in reports] == [best(now[: i + 1]) for i in range(3)]
    assert run.best.score == best(now)
    assert {"activation_fid_now", "layer_fid"} <= reports[-1].keys()
    assert "activation_fid" not in reports[-1]


def test_a_trial_that_diverges_is_no_better_than_any(tiny_pack):
    pack = Pack.load(tiny_pack)
    wild = Settings(lr=1e30, l2=1.0, optimizer="sgd")
    for name, worst in (("kid", DIVERGED_PENALTY), ("coverage", 0.0)):
        plan = Plan("vocal", starts=8, report_points=(8,), objective=name)
        assert TrialRun(pack, plan, wild).advance_to(8)[name] == worst


def test_controls_are_measured_by_the_objective(tiny_pack):
    pack, plan = Pack.load(tiny_pack), Plan("vocal", starts=12, objective="coverage")
    real = controls.real_vs_real(pack, plan)
    never = controls.never_optimised(pack, plan)
    for row in (real, never):
        assert 0 <= row["ci95"][0] <= row["coverage"] <= row["ci95"][1] <= 1
        assert {"activation_fid", "layer_fid", "activation_mean", "n"} <= row.keys()
    assert never["coverage"] < real["coverage"]
