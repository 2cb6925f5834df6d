"""Which of the re-scored settings is called best."""

from __future__ import annotations

from dataclasses import replace

import torch

from tune_am.am.measures import LeftOut
from tune_am.am.objectives import DIVERGED_PENALTY
from tune_am.am.settings import Settings
from tune_am.tuning.finalists import Candidate, Rescored, ranked
from tune_am.tuning.rescore import ascend, joined
from tune_am.tuning.task import pack_and_plan


def row(
    number: int,
    fid: float,
    high: float = 0.0,
    layer: float = 0.0,
    missing: float = 0.0,
    apart: float = 20.0,
) -> Rescored:
    """high: the upper end of the score's interval. apart: the deviation of the difference in the
    layer to the row whose number is the next."""
    candidate = Candidate(number, Settings(), 10, {"activation_fid": fid})
    scores = {"activation_fid": fid, "layer_fid": layer}
    examples = torch.zeros(2, 3), torch.zeros(2)
    left_out = LeftOut(layer + torch.tensor([1.0, -1.0]) * apart * number, torch.zeros(3))
    return Rescored(candidate, scores, (0.0, high), *examples, left_out, collapse=missing)


def order(*rows: Rescored) -> list[int]:
    return [one.candidate.number for one in ranked(rows)]


def test_the_layer_before_decides_among_those_that_the_score_cannot_tell_apart():
    lowest, near, far = row(0, 2.0, 9.0, 800.0), row(1, 4.0, 13.0, 700.0), row(2, 8.0, 20.0, 900.0)
    worse = row(3, 9.5, 30.0, 10.0)

    assert order(worse, far, lowest, near) == [1, 0, 2, 3]


def test_the_score_decides_among_those_that_the_layer_cannot_tell_apart_either():
    """40 are two deviations, 39 are not."""
    near = row(1, 4.0, 13.0, 700.0)
    assert order(row(0, 2.0, 9.0, 739.0), near) == [0, 1]
    assert order(row(0, 2.0, 9.0, 740.0), near) == [1, 0]
    few = [replace(one, second_left_out=None) for one in (row(0, 2.0, 9.0, 999.0), near)]
    assert order(*few) == [0, 1]


def test_the_score_decides_where_it_can():
    assert order(row(0, 30.0, 40.0, 1.0), row(1, 2.0, 9.0, 800.0), row(2, 20.0, 25.0, 2.0)) == [
        1,
        2,
        0,
    ]


def test_settings_whose_fresh_examples_collapse_come_last():
    rows = row(0, 1.0, missing=0.3), row(1, 2.0, missing=0.1), row(2, 9.0)
    assert order(*rows) == [2, 1, 0]
    assert order(*rows[:2]) == [1, 0]


def test_a_setting_that_diverges_on_the_fresh_starts_has_no_score(tiny_task):
    pack, plan = pack_and_plan(tiny_task)
    wild, tame = (Candidate(0, Settings(lr=lr), 2, {"activation_fid": 1.0}) for lr in (1e30, 0.1))
    row = joined(wild, [ascend(tiny_task, wild, plan)], pack, plan)
    assert row.score == row.ci95[0] == row.ci95[1] == DIVERGED_PENALTY
    assert len(row.activations) == len(row.latents) == 0

    row = joined(tame, [ascend(tiny_task, tame, plan)], pack, plan)
    assert row.score < DIVERGED_PENALTY
    assert len(row.activations) == plan.starts
