from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tune_am.am.plan import Plan, report_points
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.errors import UserError
from tune_am.packs.pack import Pack


@pytest.mark.parametrize(
    ("arguments", "points"),
    [
        ((8, 100), (8, 16, 32, 64, 100)),
        ((8, 64), (8, 16, 32, 64)),
        ((8, 8), (8,)),
        ((8, 5), (5,)),
        ((1, 4), (1, 2, 4)),
    ],
)
def test_report_points_grow_and_end_at_the_last(arguments, points: tuple[int, ...]) -> None:
    assert report_points(*arguments) == points


@pytest.mark.parametrize("arguments", [(0, 10), (8, 0), (8, -5)])
def test_report_points_refuse_what_is_no_step(arguments) -> None:
    with pytest.raises(UserError, match="not allowed"):
        report_points(*arguments)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"direction": "up"}, "direction='up': must be one of max, min"),
        ({"starts": 1}, "1 start: a score by activation_fid needs at least 2 starts"),
        ({"seed": -1}, "seed=-1"),
        ({"report_points": ()}, "report_points"),
        ({"report_points": (0, 4)}, "report_points"),
        ({"report_points": (4, 4)}, "report_points"),
        ({"report_points": (8, 4)}, "report_points"),
    ],
)
def test_a_bad_plan_is_refused(change, named: str) -> None:
    with pytest.raises(UserError, match=named):
        Plan(**({"neuron": "vocal"} | change))


def test_fresh_starts_are_fixed_by_seed_and_stream() -> None:
    plan = Plan("vocal", seed=1, report_points=[2, 4])  # type: ignore[arg-type]
    assert plan.max_steps == 4
    fresh = plan.fresh("again")
    assert fresh == plan.fresh("again")
    seeds = {
        plan.seed,
        fresh.seed,
        plan.fresh("other").seed,
        Plan("vocal", seed=2).fresh("again").seed,
    }
    assert len(seeds) == 4
    assert (fresh.neuron, fresh.starts, fresh.report_points) == ("vocal", 50, (2, 4))


def test_more_starts_need_no_more_room() -> None:
    """Of an accelerator, which has room for those of a trial; a CPU takes few at a time anyway."""
    there = Plan("vocal", starts=8, device="cuda").on(50)
    assert (there.starts, there.at_once) == (50, 8)
    assert Plan("vocal", starts=64, device="cuda").on(50).at_once == 50
    assert Plan("vocal", starts=8).on(50).at_once is None


def test_starts_that_ascend_together_make_no_difference(tiny_pack: Path) -> None:
    pack, plan = Pack.load(tiny_pack), Plan("vocal", starts=6, report_points=(4,))
    # Adam's first steps are by the gradient's signs, which the last bits of a kernel may turn.
    settings = Settings(lr=0.1, optimizer="sgd")
    runs = [TrialRun(pack, replace(plan, at_once=n), settings) for n in (None, 1, 4)]
    scores = [run.advance_to(4)["activation_fid"] for run in runs]
    assert scores == pytest.approx([scores[0]] * 3, rel=1e-4)
