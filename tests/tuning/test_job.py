from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tune_am.tuning import account
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.job import prepare


def test_a_direction_is_copied_and_found_again_wherever_the_run_folder_goes(
    tiny_pack: Path, tmp_path: Path
) -> None:
    file = tmp_path / "both.npy"
    np.save(file, np.array([1.0] + [0.0] * 6 + [1.0]))
    neuron, out = f"fc8:@{file}", tmp_path / "run"
    asked = SearchConfig(neuron, str(tiny_pack), space="quick", out=str(out))
    job = prepare(asked, frozenset(), "python -m tune_am.search")
    begun = job.begin(account.asked(job))
    assert begun.title == job.title
    assert str(tmp_path) not in job.title
    file.unlink()
    out.rename(tmp_path / "moved")
    again = SearchConfig(None, resume=str(tmp_path / "moved"))
    resumed = prepare(again, frozenset({"resume"}), "python -m tune_am.search")
    assert resumed.title == job.title
    found = resumed.pack.neuron(resumed.budget.plan.neuron)
    assert found.name == "fc8:@both.npy"
    assert found.weights == pytest.approx((0.5**0.5, *[0.0] * 6, 0.5**0.5))


def test_how_to_go_on_names_what_is_asked_anew(tiny_pack: Path, tmp_path: Path) -> None:
    run = tmp_path / "my run"
    job = prepare(SearchConfig("vocal", str(tiny_pack), out=str(run)), frozenset(), "")
    assert job.resume_command == f"python -m tune_am.search --resume '{run}'"
    config = replace(job.config, trust_code=True, ray_address="head:6379")
    there = replace(job, config=config).resume_command
    assert there == f"{job.resume_command} --trust-code --ray-address head:6379"
