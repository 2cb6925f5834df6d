"""Every point of a space, once."""

from __future__ import annotations

import pytest

from tune_am.errors import UserError
from tune_am.tuning.sampling.grid import grid, gridded
from tune_am.tuning.space import from_source, load

BRANCHES = """
POINTS = [{"optimizer": "sgd", "momentum": 0.5, "jitter": 1}]
def space(trial):
    settings = {"optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"])}
    if settings["optimizer"] == "sgd":
        settings["momentum"] = trial.suggest_float("momentum", 0.0, 0.5, step=0.25)
    settings["jitter"] = trial.suggest_int("jitter", 1, 5, step=2)
    return settings
"""


def test_a_branch_s_parameters_are_in_the_points_that_take_it():
    points = grid(from_source("branches", BRANCHES), seed=0)
    assert len(points) == 3 + 3 * 3
    assert len({tuple(sorted(point.items())) for point in points}) == len(points)
    assert all(("momentum" in point) == (point["optimizer"] == "sgd") for point in points)


def test_the_seed_shuffles_and_named_points_come_first():
    space = from_source("branches", BRANCHES)
    one, same, other = (gridded(space, seed) for seed in (0, 0, 1))
    assert one.points == same.points != other.points
    assert one.points[0] == space.points[0]
    assert sorted(map(repr, one.points)) == sorted(map(repr, other.points))
    assert one.trials == 12


def test_the_published_grid_is_itself():
    paper = load("paper")
    assert set(map(repr, gridded(paper, 0).points)) == set(map(repr, paper.points))


def test_a_parameter_without_a_grid_is_named():
    with pytest.raises(UserError, match=r"space default: lr from 0.001 to 1.0 has no grid"):
        grid(load("default"), 0)


def test_too_many_points_are_refused(monkeypatch):
    monkeypatch.setattr("tune_am.tuning.sampling.grid.LARGEST", 50)
    source = "".join(f"    trial.suggest_int('p{i}', 0, 9)\n" for i in range(2))
    with pytest.raises(UserError, match="more than 50 points"):
        grid(from_source("large", f"def space(trial):\n{source}    return {{}}"), 0)
