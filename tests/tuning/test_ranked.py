"""Which of the re-scored settings is called best."""

import torch

from tune_am.am.settings import Settings
from tune_am.tuning.rescore import Candidate, Rescored, ranked


def row(number: int, fid: float, high: float, layer: float) -> Rescored:
    candidate = Candidate(number, Settings(), 10, fid)
    scores = {"activation_fid": fid, "layer_fid": layer}
    return Rescored(candidate, scores, (0.0, high), torch.zeros(2, 3), torch.zeros(2))


def order(*rows: Rescored) -> list[int]:
    return [one.candidate.number for one in ranked(rows)]


def test_the_layer_before_decides_among_those_that_the_score_cannot_tell_apart():
    lowest, near, far = row(0, 2.0, 9.0, 800.0), row(1, 4.0, 13.0, 700.0), row(2, 8.0, 20.0, 900.0)
    worse = row(3, 9.5, 30.0, 10.0)

    assert order(worse, far, lowest, near) == [1, 0, 2, 3]


def test_the_score_decides_where_it_can():
    assert order(row(0, 30.0, 40.0, 1.0), row(1, 2.0, 9.0, 800.0), row(2, 20.0, 25.0, 2.0)) == [
        1,
        2,
        0,
    ]
