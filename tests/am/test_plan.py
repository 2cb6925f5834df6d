from __future__ import annotations

import pytest

from tune_am.am.plan import Plan, report_points
from tune_am.errors import UserError


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
        ({"direction": "up"}, "'up'; allowed: max, min"),
        ({"starts": 1}, "starts=1"),
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
