"""The best setting, loaded from MLflow where there is neither run folder nor pack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient, pyfunc
from mlflow.exceptions import MlflowException

from tune_am.am.ascent import Ascent
from tune_am.am.plan import fresh_seed
from tune_am.am.score import inputs_of
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.report.finished import FinishedRun
from tune_am.tuning import explanation_model as model
from tune_am.tuning.tracking import artifacts

STARTS, SEED = 10, 1

ELSEWHERE = """
import sys
import mlflow, numpy
source, number, seed, out = sys.argv[1:]
made = mlflow.pyfunc.load_model(source).predict({"number": int(number), "seed": int(seed)})
numpy.savez(out, **made)
"""


@pytest.fixture(scope="module")
def saved(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of the finished search ``most``."""
    run, out = FinishedRun.read(runs / "most"), tmp_path_factory.mktemp("models") / model.NAME
    model.save(out, run.load_pack(), run.result["neuron"], run.direction, run.result["best"])
    return out


def ascended(run: FinishedRun, seed: int, starts: int) -> Ascent:
    """The best setting of `run`, on other starts."""
    best, pack = run.result["best"], run.load_pack()
    plan = replace(run.plan(), seed=seed, starts=starts)
    ascent = TrialRun(pack, plan, Settings.from_dict(best["settings"])).ascent
    ascent.advance(best["step"])
    return ascent


def test_a_run_s_model_gives_examples_of_its_setting_in_another_process(saved, runs, uri, tmp_path):
    """The artifacts alone: the folder that the model was saved to is gone by then."""
    client = MlflowClient(uri)
    experiment = client.create_experiment("models", (tmp_path / "store").as_uri())
    run_id = client.create_run(experiment).info.run_id
    client.log_artifacts(run_id, str(saved), model.NAME)
    setting = next((tmp_path / "store").rglob("setting.json"))
    content = json.loads(setting.read_text())
    content["pack"]["path"] = "/nowhere"
    setting.write_text(json.dumps(content))

    source, out = f"runs:/{run_id}/{model.NAME}", tmp_path / "made.npz"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", ELSEWHERE, source, str(STARTS), str(SEED), str(out)]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    made, run = np.load(out), FinishedRun.read(runs / "most")
    ascent = ascended(run, fresh_seed(SEED, model.NAME), STARTS)
    inputs = inputs_of(run.load_pack(), ascent.kept_latents)
    assert inputs.shape == made["inputs"].shape == (STARTS, 80, 115)
    np.testing.assert_allclose(made["activations"], ascent.kept_activations, rtol=1e-4)
    np.testing.assert_allclose(made["inputs"], inputs, rtol=1e-3, atol=1e-3)


def test_the_search_s_own_seed_does_not_give_its_starts(saved, runs):
    run = FinishedRun.read(runs / "most")
    searched = run.kept(run.result["best"]["trial"]).activations
    asked = {"number": len(searched), "seed": run.plan().seed}
    made = pyfunc.load_model(str(saved)).predict(asked)
    assert not np.allclose(made["activations"], searched, rtol=1e-2)


def test_rows_follow_each_other_and_seeds_differ(saved):
    from pandas import DataFrame

    loaded = pyfunc.load_model(str(saved))
    made = loaded.predict(DataFrame({"number": [3, 2], "seed": [1, 2]}))
    assert made["inputs"].shape == (5, 80, 115)
    again = loaded.predict({"number": 2, "seed": 2})
    np.testing.assert_allclose(again["activations"], made["activations"][3:], rtol=1e-4)
    assert not np.allclose(made["activations"][:2], again["activations"], rtol=1e-2)


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        ({"number": 0, "seed": 1}, UserError, "number 0: must be at least 1"),
        ({"number": 1, "seed": -1}, UserError, "seed -1: must be 0 or more"),
        ({"number": 1}, MlflowException, "seed"),
    ],
)
def test_what_cannot_be_asked_is_named(saved, asked, kind, said):
    with pytest.raises(kind, match=said):
        pyfunc.load_model(str(saved)).predict(asked)


def test_a_large_pack_stays_where_it_is(runs, shown_pack, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "MOST_COPIED_BYTES", 1000)
    best = FinishedRun.read(runs / "most").result["best"]
    model.save(tmp_path / "one", Pack.load(shown_pack), "vocal", "max", best)
    assert not (tmp_path / "one" / "data" / "pack").exists()
    assert len(pyfunc.load_model(str(tmp_path / "one")).predict({"number": 2, "seed": 0})) == 2


def test_what_a_pack_s_folder_links_to_stays_there(runs, shown_pack, tmp_path):
    """A link into somebody's home or data is not the pack's, and not for a shared MLflow."""
    pack, run = tmp_path / "pack", FinishedRun.read(runs / "most")
    shutil.copytree(shown_pack, pack)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_text("secret")
    (pack / "data").symlink_to(tmp_path / "private")
    (pack / "README.md").symlink_to(tmp_path / "private" / "key")
    loaded = Pack.load(pack)
    model.save(tmp_path / "model", loaded, "vocal", "max", run.result["best"])
    copied = {file.name for file in (tmp_path / "model" / "data" / "pack").iterdir()}
    assert copied == {"pack.json", *loaded.described.sha256}
    assert artifacts.card(loaded) == []
    assert artifacts.card(Pack.load("vocal"))[0][0].name == "README.md"


def test_a_pack_that_changed_is_refused(runs, shown_pack, tiny_pack, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "MOST_COPIED_BYTES", 1000)
    best = FinishedRun.read(runs / "most").result["best"]
    model.save(tmp_path / "one", Pack.load(shown_pack), "vocal", "max", best)
    setting = tmp_path / "one" / "data" / "setting.json"
    setting.write_text(setting.read_text().replace(str(shown_pack), str(tiny_pack)))
    with pytest.raises(UserError, match="is not the one of this model"):
        pyfunc.load_model(str(tmp_path / "one"))


def test_consent_is_asked_for_as_load_model_takes_it(tiny_pack, tmp_path):
    shutil.copytree(tiny_pack, tmp_path / "pack")
    manifest = (tmp_path / "pack" / "pack.json").read_text()
    foreign = manifest.replace("tune_am.vocal.nets:Detector", "nets_of_mine:Detector")
    (tmp_path / "pack" / "pack.json").write_text(foreign)
    (tmp_path / "setting.json").write_text('{"prior": "gan"}')
    with pytest.raises(UserError, match=r'code; add model_config=\{"trust_code": True\} only if'):
        model._load_pyfunc(str(tmp_path))


def test_a_direction_s_vector_travels_along(runs, shown_pack, tmp_path):
    vector = tmp_path / "mine.npy"
    np.save(vector, np.arange(1.0, 9.0))
    best = FinishedRun.read(runs / "most").result["best"]
    model.save(tmp_path / "one", Pack.load(shown_pack), f"fc8:@{vector}", "max", best)
    vector.unlink()
    made = pyfunc.load_model(str(tmp_path / "one")).predict({"number": 2, "seed": 0})
    assert np.isfinite(made["activations"]).all()
