"""What the command line accepts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest

from tune_am.errors import UserError
from tune_am.naming import flag, typed
from tune_am.tuning.config import SearchConfig, default_folder, duration, parse, resumed
from tune_am.tuning.defaults import SAMPLER


def test_the_command_line_is_the_dataclass():
    config, given = parse(["--neuron", "fc8:1", "--trials", "7", "--time-budget", "5m", "--quiet"])
    assert config == SearchConfig("fc8:1", trials=7, time_budget=300.0, quiet=True)
    assert given == {"neuron", "trials", "time_budget", "quiet"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--neuron is missing"),
        (["--neuron", ""], "--neuron is empty"),
        (["--neuron", "vocal", "--mlflow-uri", " "], "--mlflow-uri is empty"),
        (["--neuron", "vocal", "--out", "a\0b"], "has a NUL character: leave it out"),
        (["--neuron", "vocal", "--direction", "up"], "must be one of max, min"),
        (["--neuron", "vocal", "--prior", "vae"], "must be one of gan, raw, fourier"),
        (
            ["--neuron", "vocal", "--objective", "fid"],
            "unknown objective 'fid'; allowed",
        ),
        (["--neuron", "vocal", "--device", "tpu"], "must be one of auto, cpu, cuda"),
        (["--neuron", "vocal", "--trials", "0"], "--trials 0: must be at least 1"),
        (["--neuron", "vocal", "--trials", "-3"], "--trials -3: must be at least 1"),
        (["--neuron", "vocal", "--starts", "1"], "--starts 1: must be at least 2"),
        (["--neuron", "vocal", "--max-steps", "0"], "--max-steps 0: must be at least 1"),
        (["--neuron", "vocal", "--workers", "0"], "--workers 0: must be at least 1"),
        (["--neuron", "vocal", "--seed", "-1"], "--seed -1: must be from 0"),
        (["--neuron", "vocal", "--trials", "nan"], "'nan' is not a whole number"),
        (["--neuron", "vocal", "--starts", "1e3"], "'1e3' is not a whole number"),
        (["--neuron", "vocal", "--time-budget", "inf"], "'inf' is no duration"),
        (["--neuron", "vocal", "--time-budget=-5m"], "'-5m' is no duration"),
        (["--neuron", "vocal", "--time-budget", "0"], "must be more than 0"),
        (["--neuron", "vocal", "--quiet", "--json"], "exclude each other"),
        (["--resume", "a", "--out", "b"], "exclude each other"),
        (
            ["--neuron", "vocal", "--trails", "9"],
            "unrecognized arguments: --trails 9; is --trials meant?",
        ),
        (["--neuron"], "expected one argument"),
    ],
)
def test_what_it_refuses(arguments, said):
    with typed(), pytest.raises(UserError) as caught:
        parse(arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1.5h", 5400), (".5M", 30)]
)
def test_durations(text, seconds):
    assert duration(text) == seconds


def test_a_resumed_search_keeps_what_defines_it():
    stored = SearchConfig("vocal", trials=8, seed=3).to_dict()
    now, given = parse(["--resume", "run", "--trials", "16", "--quiet"])
    again = resumed(stored, now, given)
    assert (again.neuron, again.seed, again.trials, again.quiet) == ("vocal", 3, 16, True)
    now, given = parse(["--resume", "run", "--seed", "4"])
    with pytest.raises(UserError, match="keeps its seed"):
        resumed(stored, now, given)
    now, given = parse(["--resume", "run", "--prior", "raw"])
    del stored["prior"]  # a search from before there was a choice
    with pytest.raises(UserError, match=r"keeps its prior \(None\)"):
        resumed(stored, now, given)
    assert resumed(SearchConfig("vocal", prior="raw").to_dict(), now, given).prior == "raw"


@pytest.mark.parametrize(("name", "value"), [("sampler", "gp"), ("scheduler", "median")])
def test_a_resumed_search_keeps_how_it_was_searched(name, value):
    now = SearchConfig(None, resume="folder", **{name: value})
    given = frozenset({"resume", name})
    stored = SearchConfig("vocal").to_dict()
    assert getattr(resumed({**stored, name: value}, now, given), name) == value
    with pytest.raises(UserError, match=f"a resumed search keeps its {name}"):
        resumed(stored, now, given)


def test_a_search_from_before_there_were_samplers_goes_on_with_the_default():
    before = SearchConfig("vocal").to_dict()
    for name in ("sampler", "scheduler", "diversity"):
        del before[name]
    again = resumed(before, SearchConfig(None, resume="folder"), frozenset({"resume"}))
    assert (again.sampler, again.scheduler, again.diversity) == (SAMPLER, None, 0.0)


def test_help_loads_nothing_heavy_and_names_every_option():
    command = [sys.executable, "-X", "importtime", "-m", "tune_am.search", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "ray", "optuna", "mlflow", "rich"}
    assert all(flag(spec.name) in done.stdout for spec in fields(SearchConfig))


def test_a_run_is_named_after_its_neuron():
    assert default_folder("fc8:12", "20261231-120000").name == "fc8-12-20261231-120000"
