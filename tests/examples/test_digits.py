"""The digits go from nothing to a report; here with far too little training."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch

from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.explain import main as explain
from tune_am.packs.pack import Pack

TRAIN = Path(__file__).parents[2] / "examples" / "digits" / "train.py"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("digits") / "pack"
    argv = [str(TRAIN), "--out", str(out), "--epochs", "2", "--gan-steps", "30"]
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(sys, "path", list(sys.path)),
        mock.patch.dict(sys.modules),
    ):
        runpy.run_path(str(TRAIN), run_name="__main__")
    # Its networks are gone, as for whoever gets the pack.
    assert "nets" not in sys.modules
    return out


def test_the_script_makes_a_pack_that_needs_no_code(digits: Path) -> None:
    pack = Pack.load(digits)
    assert (pack.name, pack.input_shape, len(pack.neurons)) == ("digits", (1, 8, 8), 10)
    assert pack.layers == {"conv1": 16, "conv2": 32, "hidden": 64, "digit": 10}
    assert len(pack.reference) == 719
    assert pack.excerpts is not None
    z = pack.prior.sample(20, torch.Generator().manual_seed(0))
    assert 0 <= pack.prior(z).min() < pack.prior(z).max() <= 1
    run = TrialRun(pack, Plan("seven", starts=4, report_points=(5,)), Settings(lr=0.1, l2=0.0))
    assert run.advance_to(5)["improved_share"] == 1


def test_its_report_shows_pictures_and_no_sounds(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    asked = ["--neuron", "seven", "--pack", str(digits), "--steps", "5", "--out", str(out)]
    assert explain([*asked, "--examples", "3"]) == 0
    page = (out / "report.html").read_text()
    assert page.count('<img src="data:image/png') > 10
    assert "<audio" not in page
    assert "ink, 0 to 1" in page
    assert "CC BY 4.0" in page
    assert not (out / "sounds").exists()
