"""A trial from latents to metrics, on real networks and on toys that fail in known ways."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tune_am.am import score
from tune_am.am.ascent import Ascent
from tune_am.am.frechet import frechet_distance
from tune_am.am.objectives import ACTIVATION_FID, DIVERGED_PENALTY, LAYER_FID
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack

PLAN = Plan("vocal", starts=6, report_points=(2, 4, 8), seed=1)
TIMED = {score.SAMPLE_STEPS_PER_SECOND}


@pytest.fixture(scope="module")
def pack(tiny_pack: Path) -> Pack:
    return Pack.load(tiny_pack)


def untimed(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in TIMED}


def test_the_metrics_are_what_their_names_say(pack: Pack) -> None:
    run = TrialRun(pack, PLAN, Settings(lr=0.1, l2=0.01))
    metrics = run.advance_to(4)
    ascent, neuron = run.ascent, pack.neuron("vocal")
    real = pack.reference.activations
    tail = real["fc9"][:, 0].topk(50).indices
    kept = ascent.kept_activations
    fc8 = []
    hook = pack.classifier.fc8.register_forward_hook(lambda m, i, output: fc8.append(output))
    with torch.no_grad():
        inputs = pack.prior(ascent.kept_latents)
        again = pack.classifier(inputs)
    hook.remove()
    torch.testing.assert_close(again, kept, atol=1e-4, rtol=1e-4)
    rms = [
        (inputs[i] - inputs[j]).square().mean().sqrt().item() for i in range(6) for j in range(i)
    ]
    expected = {
        score.STEP: 4,
        ACTIVATION_FID: frechet_distance(kept, real["fc9"][tail]),
        score.ACTIVATION_FID_NOW: frechet_distance(kept, real["fc9"][tail]),
        score.BEST_STEP: 4,
        LAYER_FID: frechet_distance(fc8[0], real["fc8"][tail]),
        score.ACTIVATION_MEAN: kept.mean().item(),
        score.IMPROVED_SHARE: (kept > ascent.start_activations).float().mean().item(),
        score.PAIRWISE_DISTANCE: sum(rms) / len(rms),
        score.DIVERGED_SHARE: 0.0,
        score.DEAD_SHARE: 0.0,
    }
    assert untimed(metrics) == pytest.approx(expected, rel=1e-4)
    assert metrics[score.SAMPLE_STEPS_PER_SECOND] > 0
    assert (neuron.layer, run.step, run.next_point) == ("fc9", 4, 8)


def test_ascending_improves_on_the_starts_in_both_directions(pack: Pack) -> None:
    for direction in ("max", "min"):
        plan = Plan("vocal", direction, starts=6, report_points=(1, 20))
        run = TrialRun(pack, plan, Settings(lr=0.1, l2=0.001))
        first, last = (run.advance_to(point) for point in plan.report_points)
        assert first[score.IMPROVED_SHARE] == 0
        assert last[score.IMPROVED_SHARE] == 1
        assert last[ACTIVATION_FID] < 0.75 * first[ACTIVATION_FID]
        assert run.next_point is None


def test_the_best_report_point_is_remembered(pack: Pack) -> None:
    """Far too large steps: the examples overshoot the real tail, the early ones were better."""
    plan = Plan("vocal", starts=6, report_points=(1, 2, 4, 8, 16))
    run = TrialRun(pack, plan, Settings(lr=1.0, l2=0.0))
    history = []
    for point in plan.report_points:
        history.append(run.advance_to(point))
        lowest = min(history, key=lambda m: m[score.ACTIVATION_FID_NOW])
        assert history[-1][ACTIVATION_FID] == lowest[score.ACTIVATION_FID_NOW]
        assert history[-1][score.BEST_STEP] == lowest[score.STEP]
        if lowest is history[-1]:
            kept = run.ascent.kept_latents.clone(), run.ascent.kept_activations.clone()
    assert run.best is not None
    assert run.best.step < 16, "the test needs an overshoot"
    assert torch.equal(run.best.latents, kept[0])
    assert torch.equal(run.best.activations, kept[1])
    with torch.no_grad():
        torch.testing.assert_close(run.best_inputs(), pack.prior(kept[0]), atol=1e-4, rtol=1e-4)


def test_a_resumed_trial_reports_the_same_numbers(pack: Pack) -> None:
    settings = Settings(lr=1.0, l2=0.0, jitter=3)
    straight = TrialRun(pack, PLAN, settings)
    expected = [untimed(straight.advance_to(point)) for point in PLAN.report_points]
    paused = TrialRun(pack, PLAN, settings)
    paused.advance_to(2)
    resumed = TrialRun(pack, PLAN, settings)
    resumed.load_state_dict(paused.state_dict())
    assert [untimed(resumed.advance_to(point)) for point in (4, 8)] == expected[1:]
    assert straight.best is not None
    assert resumed.best is not None
    assert torch.equal(straight.best.latents, resumed.best.latents)
    fresh = TrialRun(pack, PLAN, settings)
    fresh.load_state_dict(TrialRun(pack, PLAN, settings).state_dict())  # before any report
    assert untimed(fresh.advance_to(2)) == expected[0]


def test_a_trial_depends_on_its_plan_and_settings_only(pack: Pack) -> None:
    settings = Settings(lr=0.1)
    first = untimed(TrialRun(pack, PLAN, settings).advance_to(2))
    TrialRun(pack, PLAN, Settings(lr=0.5, optimizer="sgd")).advance_to(2)
    assert untimed(TrialRun(pack, PLAN, settings).advance_to(2)) == first
    assert untimed(TrialRun(pack, PLAN.fresh("other"), settings).advance_to(2)) != first


def test_a_diverged_trial_reports_a_penalty_and_nothing_that_is_not_finite(pack: Pack) -> None:
    for settings in (
        Settings(lr=1e9, optimizer="sgd", l2=10.0),
        Settings(init_scale=3e38),  # starts at infinity: no start ever had an activation
    ):
        metrics = TrialRun(pack, PLAN, settings).advance_to(4)
        assert metrics[score.ACTIVATION_FID_NOW] == DIVERGED_PENALTY
        assert metrics[ACTIVATION_FID] == DIVERGED_PENALTY
        assert metrics[score.DIVERGED_SHARE] == 1.0
        assert all(math.isfinite(value) for value in metrics.values())


def test_a_few_lost_starts_are_left_out_of_the_score(pack: Pack) -> None:
    run = TrialRun(pack, PLAN, Settings(lr=0.1, l2=0.01))
    ascent: Ascent = run.ascent
    ascent.latents[:2] = torch.inf  # two starts that cannot be evaluated
    metrics = run.advance_to(4)
    assert metrics[score.DIVERGED_SHARE] == pytest.approx(2 / 6)
    assert metrics[score.ACTIVATION_MEAN] == pytest.approx(
        ascent.kept_activations[2:].mean().item()
    )
    assert metrics[score.IMPROVED_SHARE] <= 4 / 6
    assert metrics[ACTIVATION_FID] < DIVERGED_PENALTY


def test_there_is_no_way_back(pack: Pack) -> None:
    run = TrialRun(pack, PLAN, Settings())
    with pytest.raises(ValueError, match="not been scored"):
        run.best_inputs()
    run.advance_to(2)
    with pytest.raises(ValueError, match="at step 2 already"):
        run.advance_to(2)
