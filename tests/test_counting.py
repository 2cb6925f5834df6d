"""One trial is no "1 trials", wherever a user reads of it."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from tests.commands import command
from tune_am import load_result
from tune_am.counting import counted, plural
from tune_am.packs.pack import Pack
from tune_am.report import page, words
from tune_am.report.finished import FinishedRun
from tune_am.report.write import write_campaign
from tune_am.tuning import account
from tune_am.tuning.campaign import result as of_campaign
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.job import prepare
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.watching import summary as of_search
from tune_am.tuning.watching.progress import Screen

THINGS = "trial|start|step|setting|neuron|unit|sample-step|excerpt|example"
WRONG = re.compile(rf"(?<![\d.,])1 (real )?({THINGS})s\b|1 of 1 neuron have|steps 2\b|1 .* were")


def test_numbers_of_things() -> None:
    assert [counted(n, "trial") for n in range(3)] == ["0 trials", "1 trial", "2 trials"]
    assert counted(1200, "sample-step", form=",") == "1,200 sample-steps"
    assert counted(2, "runner-up", "runners-up") == "2 runners-up"
    assert plural(1, "has", "have") == "has"


@pytest.fixture
def one(runs: Path, tmp_path: Path) -> Path:
    """The run folder of a search that tried one setting for one step."""
    run = shutil.copytree(runs / "most", tmp_path / "one")
    result = json.loads((run / "result.json").read_text())
    result |= {"trials_total": 1, "sample_steps": 1, "starts": 1, "report_points": [2]}
    result["best"]["step"], result["trials"] = 1, result["trials"][:1]
    (run / "result.json").write_text(json.dumps(result))
    return run


@pytest.fixture
def campaign_of_one(campaign: Path, tmp_path: Path) -> Path:
    run = shutil.copytree(campaign, tmp_path / "many")
    result = json.loads((run / "result.json").read_text())
    result |= {"trials_total": 1, "sample_steps": 1, "units": result["units"][:1]}
    result["ascent_share"] = 0.5
    (run / "result.json").write_text(json.dumps(result))
    return run


def test_a_search_of_one_trial(one: Path) -> None:
    run, result = FinishedRun.read(one), load_result(one)
    for text, said in (
        (of_search.summary(run.result), "1 trial, 3 stopped early"),
        (page._account(run), "1 setting of the space mine was tried"),
        (words.answer(run.result["best"], {}, "max")[0], "at 1 step, the"),
        (repr(result), ", 1 trial, "),
    ):
        assert said in text
        assert not WRONG.search(text)


def test_a_campaign_over_one_neuron(campaign_of_one: Path, shown_pack: Path) -> None:
    run = FinishedRun.read(campaign_of_one, campaign=True)
    written = write_campaign(run, Pack.load(shown_pack), campaign_of_one / "page")
    for text, said in (
        (of_campaign.summary(run.result), "1 of 1 neuron has a result; 1 trial, "),
        (written.read_text(encoding="utf-8"), "a campaign over 1 neuron ·"),
        (repr(load_result(campaign_of_one)), "1 of 1 neuron, 1 trial, "),
    ):
        assert said in text
        assert not WRONG.search(text)


def test_a_search_for_one_trial(tiny_pack: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    asked = SearchConfig("fc8:1-1", str(tiny_pack), trials=1, max_steps=1, out=out)
    log = SimpleNamespace(uri="sqlite://")
    text = account.opening(prepare(asked, frozenset(), ""), log, None)  # type: ignore[arg-type]
    assert "(1 neuron)" in text
    assert re.search(r"budget +1 trial of \d+ starts, scored at step 1\n", text)
    ledger = Ledger(tmp_path / "study.journal", "tiny", 0)
    screen = Screen(ledger, 1, Console(file=io.StringIO()))
    assert screen._summary()[0] == "0 of 1 trial · 0 running"


def test_a_layer_of_one_unit(tiny_pack: Path) -> None:
    shown = command("tune_am.neurons", "--pack", tiny_pack, "fc9").stdout
    assert shown.startswith("tiny, fc9: 1 unit, the most selective first")
