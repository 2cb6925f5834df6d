"""Measures of a detector against values worked out by hand."""

import pytest
import torch

from tune_am.vocal.evaluation import area_by_song, best_threshold, measure, smoothed


def test_measures():
    values = torch.tensor([-2.0, -1.0, 0.5, 1.0, -0.5, 2.0])
    labels = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])

    score = measure(values, labels)

    assert score.auc == pytest.approx(8 / 9)  # one of nine pairs is in the wrong order
    assert score.error == pytest.approx(2 / 6)
    assert score.false_positives == pytest.approx(1 / 3)
    assert score.false_negatives == pytest.approx(1 / 3)
    assert measure(values, labels, best_threshold(values, labels)).error == pytest.approx(1 / 6)


def test_area_by_song_minds_no_song_s_level_nor_songs_without_singing() -> None:
    labels = torch.tensor([0.0, 0, 1, 1])
    half, whole = torch.tensor([0.0, 3, 2, 4]), torch.tensor([0.0, 1, 2, 3])
    instrumental = torch.full((9,), 5.0), torch.zeros(9)
    songs = [(half, labels), (whole + 100, labels), instrumental]
    assert area_by_song(songs) == pytest.approx((3 / 4 + 1) / 2)
    assert measure(*map(torch.cat, zip(*songs, strict=True))).auc < 0.9
    apart = [(whole[2:], labels[2:]), (whole[:2], labels[:2])]
    assert area_by_song(apart) == 1


def test_median_removes_a_lone_spike_and_keeps_an_edge():
    values = torch.tensor([0.0] * 10 + [9.0] + [0.0] * 10 + [5.0] * 10)
    expected = torch.tensor([0.0] * 21 + [5.0] * 10)
    assert torch.equal(smoothed(values), expected)
    assert torch.equal(smoothed(torch.tensor([1.0, 3.0, 2.0])), torch.full((3,), 2.0))
