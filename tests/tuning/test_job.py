from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tune_am.errors import UserError
from tune_am.packs.neuron import beside
from tune_am.packs.pack import Pack
from tune_am.tuning import account, budget
from tune_am.tuning.budget import Budget
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.defaults import CPU
from tune_am.tuning.job import Job, prepare
from tune_am.tuning.label import file_name


def begun(config: SearchConfig) -> Job:
    job = prepare(config, frozenset(), "python -m tune_am.search").placed()
    return job.begin(account.asked(job))


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


def test_a_direction_of_a_campaign_is_found_from_the_folder_of_its_own(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a kill before it was there."""
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.eye(8)["ab".index(name)])
    neurons = ",".join(f"fc8:@{tmp_path / name}.npy" for name in "ab")
    job = begun(SearchConfig(neurons, str(tiny_pack), out=str(tmp_path / "run")))
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "copyfile", None)
        with pytest.raises(TypeError):
            Unit.open(job, job.plans[1])
    unit = Unit.open(job, job.plans[1])
    explained = beside(unit.name, unit.folder.path)  # as of a search on it alone
    assert job.pack.neuron(explained).weights == job.pack.neuron(job.plans[1].neuron).weights


def test_how_to_go_on_names_what_is_asked_anew(tiny_pack: Path, tmp_path: Path) -> None:
    run = tmp_path / "my run"
    job = prepare(SearchConfig("vocal", str(tiny_pack), out=str(run)), frozenset(), "")
    assert job.resume_command == f"python -m tune_am.search --resume '{run}'"
    config = replace(job.config, trust_code=True, ray_address="head:6379")
    there = replace(job, config=config).resume_command
    assert there == f"{job.resume_command} --trust-code --ray-address head:6379"
    begun(job.config)
    again = SearchConfig(None, resume=str(run), trials=40, workers=1)
    resumed = prepare(again, frozenset({"resume", "trials", "workers"}), "")
    assert resumed.resume_command == f"{job.resume_command} --trials 40 --workers 1"
    there = replace(resumed, config=replace(resumed.config, trials=None, workers=None))
    elsewhere = replace(there.config, device="cpu", mlflow_uri="http://new:5000")
    moved = replace(there, config=elsewhere).resume_command
    assert moved == f"{job.resume_command} --device cpu --mlflow-uri http://new:5000"
    silent = replace(job, config=replace(job.config, no_report=True)).resume_command
    assert silent == f"{job.resume_command} --no-report"


@pytest.mark.parametrize("typed", [None, "typed"])
def test_a_resume_logs_where_the_environment_says_now_unless_it_was_typed(
    typed: str | None, tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///first.db")
    begun_in, run = Path.cwd(), str(tmp_path / "run")
    uri = f"sqlite:///{typed}.db" if typed else None
    begun(SearchConfig("vocal", str(tiny_pack), out=run, mlflow_uri=uri))
    again = SearchConfig(None, resume=run), frozenset({"resume"}), ""
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)  # where the database is another, were its path as it was typed
    assert prepare(*again).tracking_uri == f"sqlite:///{begun_in}/{typed or 'first'}.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///second.db")
    second = tmp_path if typed is None else begun_in
    assert prepare(*again).tracking_uri == f"sqlite:///{second}/{typed or 'second'}.db"


def test_a_resumed_search_spends_what_it_began_with(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the defaults of its device, or of this version, are others now."""
    run = str(tmp_path / "run")
    before = begun(SearchConfig("vocal", str(tiny_pack), out=run)).budget
    others = replace(CPU, trials=7, starts=5, first_point=3, max_steps=9)
    monkeypatch.setattr(budget, "CPU", others)

    def resumed(*given: str, **options: int) -> Budget:
        asked = SearchConfig(None, resume=run, **options)
        return prepare(asked, frozenset({"resume", *given}), "").budget

    assert resumed() == before
    assert resumed("trials", trials=40) == replace(before, trials=40)
    assert resumed("workers", workers=1) == replace(before, workers=1)


def test_two_searches_that_begin_at_once_have_folders_of_their_own(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20261127-100000")
    jobs = [prepare(SearchConfig("vocal", str(tiny_pack)), frozenset(), "") for _ in range(3)]
    names = [job.placed().folder.path.name for job in jobs]
    assert names == [f"vocal-20261127-100000{end}" for end in ("", "-2", "-3")]
    asked = SearchConfig("vocal", str(tiny_pack), out="one")
    one, other = (prepare(asked, frozenset(), "").placed() for _ in range(2))
    one.begin(account.asked(one))
    with pytest.raises(UserError, match="one is the folder of another search by now"):
        other.begin(account.asked(other))


def test_what_no_report_could_draw_is_said_before_the_search(
    tiny_pack: Path, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(tiny_pack, pack)
    described = json.loads((pack / "pack.json").read_text())
    described["input"]["domain"] = "touch"
    (pack / "pack.json").write_text(json.dumps(described))
    asked = SearchConfig("vocal", str(pack), out=str(tmp_path / "run"))
    with pytest.raises(UserError, match=r"unknown domain 'touch'.*or search with no_report=True"):
        prepare(asked, frozenset(), "")
    prepare(replace(asked, no_report=True), frozenset(), "")


def test_directions_whose_files_have_one_name_are_refused(tiny_pack: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "it.npy", np.ones(8))
    neurons = ",".join(f"fc8:@{tmp_path / folder / 'it.npy'}" for folder in ("a", "b"))
    with pytest.raises(UserError, match=r"a/it.npy and .*b/it.npy have one name"):
        prepare(SearchConfig(neurons, str(tiny_pack)), frozenset(), "")


def test_neurons_have_folders_of_their_own(tiny_pack: Path, tmp_path: Path) -> None:
    for name in ("a b", "a_b"):
        np.save(tmp_path / f"{name}.npy", np.arange(8.0) + len(name))
    neurons = ",".join(f"fc8:@{tmp_path / name}.npy" for name in ("a b", "a_b"))
    with pytest.raises(UserError, match="would have one folder: rename one"):
        prepare(SearchConfig(neurons, str(tiny_pack)), frozenset(), "")
    for name in ("a", "A"):  # one file to some file systems
        np.save(tmp_path / f"{name}.npy", np.arange(8.0) + ord(name))
    neurons = ",".join(f"fc8:@{tmp_path / name}.npy" for name in ("a", "A"))
    with pytest.raises(UserError, match="have one name, by which the run knows them"):
        prepare(SearchConfig(neurons, str(tiny_pack)), frozenset(), "")
    names = ("fc8:1", "猫", "狗", "a/b", "a_b", "a.b")
    assert len({file_name(name) for name in names}) == len(names)
    assert file_name("fc8:1") == "fc8_1"


def test_units_that_are_the_same_for_every_real_excerpt_are_not_searched(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of their settings would have a perfect score."""
    pack = Pack.load(tiny_pack)
    pack.reference.activations["fc8"][:, [3, 5]] = 5.0
    pack.reference.activations["fc8"][:200, 4] = 5.0  # some are, those that excite it most
    monkeypatch.setattr(Pack, "load", lambda *_: pack)

    def prepared(neuron: str) -> Job:
        config = SearchConfig(neuron, str(tiny_pack), out=str(tmp_path / "run"))
        return prepare(config, frozenset(), "")

    with pytest.raises(UserError, match=r"fc8:3 gives 5 for every real excerpt: there is nothing"):
        prepared("fc8:3")
    with pytest.raises(
        UserError, match=r"fc8:3 gives 5 for .*, none of the 2 asked for varies: there"
    ):
        prepared("fc8:3,5")
    assert prepared("fc8:4").left_out == ()
    several = prepared("fc8:*")
    assert several.left_out == ("fc8:3", "fc8:5")
    assert [plan.neuron for plan in several.plans] == [f"fc8:{unit}" for unit in (0, 1, 2, 4, 6, 7)]
    assert several.budget.trials == prepared("fc8:0-2,4,6-7").budget.trials


@pytest.mark.parametrize(("option", "neuron"), [("out", "vocal"), ("resume", None)])
def test_a_name_that_no_folder_can_have_gets_one_line(
    option: str, neuron: str | None, tiny_pack: Path
) -> None:
    name = "x" * 300
    with pytest.raises(UserError, match=f"no folder can be .*{name}: File name too long"):
        prepare(SearchConfig(neuron, str(tiny_pack), **{option: name}), frozenset(), "")


def test_what_mlflow_keeps_as_parameters_does_not_change(tiny_pack: Path) -> None:
    """It could not: a resume may ask for more trials."""
    few, many = (
        prepare(SearchConfig("vocal", str(tiny_pack), trials=trials), frozenset(), "")
        for trials in (2, 4)
    )
    assert account.params(few) == account.params(many)


def test_what_the_run_folder_keeps_is_found_from_anywhere(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that has the name of a shipped pack is not that; the database beside the run folder
    moves with it; nobody's password is kept or shown."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "vocal").mkdir()
    job = prepare(SearchConfig("vocal", out="run"), frozenset(), "")
    kept = account.asked(job)["config"]
    assert (kept["pack"], kept["mlflow_uri"]) == ("vocal", None)

    uri = "postgresql://me:it's-secret@host/db"
    asked = SearchConfig("vocal", str(tiny_pack), out="other", mlflow_uri=uri)
    job = prepare(asked, frozenset(), shlex.join(["search", "--mlflow-uri", uri]))
    assert "secret" not in f"{account.asked(job)} {job.resume_command}"
    assert job.resume_command.endswith("--mlflow-uri 'postgresql://***@host/db'")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere/mlflow.db")
    job = prepare(SearchConfig("vocal", str(tiny_pack), out="third"), frozenset(), "")
    assert account.asked(job)["config"]["mlflow_uri"] == "sqlite:////elsewhere/mlflow.db"


def test_a_score_of_the_user_s_is_tried_on_every_neuron(tiny_pack, tmp_path, monkeypatch):
    """One that fails on the second: before anything of the campaign is made."""
    lines = (
        "tried = []",
        "def score(kept, reference):",
        "    tried.append(1)",
        "    1 / (2 - len(tried))",
    )
    (tmp_path / "failing_later.py").write_text("\n".join((*lines, "    return 1.0")))
    monkeypatch.chdir(tmp_path)
    by = {"objective": "failing_later:score", "trust_code": True}
    asked = SearchConfig("fc8:0,fc8:3,fc8:1", str(tiny_pack), **by)
    with pytest.raises(UserError, match=r"^fc8:3: objective failing_later:score: .*ZeroDivision"):
        prepare(asked, frozenset(), "")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] in ([], ["__pycache__"])
