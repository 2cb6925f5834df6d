"""One trial, without Ray around it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tune_am.am.objectives import DIVERGED_PENALTY
from tune_am.am.plan import Plan
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.tuning.searcher import LedgerSearcher
from tune_am.tuning.task import pack_and_plan, task
from tune_am.tuning.trial import METRICS, AscentTrial
from tune_am.tuning.trial_state import drop_ascent, state_file


def begin(task: dict[str, Any], reported: int = 0, number: int = 0, **settings: Any) -> AscentTrial:
    return begun(config(task, reported, number, **settings))


def begun(config: dict[str, Any]) -> AscentTrial:
    trial = AscentTrial.__new__(AscentTrial)  # Ray's constructor wants a cluster
    trial.setup(config)
    return trial


def config(task, reported=0, number=0, **settings):
    return {"task": task, "number": number, "reported_step": reported, "settings": settings}


def run(trial: AscentTrial) -> list[dict[str, Any]]:
    results = [trial.step()]
    while not results[-1]["done"]:
        results.append(trial.step())
    return [timeless(result) for result in results]


def timeless(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "sample_steps_per_second"}


def test_a_step_is_the_ascent_to_the_next_report_point(tiny_task):
    trial = begin(tiny_task, lr=0.1)
    results = [trial.step() for _ in range(3)]
    assert [result["step"] for result in results] == [2, 4, 8]
    assert [result["done"] for result in results] == [False, False, True]
    assert all(set(METRICS) <= set(result) for result in results)


def test_the_objective_is_the_best_so_far(tiny_task):
    """The activation leaps past the real ones, so its distance to them grows again."""
    results = run(begin(tiny_task, lr=10.0, l2=0.0))
    now = [result["activation_fid_now"] for result in results]
    assert now[-1] > min(now)
    assert [r["activation_fid"] for r in results] == [min(now[: i + 1]) for i in range(3)]


@pytest.mark.parametrize("reported", [2, 4])
def test_cut_off_it_goes_on_to_the_same_numbers(tiny_task, reported):
    whole = run(begin(tiny_task, lr=0.1, jitter=1))
    state_file(tiny_task["folder"], 0).unlink()
    cut = begin(tiny_task, lr=0.1, jitter=1)
    while cut.step()["step"] < reported:
        pass
    rest = run(begin(tiny_task, reported=reported, lr=0.1, jitter=1))
    assert rest == [result for result in whole if result["step"] > reported]


def test_what_nobody_heard_is_reported_again_without_computing_it(tiny_task, monkeypatch):
    first = begin(tiny_task, lr=0.1)
    heard, unheard = timeless(first.step()), timeless(first.step())
    again = begin(tiny_task, reported=heard["step"], lr=0.1)
    monkeypatch.setattr(again._run, "advance_to", None)
    assert timeless(again.step()) == unheard


def test_a_trial_that_was_over_says_so(tiny_task):
    results = run(begin(tiny_task, lr=0.1))
    assert run(begin(tiny_task, reported=8, lr=0.1)) == results[-1:]


@pytest.mark.parametrize("leave", [lambda path: path.write_bytes(b"half a sta"), drop_ascent])
def test_a_state_that_nothing_can_go_on_from_is_started_over(tiny_task, leave):
    whole = run(begin(tiny_task, lr=0.1))
    leave(state_file(tiny_task["folder"], 0))
    assert run(begin(tiny_task, reported=2, lr=0.1)) == whole[1:]


def test_what_is_looked_at_later_is_a_fraction_of_the_state(tiny_task):
    """Of a prior that is the input, where states are large."""
    task = {**tiny_task, "prior": "raw"}
    run(begin(task, lr=0.1))
    path = state_file(task["folder"], 0)
    size, whole = path.stat().st_size, torch.load(path, weights_only=True)
    drop_ascent(path)
    assert path.stat().st_size < 0.2 * size
    left = torch.load(path, weights_only=True)
    assert left["reports"] == whole["reports"]
    for name, value in whole["run"]["best"].items():
        assert torch.equal(torch.as_tensor(left["run"]["best"][name]), torch.as_tensor(value))


def test_an_ascent_is_dropped_once_the_ledger_has_the_end(
    make_ledger, plain_space, tiny_task, monkeypatch
):
    """No sooner: a resume goes on from it until then."""
    ledger = make_ledger()
    searcher = LedgerSearcher(ledger, plain_space, tiny_task)
    ended, failed = begun(searcher.propose("ended")), begun(searcher.propose("failed"))
    searcher.on_trial_result("failed", failed.step())
    *_, result = (ended.step() for _ in range(3))

    def holds(number):
        state = torch.load(state_file(tiny_task["folder"], number), weights_only=True)
        return "ascent" in state["run"]

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "write", None)
        with pytest.raises(TypeError):
            searcher.on_trial_complete("ended", result)
    assert holds(0)
    searcher.on_trial_complete("ended", result)
    searcher.on_trial_complete("failed", error=True)
    assert [(record.outcome, holds(record.number)) for record in ledger.records] == [
        ("finished", False),
        ("failed", False),
    ]


def test_a_state_that_cannot_be_rewritten_stays(tiny_task, monkeypatch):
    """As where the disk is full; nobody hears of it."""
    path = state_file(tiny_task["folder"], 0)
    drop_ascent(path)  # none is there
    begin(tiny_task, lr=0.1).step()
    whole = path.read_bytes()

    def fill(state, scratch):
        scratch.write_bytes(b"half a sta")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", fill)
    drop_ascent(path)
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [
        ("0000.pt", whole)
    ]


def test_a_diverged_trial_ends_at_once_with_a_finite_penalty(tiny_task):
    (result,) = run(begin(tiny_task, lr=1e30))
    assert result["activation_fid"] == DIVERGED_PENALTY
    assert all(torch.tensor(float(result[name])).isfinite() for name in METRICS[:-1])


def test_a_reused_actor_gives_the_numbers_of_a_new_one(tiny_task):
    new = run(begin(tiny_task, number=1, lr=0.2))
    state_file(tiny_task["folder"], 1).unlink()
    reused = begin(tiny_task, number=0, lr=0.01)
    run(reused)
    pack = reused._pack
    assert reused.reset_config(config(tiny_task, number=1, lr=0.2))
    assert run(reused) == new
    assert reused._pack is pack


def test_a_pack_that_changed_meanwhile_is_refused(tiny_task):
    with pytest.raises(UserError, match="changed since"):
        begin({**tiny_task, "hash": "0" * 64})


def test_a_shipped_pack_goes_by_its_name(tiny_pack, tmp_path):
    """On a cluster each machine has one, wherever tune-am lies there; any other by its place."""
    shipped, own = Pack.load("vocal"), Pack.load(tiny_pack)
    told = {pack.name: task(pack, Plan("vocal"), tmp_path)["pack"] for pack in (shipped, own)}
    assert told == {"vocal": "vocal", "tiny": str(tiny_pack)}
    assert pack_and_plan(task(shipped, Plan("vocal"), tmp_path))[0].hash == shipped.hash
