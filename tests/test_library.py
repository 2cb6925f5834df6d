"""tune_am as scripts and notebooks use it. The search itself: test_library_search.py."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import tune_am
from tests.packs.test_pack_writing import written
from tune_am.packs.pack import Pack
from tune_am.report.config import parse as parse_explain
from tune_am.report.options import from_keywords as options_of_explain
from tune_am.tuning.config import SearchConfig, parse
from tune_am.tuning.options import SearchOptions, command_line, from_keywords


@pytest.mark.parametrize("name", ["search", "explain"])
def test_a_command_is_a_module_and_a_function_in_either_order(name):
    """Importing a submodule sets it on its package: whatever comes first, both uses work."""
    checks = f"""
assert callable(tune_am.{name}), type(tune_am.{name})
assert tune_am.{name} is sys.modules["tune_am.{name}"]
assert tune_am.{name}.main and "neuron" in inspect.signature(tune_am.{name}).parameters
try:
    tune_am.{name}(nothing=1)
except tune_am.UserError as error:
    assert "has no option 'nothing'" in str(error), error
else:
    raise AssertionError("called for nothing")
"""
    for first in (
        f"import tune_am; tune_am.{name}; import tune_am.{name}",
        f"import tune_am.{name}",
        f"from tune_am.{name} import main; import tune_am",
        f"from tune_am import {name}; import tune_am; assert {name} is tune_am.{name}",
    ):
        code = f"import inspect, sys\n{first}\n{checks}"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_keywords_are_the_options_of_the_command_line():
    """One list of options, one place of defaults; `json` is what a command prints."""
    names = {spec.name for spec in fields(SearchConfig)} - {"neuron", "json"}
    assert names == set(SearchOptions.__annotations__), "tell SearchOptions of a new option"
    shown = inspect.signature(tune_am.search).parameters
    defaults = {spec.name: spec.default for spec in fields(SearchConfig)}
    assert names | {"neuron", "progress", "on_event", "cancel"} == set(shown)
    assert all(shown[name].default == defaults[name] for name in names)


def test_keywords_ask_for_what_the_command_line_asks_for():
    asked = {
        "neuron": "fc8:1",
        "pack": Path("some pack"),
        "trials": 3,
        "seed": 0,
        "time_budget": "1.5m",
        "trust_code": True,
        "workers": None,
    }
    config, given = from_keywords(asked)
    line = command_line(config, given)
    assert line == (
        "python -m tune_am.search --neuron fc8:1 --pack './some pack' --trials 3 --seed 0 "
        "--time-budget 90.0 --trust-code"
    )
    typed = ["--neuron", "fc8:1", "--pack", "./some pack", "--trials", "3", "--seed", "0"]
    assert (config, given) == parse([*typed, "--time-budget", "90", "--trust-code"])


def test_a_pack_is_searched_by_the_prior_that_it_was_loaded_with(tiny_pack, tmp_path):
    pack = Pack.load(tiny_pack, prior="raw")
    asked = {"neuron": "vocal", "pack": pack}
    config, given = from_keywords(asked)
    assert (config.prior, config.pack) == ("raw", str(tiny_pack))
    assert command_line(config, given).endswith("--prior raw")
    assert options_of_explain(None, (), "vocal", None, {"pack": pack})[0].prior == "raw"
    # A run has a prior of its own: there, a pack says where it lies.
    assert options_of_explain("a run", (), None, None, {"pack": pack})[0].prior is None
    with pytest.raises(
        tune_am.UserError, match="prior='fourier': the pack was loaded with prior='r"
    ):
        from_keywords({**asked, "prior": "fourier"})
    own = written(
        Pack.load(tiny_pack),
        tmp_path / "own",
        generator=pack.prior,
        generator_config=pack.prior.config,
        latent=pack.prior.latent_shape,
    )
    assert own.prior_kind == "raw"
    for loaded in (own, Pack.load(tiny_pack)):
        assert from_keywords({"neuron": "vocal", "pack": loaded})[0].prior is None
        assert from_keywords({**asked, "pack": loaded, "prior": "fourier"})[0].prior == "fourier"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "neuron= is missing"),
        ({"neuron": "vocal", "trails": 8}, "no option 'trails'; there are neuron, pack"),
        ({"neuron": "vocal", "json": True}, "no option 'json'"),
        ({"neuron": "vocal", "trials": "8"}, "trials='8': must be a whole number"),
        ({"neuron": "vocal", "trials": True}, "trials=True: must be a whole number"),
        ({"neuron": "vocal", "trials": 0}, "trials=0: must be at least 1"),
        ({"neuron": 3}, "neuron=3: must be a text"),
        ({"neuron": "vocal", "time_budget": "soon"}, "time_budget='soon' is no duration"),
        ({"neuron": "vocal", "time_budget": 0}, "time_budget=0.0: must be more than 0"),
        ({"neuron": "vocal", "direction": "up"}, "direction='up': must be one of"),
        ({"neuron": "vocal", "scheduler": "luck"}, "scheduler='luck': must be one of"),
        ({"neuron": "vocal", "diversity": -1}, "diversity=-1.0: must be 0 or more"),
        (
            {"neuron": "vocal", "starts": 2, "objective": "kid"},
            "a score by kid needs at least 3 starts: give them with starts=",
        ),
        ({"neuron": ["fc8:1", "fc8:1"]}, "neuron='fc8:1,fc8:1': fc8:1 is asked for twice"),
        ({"neuron": "vocal", "space": ""}, "space= is empty"),
        ({"resume": "a", "out": "b"}, "out= and resume= exclude each other"),
        ({"neuron": "vocal", "trust_code": 1}, "trust_code=1: must be True or False"),
        ({"neuron": "vocal", "quiet": True, "progress": True}, "exclude each other"),
        ({"neuron": "vocal", "pack": "nowhere"}, "nowhere"),
        ({"resume": "nowhere"}, "no run folder nowhere: resume= takes"),
    ],
)
def test_bad_options_raise(options, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tune_am.UserError) as raised:
        tune_am.search(**options)
    assert said in str(raised.value)
    assert not re.search(r"\n|--\w", str(raised.value))
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_activation_fid_takes_what_holds_numbers():
    """(m1 - m2)^2 + (s1 - s2)^2, in NumPy."""
    x, y = np.random.default_rng(0).normal(size=(2, 40)) * [[1], [3]] + [[0], [5]]
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    for one, other in ((x, y), (x.tolist(), torch.tensor(y))):
        assert tune_am.activation_fid(one, other) == pytest.approx(expected)
    assert tune_am.activation_fid(y[::-1], y) < 1e-20
    # Lists too are of float64: in float32 these would be one number.
    far = [1e8, 1e8 + 1, 1e8 + 2]
    assert tune_am.activation_fid([value + 10 for value in far], far) == 100
    parts = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in far]
    assert tune_am.activation_fid(parts, far) == 0
    for one, said in (
        ([1.0], "n >= 2"),
        (["a"], "real numbers"),
        (None, "real numbers"),
        ({}, "real numbers"),
        ([1j, 2j], "real numbers, not complex128"),
        (torch.zeros(3) * 1j, "real numbers, not torch.complex64"),
        ([[1.0], [1.0, 2.0]], "activation_fid"),
        ([1, np.nan], "non-finite"),
    ):
        with pytest.raises(tune_am.UserError, match=said):
            tune_am.activation_fid(one, y)


def test_inputs_that_make_no_sound_say_so(tiny_pack, tmp_path):
    """The same networks, of a pack whose inputs are plain pictures."""
    pack = written(Pack.load(tiny_pack), tmp_path / "images", input={"shape": [80, 115]})
    examples = tune_am.ascend("vocal", steps=1, starts=2, pack=pack)
    assert examples.plot_examples()._repr_png_()
    with pytest.raises(tune_am.UserError, match="make no sound"):
        examples.play(0)
    with pytest.raises(tune_am.UserError, match="no real excerpts"):
        examples._group("real")


def test_explaining_asks_for_what_the_command_asks_for(runs):
    result = tune_am.load_result(runs / "most")
    for keywords, typed in (
        ({"run": result, "examples": 2}, f"{result.folder} --examples 2"),
        ({"run": str(result.folder), "overwrite": True}, f"{result.folder} --overwrite"),
        ({"run": result, "overwrite": False, "out": None}, f"{result.folder}"),
        ({"compare": [result, runs / "least"]}, f"--compare {runs / 'most'} {runs / 'least'}"),
        (
            {"neuron": "vocal", "settings": {"lr": 0.2}, "steps": 3, "pack": result.pack},
            f"--steps 3 --pack {result.pack.path} --neuron vocal --lr 0.2",
        ),
    ):
        named = {"run": None, "compare": (), "neuron": None, "settings": None} | keywords
        first = [named.pop(name) for name in ("run", "compare", "neuron", "settings")]
        config, line = options_of_explain(*first, named)
        assert line == f"python -m tune_am.explain {typed}"
        assert config == parse_explain(typed.split())


def test_explaining_writes_a_report(tiny_pack, tmp_path, capfd):
    settings, out = tune_am.Settings(lr=0.2), tmp_path / "given"
    asked = {"steps": 2, "examples": 2, "pack": tiny_pack, "out": out, "seed": 1}
    page = tune_am.explain(neuron="vocal", settings=settings, **asked)
    assert page == out / "report.html"
    facts = json.loads((out / "explain.json").read_text())
    assert facts["best"]["settings"] == settings.to_dict()
    assert load_file(out / "latents.safetensors")["best.latents"].shape == (2, 8)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("run", "options", "said"),
    [
        (None, {}, "compare= with two or more of them, or neuron="),
        (None, {"neuron": "vocal", "colour": 1}, "no option 'colour'; there are compare, direct"),
        ("{run}", {"settings": {"lr": 1.0}}, "settings go with neuron= only"),
        ("{run}", {"steps": 3}, "steps= goes with neuron= only"),
        ("nowhere", {}, "no run folder nowhere"),
        (SimpleNamespace(folder="nowhere"), {}, "no run folder nowhere"),
        (5, {}, "5 is no search: give its result or its folder"),
        (None, {"neuron": 2}, "neuron=2: must be a text"),
        (None, {"neuron": "vocal", "steps": "5"}, "steps='5': must be a whole number"),
        (None, {"neuron": "vocal", "seed": 1.5}, "seed=1.5: must be a whole number"),
        (None, {"neuron": "vocal", "steps": 0}, "steps=0: must be at least 1"),
        (None, {"neuron": "vocal", "steps": False}, "steps=False: must be a whole number"),
        (None, {"neuron": "vocal", "examples": 0}, "examples=0: must be from 2 to 50"),
        ("{run}", {"seed": 0}, "seed= goes with neuron= only"),
        (None, {"neuron": "vocal", "settings": 5}, "settings=5: must be Settings, or a dict"),
        (None, {"neuron": "vocal", "out": 3}, "out=3: must be a text"),
        (None, {"compare": ["{run}"]}, "compare= needs at least two run folders"),
        (None, {"compare": ["{run}", "{run}"]}, "twice: name searches that differ"),
        (
            "{run}",
            {"out": "{run}"},
            "exists and is no report: move it away, or name another folder with out=",
        ),
    ],
)
def test_an_explanation_that_cannot_be_raises(run, options, said, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(run, str):
        run = run.format(run=runs / "most")
    options = json.loads(json.dumps(options).replace("{run}", str(runs / "most")))
    with pytest.raises(tune_am.UserError) as raised:
        tune_am.explain(run, **options)
    assert said in str(raised.value)
    assert not re.search(r"\n|--\w", str(raised.value))
    assert list(tmp_path.iterdir()) == []
