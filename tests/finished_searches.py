"""Finished searches to report on: made by the search's own parts, without Ray around them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.packs.test_pack_writing import written
from tune_am.am import controls
from tune_am.am.measures import LeftOut
from tune_am.am.plan import Plan
from tune_am.am.score import before_of, inputs_of
from tune_am.am.trial_run import TrialRun
from tune_am.explain import main
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Target
from tune_am.report.finished import FinishedRun
from tune_am.report.write import write_campaign
from tune_am.tuning import result, space
from tune_am.tuning.budget import Budget
from tune_am.tuning.finalists import Candidate, Rescored, candidates, ranked
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import FINISHED, STOPPED_EARLY
from tune_am.tuning.task import task
from tune_am.tuning.trial import AscentTrial
from tune_am.tuning.trial_state import drop_ascent, state_file

POINTS = (2, 4, 8)
TRIALS = 9

SOURCE = """
POINTS = [{"lr": 0.3, "l2": 0.0, "optimizer": "adam"}]

def space(trial):
    return {
        "lr": trial.suggest_float("lr", 1e-3, 1.0, log=True),
        "l2": trial.suggest_categorical("l2", [0.0, 0.01, 0.1]),
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]),
    }
"""

CREDITS = tuple(f"Singer {i}, Song {i}, CC BY 4.0" for i in range(12))


@pytest.fixture(scope="session")
def shown_pack(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pack with real excerpts that may be shown, and names that try to break a page."""
    pack = Pack.load(tiny_pack)
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        excerpts = pack.prior(2 * torch.randn(len(CREDITS), 8, generator=draws))
    out = tmp_path_factory.mktemp("packs") / "shown"
    named = {"vocal": "fc9:0", "</script><img src=x onerror=alert(1)> $a_b$ & co": "fc8:1"}
    return written(pack, out, excerpts=excerpts, credits=CREDITS, neurons=named).path


@pytest.fixture(scope="session")
def runs(shown_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs, ``most`` and ``least``, for the same neuron."""
    folder = tmp_path_factory.mktemp("runs")
    search(Pack.load(shown_pack), Plan("vocal", "max", 6, POINTS, 3), folder / "most")
    search(Pack.load(shown_pack), Plan("vocal", "min", 6, POINTS, 3), folder / "least")
    return folder


@pytest.fixture(scope="session")
def explained(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report on ``most``, made by the command."""
    out = tmp_path_factory.mktemp("reports") / "most"
    assert main([str(runs / "most"), "--out", str(out), "--examples", "5"]) == 0
    return out


@pytest.fixture(scope="session")
def compared(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison of three runs, two of them alike."""
    out = tmp_path_factory.mktemp("reports") / "compared"
    again = shutil.copytree(runs / "most", out.with_name("again"))
    paths = [str(path) for path in (runs / "most", runs / "least", again)]
    assert main(["--compare", *paths, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def campaign(shown_pack: Path, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a campaign over three neurons: the last has no score, the second no page."""
    run = tmp_path_factory.mktemp("campaigns") / "many"
    found = json.loads((runs / "most" / "result.json").read_text())
    rows = []
    for name, distance in (("vocal", 3.0), ("fc8:1", 0.5), ("fc8:<b>", None)):
        folder = run / "units" / name.replace(":", "_")
        row = {"neuron": name, "folder": f"units/{folder.name}", "distance": distance}
        row |= {name: found[name] for name in ("trials_total", "sample_steps", "best", "controls")}
        if distance is None:
            row |= {"best": None, "controls": {}, "trials_total": 0}
        else:
            shutil.copytree(runs / "most", folder)
        rows.append(row)
    (run / "units" / "vocal" / "report").mkdir()
    (run / "units" / "vocal" / "report" / "report.html").touch()
    content = {**found, "neuron": "vocal,fc8:1,fc8:<b>", "units": rows}
    (run / "result.json").write_text(json.dumps(content))
    shutil.copy(runs / "most" / "search.json", run)
    write_campaign(FinishedRun.read(run, campaign=True), Pack.load(shown_pack), run / "report")
    return run


def search(pack: Pack, plan: Plan, path: Path, complete: bool = True) -> Path:
    """The run folder of a small search; every third trial is stopped at its first report."""
    folder, kind = RunFolder(path), space.from_source("mine", SOURCE)
    folder.create({"command": "python -m tune_am.search", "versions": {"ray": "1"}}, SOURCE)
    ledger = Ledger(folder.journal, "tiny", plan.seed, plan.scored_by)
    ledger.enqueue(kind.points)
    work = task(pack, plan, folder.trials)
    for _ in range(TRIALS):
        record = ledger.ask(kind)
        trial = AscentTrial.__new__(AscentTrial)  # Ray's constructor wants a cluster
        settings = record.settings.to_dict()
        trial.setup(
            {"task": work, "number": record.number, "reported_step": 0, "settings": settings}
        )
        for _ in POINTS:
            metrics = trial.step()
            stopped = record.number % 3 == 2
            over = STOPPED_EARLY if stopped else FINISHED if metrics.pop("done") else None
            ledger.write(record.number, metrics, over)
            if over:
                drop_ascent(state_file(folder.trials, record.number))
                break
    rows = checks = None
    if complete:
        fresh = replace(plan.fresh("rescore"), starts=10)
        rows = [_rescored(pack, fresh, candidate) for candidate in candidates(ledger.scored)]
        rows = ranked(rows)
        checks = _controls(pack, fresh, rows[0])
        result.save_best(folder.best, rows[0], pack)
    budget = Budget(TRIALS, 1, plan)
    content = result.build(ledger, budget, pack, "mine", 1.0, rows, checks, {"run_id": "none"})
    folder.write_result(content)
    return path


def _rescored(pack: Pack, plan: Plan, candidate: Candidate) -> Rescored:
    ascent = TrialRun(pack, plan, candidate.settings).ascent
    ascent.advance(candidate.step)
    kept = ascent.kept_activations
    neuron = pack.neuron(plan.neuron)
    target = pack.reference.target(neuron, plan.direction)
    inputs = inputs_of(pack, ascent.kept_latents)
    made, measure = Target(kept, before_of(pack, neuron, inputs)), plan.measure()
    return Rescored(
        candidate,
        measure.scores(made, target),
        measure.interval(made, target),
        ascent.kept_latents,
        kept,
        LeftOut.of(measure.second, made, target),
    )


def _controls(pack: Pack, plan: Plan, best: Rescored) -> dict[str, Any]:
    candidate = best.candidate
    return {
        "never_optimised": controls.never_optimised(pack, plan),
        "random_classifier": controls.random_classifier(
            pack, plan, candidate.settings, candidate.step
        ),
        "real_vs_real": controls.real_vs_real(pack, plan),
    }
