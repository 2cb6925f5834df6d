"""The best of a campaign's neuron, scored again."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.tuning.budget import Budget
from tune_am.tuning.campaign import rescoring
from tune_am.tuning.finalists import Candidate


def test_what_a_killed_session_kept_is_not_ascended_for_again(
    tiny_task: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = Candidate(3, Settings(lr=0.1), 4, {"activation_fid": 1.0})
    path = tmp_path / "best.safetensors"
    first, seconds = rescoring.score_again(tiny_task, best, path)
    assert seconds > 0
    ascended = []

    def ascend(*asked: Any) -> Any:
        ascended.append(asked[1])
        return ascend_anew(*asked)

    ascend_anew = rescoring.ascend
    monkeypatch.setattr(rescoring, "ascend", ascend)
    again, _ = rescoring.score_again(tiny_task, best, path)
    assert not ascended
    assert (again.scores, again.ci95) == (first.scores, first.ci95)
    # Another best, as after more trials, or a file that a crash left half-written.
    later = replace(best, step=8)
    assert rescoring.score_again(tiny_task, later, path)[0].scores != first.scores
    path.write_bytes(path.read_bytes()[:1000])
    assert rescoring.score_again(tiny_task, best, path)[0].scores == first.scores
    assert ascended == [later, best]


def test_nor_is_a_random_classifier_ascended_on_again(
    tiny_task: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = Candidate(3, Settings(lr=0.1), 4, {"activation_fid": 1.0})
    path = tmp_path / rescoring.RANDOM_CLASSIFIER_FILE
    plans = [Plan(**tiny_task["plan"])]
    first, _ = rescoring._random_classifier(tiny_task, plans, best, path)
    ascended: list[int] = []
    ascend = rescoring.ascended_latents

    def counted(*asked: Any) -> Any:
        ascended.append(asked[-1])
        return ascend(*asked)

    monkeypatch.setattr(rescoring, "ascended_latents", counted)
    assert rescoring._random_classifier(tiny_task, plans, best, path)[0] == first
    assert ascended == []
    rescoring._random_classifier(tiny_task, plans, replace(best, step=8), path)
    assert ascended == [8]


def test_noise_floors_are_given_up_when_halted(
    tiny_task: dict[str, Any], make_budget: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget: Budget = make_budget(4, 2)
    unit: Any = SimpleNamespace(name="fc8:0", task=tiny_task, plan=budget.plan)
    cancelled: list[Any] = []
    task = SimpleNamespace(remote=lambda *asked: asked)
    monkeypatch.setattr(rescoring, "remote", lambda *asked: task)
    monkeypatch.setattr(ray, "cancel", lambda future, force: cancelled.append(future))
    halt = threading.Event()
    halt.set()
    assert rescoring.floors([unit], budget, halt) is None
    assert len(cancelled) == 1
