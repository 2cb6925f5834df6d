"""The main command over several neurons, as a user runs it."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import ray
from mlflow import MlflowClient

import tune_am
from tests.test_search import SPACE, Session, ended
from tune_am.packs.pack import Pack
from tune_am.report.finished import FinishedRun
from tune_am.search import main
from tune_am.tuning.label import file_name

NEURONS = ["fc8:0", "fc8:1", "vocal"]
TRIALS = 9


@pytest.mark.usefixtures("own_ray")
def test_a_campaign_killed_and_resumed(tiny_pack, tmp_path, mlflow_tables):
    """One job, one result; each neuron as if it had been searched on alone. The killed command is a
    driver of somebody's cluster, which outlives it and serves the one that goes on."""
    (tmp_path / "mine.py").write_text(SPACE)
    run = tmp_path / "runs" / "many"
    run.parent.mkdir()
    shutil.copy(mlflow_tables, run.parent)
    asked = f"--neuron fc8:0-1,vocal --pack {tiny_pack} --space mine.py --out runs/many"
    sizes = "--trials 3 --starts 4 --max-steps 12 --workers 2"

    cluster = ray.get_runtime_context().gcs_address
    killed = Session(*f"{asked} {sizes} --ray-address {cluster}".split(), cwd=tmp_path)
    killed.until_ended(4)
    killed.kill()
    known = [
        (neuron, trial)
        for neuron in NEURONS
        for trial in ended(
            run / "units" / file_name(neuron), f"tiny/{neuron}/mine.py/max", tmp_path
        )
    ]
    assert not (run / "result.json").exists()

    events = list(killed.events)

    def note(name: str, facts: dict[str, Any]) -> None:
        events.append({"event": name, **facts})

    whole = tune_am.search(resume=run, on_event=note)
    assert not any(event["event"] == "trouble" for event in events)
    told = [(e["neuron"], e["trial"]) for e in events if e["event"] == "trial_ended"]
    assert len(told) == len(set(told))
    # The last trials before the kill may have ended without a word.
    untold = [one for one in known if one not in told]
    told += untold
    assert len(told) == TRIALS
    first = [event for event in events if event["event"] == "trial_started"][:3]
    assert [event["neuron"] for event in first] == NEURONS

    result = json.loads((run / "result.json").read_text())
    check_result(result, told)
    starts = result["starts"]
    for unit in result["units"]:  # what is read against each other is of equally many
        assert unit["best"]["starts"] == starts
        for control in ("never_optimised", "real_vs_real"):
            assert unit["controls"][control]["n"] == starts
    check_units(result, run)
    check_mlflow(result)
    page = (run / "report" / "report.html").read_text()
    assert all(neuron in page for neuron in NEURONS)
    assert page.count('<img src="data:image/png') >= len(NEURONS)

    # Nothing is left to do: asked again in a script, it says what came of it.
    again = tune_am.search(resume=run)
    assert isinstance(again, tune_am.CampaignResult)
    assert again.content == result == tune_am.load_result(run).content == whole.content
    assert list(again) == NEURONS
    assert again["fc8:1"].best.activation_fid == result["units"][1]["best"]["activation_fid"]
    assert list(again.to_frame().index) == NEURONS
    assert again.distances["vocal"] > 0


def check_result(result: dict[str, Any], told: list[tuple[str, int]]) -> None:
    assert result["complete"] is True
    assert (result["neuron"], result["trials_total"]) == ("fc8:0-1,vocal", TRIALS)
    assert 0 < result["ascent_share"] < 1
    counts = Counter(neuron for neuron, _ in told)
    for unit in result["units"]:
        assert unit["trials_total"] == counts[unit["neuron"]] >= 2
        assert unit["best"]["ci95"] is not None
        assert unit["best"]["starts"] == 4
        assert set(unit["controls"]) == {"never_optimised", "random_classifier", "real_vs_real"}
    assert sum(unit["sample_steps"] for unit in result["units"]) == result["sample_steps"]


def check_units(result: dict[str, Any], run: Path) -> None:
    """A unit's folder is that of a search, to look at but not to go on with."""
    assert [unit["neuron"] for unit in result["units"]] == NEURONS
    folder = run / result["units"][0]["folder"]
    alone = json.loads((folder / "result.json").read_text())
    assert alone["best"] == result["units"][0]["best"]
    finished = FinishedRun.read(folder)  # what `tune_am.explain` reads
    assert finished.asked["campaign"] == "fc8:0"
    assert finished.best() is not None
    assert finished.kept(alone["best"]["trial"]) is not None
    assert main(["--resume", str(folder)]) == 2


def check_mlflow(result: dict[str, Any]) -> None:
    """One parent, a child for each trial that says of which neuron it is."""
    client = MlflowClient(result["mlflow"]["tracking_uri"])
    parent = client.get_run(result["mlflow"]["run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.params["neurons"] == "3"
    assert parent.data.metrics["neurons_scored"] == 3
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert names == {"result.json", "report", "trials.json"}
    experiment = client.get_experiment_by_name(result["mlflow"]["experiment"])
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    children = [run for run in runs if run.data.tags.get("tune_am.trial")]
    assert len(children) == TRIALS == len(runs) - 1
    assert {run.data.tags["neuron"] for run in children} == set(NEURONS)
    for run in children:
        assert run.info.status == "FINISHED"
        assert run.info.run_name.startswith(f"{run.data.tags['neuron']}-max lr=")
        assert "outcome" in run.data.tags


@pytest.mark.usefixtures("own_ray")
def test_a_campaign_stopped_at_once_says_how_to_go_on(
    tiny_pack, tmp_path, mlflow_tables, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(mlflow_tables, tmp_path)
    cancel = threading.Event()
    cancel.set()
    pack = Pack.load(tiny_pack)
    pack.reference.activations["fc8"][:, 2] = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(Pack, "load", lambda *_: pack)
        result = tune_am.search(
            ["fc8:0", "fc8:1", "fc8:2"],
            pack=pack,
            out="run",
            starts=2,
            cancel=cancel,
            progress=True,
        )
    shown = capsys.readouterr().out
    assert "fc8:0,fc8:1,fc8:2 (2 neurons), maximised" in shown
    assert "Left out, as the same for every real excerpt: fc8:2; there is nothing to" in shown
    assert "No trial got as far as a score." in shown
    assert f"To go on: python -m tune_am.search --resume {tmp_path / 'run'}" in shown
    assert not result.complete
    assert result.distances == {"fc8:0": None, "fc8:1": None}
    with pytest.raises(tune_am.UserError, match="no trial got as far"):
        _ = result["fc8:0"].best
    # A list is a campaign, even of one.
    one = tune_am.search(["vocal"], pack=tiny_pack, out="one", starts=2, cancel=cancel)
    assert isinstance(one, tune_am.CampaignResult)
    assert (list(one), one.content["neuron"]) == (["vocal"], "vocal")


@pytest.mark.parametrize(
    ("neurons", "said"),
    [
        ("fc8:0,fc8:9", "no neurons fc8:9: fc8 has the units 0-7"),
        ("fc8:0,fc77:1", "no neuron 'fc77:1'"),
        ("fc8:*,fc8:3", "fc8:3 is asked for twice"),
        ("vocal,fc9:0", "vocal and fc9:0 are the same"),
        ("fc8:1,,vocal", "nothing between two of its commas"),
        ("fc8:5-2", "no neurons fc8:5-2"),
    ],
)
def test_bad_neurons_get_one_line(neurons, said, tiny_pack, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--neuron", neurons, "--pack", str(tiny_pack)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_neurons_is_checked():
    for neurons in ([], [3]):
        with pytest.raises(tune_am.UserError, match="must be a text, or a list of texts"):
            tune_am.search(neurons)
