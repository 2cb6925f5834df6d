"""What a search's last screen says."""

from __future__ import annotations

from typing import Any

import pytest

from tune_am.am.settings import Settings
from tune_am.tuning.watching.summary import summary

BEST = {"activation_fid": 1.0, "ci95": [0.0, 2.0], "settings": {}}


def said_of(best: dict[str, Any], **more: Any) -> str:
    """The summary of a search that found `best`."""
    names = [f"trials_{name}" for name in ("total", "stopped_early", "diverged")]
    content = dict.fromkeys((*names, "sample_steps", "seconds"), 0)
    content |= {"best": best, "runners_up": [], "controls": {}, "importances": {}}
    return summary({**content, "objective": "activation_fid", **more})


@pytest.mark.parametrize(("missing", "said"), [(0.25, True), (0.0, False)])
def test_it_says_so_where_no_setting_keeps_the_constraint(missing, said):
    text = said_of({**BEST, "collapse": missing})
    assert ("examples are 75% as far apart as the diversity asked for" in text) is said


def test_a_control_without_examples_is_no_measured_zero():
    none = {"coverage": 0.0, "ci95": [0.0, 0.0], "n": 0}
    best = {"coverage": 0.5, "ci95": [0.3, 0.7], "settings": {}}
    text = said_of(best, controls={"random_classifier": none}, objective="coverage")
    (line,) = (x for x in text.splitlines() if "random classifier" in x)
    assert line.split()[-3:] == ["too", "few", "examples"]


@pytest.mark.parametrize(("score", "said"), [(0.9, True), (1.1, False)])
def test_it_says_so_where_the_layer_before_decided(score, said):
    best = {**BEST, "layer_fid": 5.0}
    text = said_of(best, runners_up=[{**best, "activation_fid": score, "layer_fid": 6.0}])
    assert ("apart, the best is the one with surely the lowest layer-FID" in text) is said


def test_of_several_objectives_it_tells_the_front():
    best = {**BEST, "layer_fid": 5.0, "coverage": 0.5, "on_front": True}
    rows = [{**best, "coverage": 0.4, "on_front": False}, {**best, "activation_fid": 0.5}]
    text = said_of(best, runners_up=rows, objective="activation_fid,coverage")
    assert "activation-FID   95 % interval       coverage  step" in text
    assert "apart, the best is the one with surely the highest coverage" in text
    assert "no other being better by every objective: best, 3." in " ".join(text.split())
    assert "layer-FID" not in text


def test_it_says_so_where_there_is_no_score_to_show():
    beyond = {**BEST, "activation_fid": 1e30, "ci95": [1e30, 1e30]}
    assert "No setting could be scored" in said_of(beyond)
    assert "No setting could be scored" not in said_of(BEST)


def test_the_best_setting_is_told_in_lines_that_fit():
    settings = Settings(lr=0.0123456, optimizer="adam", schedule="inverse_sqrt").to_dict()
    text = said_of({**BEST, "settings": settings})
    assert max(map(len, text.splitlines())) <= 80
    assert "momentum" not in text  # adam does not read it
    told = " ".join(text.split()).partition("Best setting: ")[2]
    assert told.startswith("lr 0.01235, l2 0.1, optimizer adam, schedule inverse_sqrt, init_scale")
