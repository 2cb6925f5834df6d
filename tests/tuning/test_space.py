"""Search spaces, the shipped ones and a user's own."""

from __future__ import annotations

import optuna
import pytest

from tune_am.errors import UserError
from tune_am.tuning import space
from tune_am.tuning.budget import budget_for
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.space import quiet_optuna


@pytest.mark.parametrize("name", ["default", "paper", "quick", "raw"])
def test_shipped_spaces_draw_valid_settings(name):
    assert space.load(name).name == name


def test_the_paper_space_is_the_published_grid():
    paper = space.load("paper")
    budget = budget_for(SearchConfig("vocal"), paper, "vocal")
    assert (budget.trials, budget.plan.starts) == (9, 50)
    assert budget.plan.report_points == (100, 500, 1000)
    assert not paper.early_stopping
    assert len({(point["lr"], point["l2"]) for point in paper.points}) == 9


def test_the_default_space_tries_the_published_winners_early():
    points = [(point["lr"], point["l2"]) for point in space.load("default").points]
    assert points[1:4] == [(0.01, 0.001), (0.001, 0.1), (0.01, 0.1)]


def test_the_command_line_comes_before_the_space():
    config = SearchConfig("vocal", trials=4, starts=6, max_steps=500)
    budget = budget_for(config, space.load("paper"), "vocal")
    assert (budget.trials, budget.plan.starts) == (4, 6)
    assert budget.plan.report_points == (100, 500)


def test_a_space_of_ones_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def space(trial):\n    return {'lr': trial.suggest_float('lr', 0.1, 1.0)}\n")
    assert space.load(str(file)).early_stopping


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_a_space_may_have_dataclasses(future):
    made = "from dataclasses import dataclass\n@dataclass\nclass {}:\n    lr: float = 0.1\n"
    within = made.format("Within").replace("\n", "\n    ")
    space.from_source(
        "x",
        f"{future}{made.format('Own')}def space(trial):\n    {within}\n"
        "    assert Own.__annotations__['lr'] in (float, 'float')\n"
        "    return {'lr': Own().lr + Within().lr}\n",
    )


def test_a_space_gets_no_future_of_this_package():
    space.from_source("x", "a: int\nassert __annotations__ == {'a': int}\ndef space(t): return {}")


def test_a_space_knows_its_file_when_a_search_goes_on_too(tmp_path):
    file = tmp_path / "mine.py"
    source = f"assert __file__ == {str(file)!r}\ndef space(trial): return {{}}\n"
    file.write_bytes(b"\xef\xbb\xbf" + source.encode())  # as editors of Windows begin a file
    space.load(str(file))
    space.from_source(str(file), source, rehearsed=True)


RANGE = "def space(trial): return {'lr': trial.suggest_float('lr', 0.1, 1.0)}"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def space(trial): return {'rate': 1}", "unknown setting 'rate'; allowed: lr, l2, "),
        ("def space(trial): return {'lr': -1}", "setting lr=-1 is not allowed: must be"),
        ("def space(trial): return 3", "it gave a value of type int"),
        ("def space(trial): pass", "space(trial) must return a dict of settings, it gave None"),
        ("def space(trial): yield {}", "it gave a value of type generator"),
        ("async def space(trial): return {}", "it gave a value of type coroutine"),
        ("def space(trial): return trial.nothing", "space x: AttributeError"),
        ("def room(trial): return {}", "must define space(trial)"),
        ("def space(trial) return", "space x: SyntaxError"),
        ("1 / 0", "space x: ZeroDivisionError"),
        ("import sys; sys.exit(0)", "space x: SystemExit"),
        ("import sys\ndef space(trial): sys.exit(0)", "space x: SystemExit"),
        ("STARTS = 1\ndef space(trial): return {}", "STARTS is 1: give a whole number from 2"),
        (
            "REPORT_POINTS = [8, 4]\ndef space(trial): return {}",
            "[8, 4]: give a list of whole numbers above 0",
        ),
        ("EARLY_STOPPING = 'no'\ndef space(trial): return {}", "EARLY_STOPPING is 'no'"),
        ("POINTS = [{'lr': 1}]\ndef space(trial): return {}", "which the space does not draw"),
        (f"POINTS = [{{'lr': 5}}]\n{RANGE}", "the point {'lr': 5} sets lr=5, beyond 0.1 to 1"),
        (f"{RANGE} | {{'l2': trial.suggest_float('lr', 0.2, 1.0)}}", "Inconsistent parameter val"),
        ("def space(trial): raise ValueError('one\\ntwo')", "space x: ValueError: one two"),
        ("raise ValueError('one\\ntwo')", "space x: ValueError: one two"),
        ("def space(trial): assert not trial", "space x: AssertionError"),
        (
            "POINTS = [{'n': 1.5}]\n"
            "def space(trial): return {'jitter': trial.suggest_int('n', 0, 3)}",
            "sets n=1.5, which the space does not draw",
        ),
        (
            "def space(trial): return {'l2': trial.suggest_categorical('a', [(1,), (2,)])[0]}",
            "contains (1,) which is of type tuple",
        ),
    ],
)
def test_a_bad_space_gets_one_line(source, said):
    with pytest.raises(UserError) as caught:
        space.from_source("x", source)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_branch_that_is_wrong_now_and_then_is_found():
    source = """
def space(trial):
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd", "adam", "adagrad"])
    return {"optimizer": optimizer}
"""
    with pytest.raises(UserError, match="adagrad"):
        space.from_source("x", source)


@pytest.mark.parametrize(
    "drawn",
    [
        "{'momentum': trial.suggest_float('momentum', 0.0, 1.0), 'optimizer': 'sgd'}",
        "{'init_scale': trial.suggest_float('init_scale', 0.0, 1.5)}",
        "{'jitter': trial.suggest_int('jitter', -1, 10**9)}",
    ],
)
def test_the_ends_of_ranges_are_tried(drawn):
    """No random draw is likely to be one; a sampler that has found that it pays goes there."""
    with pytest.raises(UserError, match="is not allowed"):
        space.from_source("x", f"def space(trial):\n    return {drawn}\n")


@pytest.mark.parametrize(
    "drawn",
    [
        "lr = draw('lr', 0.1, 1.0); rest = lr - draw('rest', 0.0, lr)",
        "lr = draw('lr', 0.1, 1.0); rest = draw('rest', 0.0, 1.0 if lr < 0.5 else 9.0)",
    ],
)
def test_ranges_may_depend_on_what_was_drawn_before(drawn):
    space.from_source(
        "x",
        "def space(trial):\n"
        "    draw = trial.suggest_float\n"
        f"    {drawn}\n"
        "    return {'lr': lr, 'l2': rest}\n",
    )


def test_a_space_that_a_search_has_used_is_not_tried_again():
    """What it draws at its ends may never be drawn, and a resume has no other."""
    drawn = "{'init_scale': trial.suggest_float('init_scale', 0.0, 1.5)}"
    space.from_source("x", f"def space(trial):\n    return {drawn}\n", rehearsed=True)


def test_an_unknown_space_lists_the_known():
    with pytest.raises(UserError, match=r"no space 'wide'; there are default, paper, quick, raw"):
        space.load("wide")
    with pytest.raises(UserError, match=r"cannot read space no/such.py: No such file"):
        space.load("no/such.py")


def test_optuna_speaks_again_afterwards():
    """Whoever has studies of their own in the same notebook hears of them."""
    before = optuna.logging.get_verbosity()
    with quiet_optuna():
        assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    assert optuna.logging.get_verbosity() == before != optuna.logging.ERROR
