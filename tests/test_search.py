"""The main command, as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient, pyfunc
from safetensors.torch import load_file

import tune_am
from tune_am.search import main
from tune_am.tuning import cluster, folder
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.label import settings_title
from tune_am.tuning.ledger import Ledger

SPACE = """
POINTS = [{"lr": 0.05, "l2": 0.1}]

def space(trial):
    return {
        "lr": trial.suggest_float("lr", 1e-3, 1.0, log=True),
        "l2": trial.suggest_float("l2", 1e-3, 1.0, log=True),
    }
"""

TRIALS = 9  # the last is proposed by CMA-ES

# The package under test, installed or not.
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(tune_am.__file__).parents[1]),
    "OMP_NUM_THREADS": "1",
}


class Session:
    """One run of the command with --json, whose events are read as they come."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        command = [sys.executable, "-m", "tune_am.search", *arguments, "--json"]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - unlike a pipe, never full
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.events: list[dict[str, Any]] = []

    def follow(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):  # a kill may cut the last
                self.events.append(json.loads(line))
                yield self.events[-1]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for _ in self.follow():  # what it had said and nobody read yet
            pass

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def until_ended(self, trials: int) -> None:
        """Wait until so many trials of this session have ended."""
        for _ in self.follow():
            if len(self.trials("trial_ended")) >= trials:
                return
        raise AssertionError(self.errors())

    def until(self, kind: str) -> None:
        """Wait for an event of this kind."""
        assert any(event["event"] == kind for event in self.follow()), self.errors()

    def trials(self, kind: str) -> list[int]:
        return [event["trial"] for event in self.events if event["event"] == kind]


@pytest.mark.usefixtures("no_ray")
def test_a_search_killed_twice_and_resumed(tiny_pack, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(SPACE)
    run = tmp_path / "runs" / "one"
    asked = f"--neuron vocal --pack {tiny_pack} --space mine.py --out runs/one --seed 5 --workers 2"
    sizes = f"--trials {TRIALS} --starts 4 --max-steps 12 --sampler cmaes --scheduler median"

    killed = Session(*asked.split(), *sizes.split(), cwd=tmp_path)
    killed.until_ended(2)
    killed.kill()
    untold = ended(run, "tiny/vocal/mine.py/max", tmp_path) - set(killed.trials("trial_ended"))
    assert not (run / "result.json").exists()
    (tmp_path / "mine.py").unlink()  # the run folder has its own copy

    second = Session("--resume", str(run), "--workers", "1", cwd=tmp_path)
    second.until("result")
    second.kill()  # all is found, but there is no report yet
    found = json.loads((run / "result.json").read_text())
    assert found["complete"] is True
    assert not (run / "report" / "report.html").exists()

    assert main(["--resume", str(run), "--json"]) == 0
    *_, report = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert report["event"] == "report"
    assert report["path"] == str(run / "report" / "report.html")
    assert json.loads((run / "result.json").read_text()) == found

    sessions = (killed, second)
    assert not any(event["event"] == "trouble" for one in sessions for event in one.events)
    told = [trial for session in sessions for trial in session.trials("trial_ended")]
    assert sorted([*told, *untold]) == list(range(TRIALS))  # all, and none twice
    reported = [
        (event["trial"], event["step"])
        for session in sessions
        for event in session.events
        if event["event"] == "trial_reported"
    ]
    assert len(reported) == len(set(reported))

    result = json.loads((run / "result.json").read_text())
    check_result(result, run, tiny_pack)
    check_mlflow(result, run)

    # Nothing is left to do: asked again, it says what came of it.
    assert main(["--resume", str(run)]) == 0
    assert "Best setting: lr" in capsys.readouterr().out
    told = [
        (event["done"], event["tasks"]) for event in second.events if event["event"] == "rescoring"
    ]
    assert told == sorted(set(told))
    assert told[-1][0] == told[-1][1] > len(result["runners_up"])
    with RunFolder(run):
        assert main(["--resume", str(run)]) == 2
    assert "is in use by another search" in capsys.readouterr().err


def ended(run: Path, name: str, scratch: Path) -> set[int]:
    """Trials whose end is in the ledger, whether or not there was time to tell of it."""
    journal = Path(shutil.copy(run / "study.journal", scratch / "at the kill.journal"))
    return {r.number for r in Ledger(journal, name, 5).records if r.outcome is not None}


def check_result(result: dict[str, Any], run: Path, pack: Path) -> None:
    fields = """neuron direction pack space seed device trials_total trials_stopped_early
    trials_diverged seconds sample_steps best runners_up controls importances mlflow"""
    assert set(fields.split()) <= set(result)
    assert result["complete"] is True
    assert (result["neuron"], result["direction"], result["seed"]) == ("vocal", "max", 5)
    assert (result["trials_total"], result["trials_unfinished"]) == (TRIALS, 0)
    assert result["pack"]["path"] == str(pack)
    best, ups = result["best"], result["runners_up"]
    assert {"settings", "step", "activation_fid", "ci95", "starts"} <= set(best)
    assert len(ups) == 3
    scores = [row["activation_fid"] for row in [best, *ups]]
    tied = [row for row in [best, *ups] if row["activation_fid"] <= min_interval([best, *ups])]
    layers = [row["layer_fid"] for row in tied]
    assert [best, *ups][: len(tied)] == tied
    assert layers == sorted(layers)
    assert scores[len(tied) :] == sorted(scores[len(tied) :])
    low, high = best["ci95"]
    assert low <= best["activation_fid"] <= high
    assert best["activation_fid"] < result["controls"]["never_optimised"]["activation_fid"]
    assert set(result["controls"]) == {"never_optimised", "random_classifier", "real_vs_real"}
    assert set(result["importances"]) == {"lr", "l2"}
    tensors = load_file(run / "best.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert shapes == {"latents": (50, 8), "inputs": (50, 80, 115), "activations": (50,)}
    assert not list(run.glob("*.partial"))
    assert not (run / ".ray").exists()


def min_interval(rows: list[dict[str, Any]]) -> float:
    """The upper end of the interval of the lowest distance."""
    return min(rows, key=lambda row: row["activation_fid"])["ci95"][1]


def check_mlflow(result: dict[str, Any], run: Path) -> None:
    """What MLflow has is what the ledger has."""
    client = MlflowClient(result["mlflow"]["tracking_uri"])
    parent = client.get_run(result["mlflow"]["run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.params["neuron"] == "vocal"
    assert parent.data.tags["space.source"] == SPACE
    assert parent.data.metrics["best.activation_fid"] == result["best"]["activation_fid"]
    experiment = client.get_experiment_by_name(result["mlflow"]["experiment"])
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    assert len(runs) == 1 + TRIALS
    pack, neuron = json.loads((Path(result["pack"]["path"]) / "pack.json").read_text()), "vocal"
    ledger = Ledger(run / "study.journal", f"{pack['name']}/{neuron}/mine.py/max", 5)
    assert len(ledger.records) == TRIALS
    children = {r.data.tags["tune_am.trial"]: r for r in runs if "tune_am.trial" in r.data.tags}
    for record in ledger.records:
        child = children[str(record.number)]
        assert child.data.tags["outcome"] == record.outcome
        assert child.info.status == "FINISHED"
        history = client.get_metric_history(child.info.run_id, "activation_fid")
        logged = [(point.step, point.value) for point in history]
        assert logged == [(m["step"], m["activation_fid"]) for m in record.reports]
        assert child.info.run_name == f"vocal-max {settings_title(record.settings)}"
        assert [file.path for file in client.list_artifacts(child.info.run_id)] == ["examples.png"]
    check_artifacts(client, parent, result, run)


def check_artifacts(client: MlflowClient, parent: Any, result: dict[str, Any], run: Path) -> None:
    """Who has MLflow only sees the search whole; the pack's card is not there, it has none."""
    run_id = parent.info.run_id
    tags = parent.data.tags
    assert (tags["neuron"], tags["direction"], tags["space"]) == ("vocal", "max", "mine.py")
    assert tags["pack.hash"] == result["pack"]["hash"]
    names = {file.path for file in client.list_artifacts(run_id)}
    assert names == {"result.json", "best.safetensors", "report", "trials.json", "explanation"}
    page = Path(client.download_artifacts(run_id, "report/report.html"))
    assert page.read_text() == (run / "report" / "report.html").read_text()
    table = json.loads(Path(client.download_artifacts(run_id, "trials.json")).read_text())
    columns = dict(zip(table["columns"], zip(*table["data"], strict=True), strict=True))
    assert list(columns["trial"]) == [row["trial"] for row in result["trials"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", result["mlflow"]["tracking_uri"])
        model = pyfunc.load_model(f"runs:/{run_id}/explanation")
    assert len(model.predict({"number": 2, "seed": 1})["inputs"]) == 2
    assert columns["lr"] == pytest.approx([row["settings"]["lr"] for row in result["trials"]])


def dead_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "--neuron is missing"),
        ("--neuron fc77:1", "no neuron 'fc77:1'; there are vocal, "),
        ("--neuron fc8:99", "no neuron 'fc8:99': fc8 has the units 0 to 7"),
        ("--neuron vocal --pack nowhere", "nowhere"),
        ("--neuron vocal --pack {broken}", "classifier.safetensors"),
        ("--neuron vocal --space wide", "no space 'wide'; there are default, paper, quick, raw"),
        ("--neuron vocal --space bad.py", "unknown setting 'rate'; allowed: lr, "),
        ("--neuron vocal --device tpu", "--device tpu: must be one of"),
        ("--neuron vocal --direction up", "--direction up: must be one of"),
        ("--neuron vocal --trials 0", "--trials 0: must be at least 1"),
        ("--neuron vocal --starts 1", "--starts 1: must be at least 2"),
        ("--neuron vocal --max-steps -4", "--max-steps -4: must be at least 1"),
        ("--neuron vocal --seed nan", "'nan' is not a whole number"),
        ("--neuron vocal --out full", "output folder full exists"),
        ("--neuron vocal --out bad.py", "output folder bad.py is a file"),
        ("--neuron vocal --out /dev/null/run", "/dev/null/run: /dev/null is a file; name another"),
        ("--neuron vocal --mlflow-uri http://127.0.0.1:{port}", "no MLflow server answers"),
        ("--neuron vocal --ray-address 127.0.0.1:{port}", "no Ray cluster answers"),
        ("--neuron vocal --ray-address 127.0.0.1:{deaf}", "is no Ray cluster"),
        ("--neuron vocal --ray-address here", "must be auto or host:port"),
        ("--resume nowhere", "no run folder nowhere"),
        ("--resume full", "full is no run folder"),
    ],
)
@pytest.mark.usefixtures("no_ray")
def test_bad_input_gets_one_line(arguments, said, tiny_pack, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "HANDSHAKE_SECONDS", 2)
    (tmp_path / "bad.py").write_text("def space(trial):\n    return {'rate': 1}\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    broken = tmp_path / "broken"
    shutil.copytree(tiny_pack, broken)
    weights = broken / "classifier.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    before = sorted(tmp_path.rglob("*"))
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # accepts, and says nothing
        facts = {"broken": broken, "port": dead_port(), "deaf": deaf.getsockname()[1]}
        given = arguments.format(**facts).split()
        if "--pack" not in given and "--neuron" in given:
            given += ["--pack", str(tiny_pack)]
        status = main(given)
    captured = capsys.readouterr()
    assert status == 2
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_gets_one_line(tiny_pack, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folder, "LEAST_FREE_BYTES", 2**62)
    assert main(["--neuron", "vocal", "--pack", str(tiny_pack)]) == 2
    assert "is full: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
