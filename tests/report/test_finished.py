"""A run folder is read as the search left it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.finished_searches import POINTS, search
from tune_am.am.plan import Plan
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.report.finished import FinishedRun, opposite, worst_trial


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs / "most", tmp_path / "run"))


def edit(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    result = json.loads((run / "result.json").read_text())
    change(result)
    (run / "result.json").write_text(json.dumps(result))


def test_examples_and_courses_are_those_of_the_search(runs: Path) -> None:
    run = FinishedRun.read(runs / "most")
    best = run.best()
    assert best is not None
    stored = load_file(run.path / "best.safetensors")
    assert torch.equal(best.latents, stored["latents"])
    assert len(best.activations) == run.result["best"]["starts"] == 10

    pack = run.load_pack()
    for row in run.result["trials"]:
        course = run.course(row["trial"])
        assert [report["step"] for report in course] == [p for p in POINTS if p <= row["step"]]
        assert course[-1]["activation_fid"] == row["activation_fid"]
        kept = run.kept(row["trial"])
        assert kept is not None
        # What was kept is what the classifier says of it.
        with torch.no_grad():
            heard = pack.classifier(pack.prior(kept.latents))
        torch.testing.assert_close(heard, kept.activations, rtol=1e-3, atol=1e-3)


def test_the_worst_is_none_that_is_shown_already(copy: Path) -> None:
    run = FinishedRun.read(copy)
    worst = worst_trial(run)
    assert worst is not None
    assert worst["activation_fid"] == max(row["activation_fid"] for row in run.result["trials"])
    edit(copy, lambda result: result["trials"][worst["trial"]].update(outcome="diverged"))
    second = worst_trial(FinishedRun.read(copy))
    assert second is not None
    assert second["trial"] != worst["trial"]
    known = run.result["runners_up"][0]["settings"]  # of a trial that was not the best of its kind
    edit(copy, lambda result: result["trials"][second["trial"]].update(settings=known))
    third = worst_trial(FinishedRun.read(copy))
    assert third is not None
    assert third["trial"] not in (worst["trial"], second["trial"])
    ranked = [row["trial"] for row in (run.result["best"], *run.result["runners_up"])]
    edit(copy, lambda result: result.update(trials=[result["trials"][i] for i in ranked]))
    assert worst_trial(FinishedRun.read(copy)) is None


def test_the_worst_is_told_at_the_step_of_its_score(copy: Path) -> None:
    before = worst_trial(FinishedRun.read(copy))
    assert before is not None
    state = torch.load(copy / "trials" / f"{before['trial']:04d}.pt", weights_only=True)
    last = next(r for r in state["reports"] if r["step"] == before["reached"])
    last["best_step"] = 1
    state["reports"].append({**last, "step": 99, "best_step": 99})  # of which no ledger knows
    torch.save(state, copy / "trials" / f"{before['trial']:04d}.pt")
    worst = worst_trial(FinishedRun.read(copy))
    assert worst == {**before, "step": 1}
    shutil.rmtree(copy / "trials")
    worst = worst_trial(FinishedRun.read(copy))
    assert worst == {**before, "step": before["reached"]}


def test_what_the_run_did_not_keep_is_not_there(copy: Path) -> None:
    shutil.rmtree(copy / "trials")
    run = FinishedRun.read(copy)
    assert run.best() is not None
    assert (run.kept(0), run.course(0)) == (None, [])
    (copy / "best.safetensors").write_bytes(b"torn")
    assert run.best() is None


def test_without_a_rescored_best_the_search_s_own_stands_in(copy: Path) -> None:
    (copy / "best.safetensors").unlink()
    run = FinishedRun.read(copy)
    best, kept = run.best(), run.kept(run.result["best"]["trial"])
    assert best is not None
    assert kept is not None
    assert torch.equal(best.latents, kept.latents)


def test_examples_of_another_best_are_not_taken_for_this_one_s(copy: Path) -> None:
    """A search that went on after its end, and was stopped with a new best."""
    other = FinishedRun.read(copy).result["runners_up"][0]
    edit(copy, lambda result: result["best"].update(trial=other["trial"], ci95=None))
    run = FinishedRun.read(copy)
    best, kept = run.best(), run.kept(other["trial"])
    assert best is not None
    assert kept is not None
    assert torch.equal(best.latents, kept.latents)


def test_a_search_the_other_way_round_is_found_beside(runs: Path, tmp_path: Path) -> None:
    most = FinishedRun.read(runs / "most")
    found = opposite(most)
    assert found is not None
    assert found.path == runs / "least"
    for name in ("most", "least", "least-2"):
        shutil.copytree(runs / name.removesuffix("-2"), tmp_path / name)
    os.utime(tmp_path / "least" / "result.json", (1, 1))
    newest = opposite(FinishedRun.read(tmp_path / "most"))
    assert newest is not None
    assert newest.path == tmp_path / "least-2"
    edit(tmp_path / "least", lambda result: result.update(neuron="fc8:1"))
    edit(tmp_path / "least-2", lambda result: result["pack"].update(hash="other"))
    assert opposite(FinishedRun.read(tmp_path / "most")) is None


def test_a_direction_is_the_same_by_its_vector_not_by_its_file_s_name(
    runs: Path, tmp_path: Path
) -> None:
    for name in ("most", "least"):
        shutil.copytree(runs / name, tmp_path / name)
        edit(tmp_path / name, lambda result: result.update(neuron="fc8:@d.npy"))
        np.save(tmp_path / name / "d.npy", np.ones(8))
    found = opposite(FinishedRun.read(tmp_path / "most"))
    assert found is not None
    assert found.path == tmp_path / "least"
    other = tmp_path / "least" / "d.npy"
    np.save(other, np.arange(8.0))
    assert opposite(FinishedRun.read(tmp_path / "most")) is None
    other.write_bytes(b"torn")
    assert opposite(FinishedRun.read(tmp_path / "most")) is None
    other.unlink()
    assert opposite(FinishedRun.read(tmp_path / "most")) is None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: shutil.rmtree(run), "no run folder"),
        (lambda run: (run / "search.json").unlink(), "it is no run folder"),
        (lambda run: (run / "result.json").unlink(), "its search has not ended"),
        (lambda run: (run / "result.json").write_text("{"), "is damaged"),
        (lambda run: (run / "result.json").write_text("[]"), "is damaged"),
        (lambda run: edit(run, lambda result: result.update(schema=9)), "schema 9 is unknown"),
        (lambda run: edit(run, lambda result: result.update(best=None)), "nothing to explain"),
    ],
)
def test_what_is_no_finished_run(copy: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(copy)
    with pytest.raises(UserError, match=said) as caught:
        FinishedRun.read(copy)
    assert "\n" not in str(caught.value)


def test_a_run_without_the_generator_is_explained_without_it(
    shown_pack: Path, runs: Path, tmp_path: Path
) -> None:
    pack = Pack.load(shown_pack, prior="fourier")
    plan = Plan("vocal", "max", starts=3, report_points=POINTS[:1])
    run = FinishedRun.read(search(pack, plan, tmp_path / "fourier", complete=False))
    again = run.load_pack()
    assert (run.result["prior"], run.prior, again.prior_kind) == ("fourier",) * 3
    kept = run.best()
    assert kept is not None
    assert kept.latents.shape[1:] == again.prior.latent_shape == (80, 58, 2)
    with torch.no_grad():
        heard = again.classifier(again.prior(kept.latents))
    torch.testing.assert_close(heard, kept.activations, atol=1e-3, rtol=1e-3)
    assert FinishedRun.read(runs / "most").prior == "gan"


def test_the_pack_must_be_the_one_searched_on(copy: Path, tiny_pack: Path, tmp_path: Path) -> None:
    run = FinishedRun.read(copy)
    with pytest.raises(UserError, match=r"is not the one that .* was searched on: put that"):
        run.load_pack(str(tiny_pack))
    moved = shutil.copytree(run.result["pack"]["path"], tmp_path / "moved")
    edit(copy, lambda result: result["pack"].update(path=str(tmp_path / "gone")))
    run = FinishedRun.read(copy)
    with pytest.raises(UserError, match=r"no pack in .*gone"):
        run.load_pack()
    assert isinstance(run.load_pack(str(moved)), Pack)
