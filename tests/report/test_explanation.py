"""What a report shows is what the ascent, the classifier and the pack say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.finished_searches import CREDITS
from tune_am.am.ascent import Ascent
from tune_am.am.frechet import bootstrap_interval, frechet_distance
from tune_am.am.objectives import DIVERGED_PENALTY
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Target
from tune_am.report import page
from tune_am.report.data import activations, ascent, facts, trial_rows
from tune_am.report.explanation import Explanation, explain_run, explain_settings
from tune_am.report.figures import ascent_figure, search_figure
from tune_am.report.finished import FinishedRun
from tune_am.report.media import Media
from tune_am.report.renderer import Renderer
from tune_am.report.style import house_style, new_figure, save
from tune_am.report.trace import Trace, path_of, watch
from tune_am.report.words import number
from tune_am.tuning.record import DIVERGED, FAILED, FINISHED, STOPPED_EARLY
from tune_am.tuning.result_format import TITLES


@pytest.fixture(scope="module")
def shown(runs: Path) -> Explanation:
    run = FinishedRun.read(runs / "most")
    found = explain_run(run, run.load_pack(), 5)
    assert found is not None
    return found


def heard(pack: Pack, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return pack.classifier(inputs)


def test_every_activation_shown_is_the_classifier_s(shown: Explanation) -> None:
    for group in shown.groups:
        assert len(group) > 0
        told = group.activations
        torch.testing.assert_close(heard(shown.pack, group.inputs), told, rtol=1e-3, atol=1e-3)
        if group.latents is not None:
            with torch.no_grad():
                torch.testing.assert_close(shown.pack.prior(group.latents), group.inputs)


def test_best_and_real_are_the_most_extreme(shown: Explanation) -> None:
    assert shown.best.activations.tolist() == sorted(shown.kept.activations.tolist())[:-6:-1]
    assert shown.real is not None
    assert shown.pack.excerpts is not None
    everything = heard(shown.pack, shown.pack.excerpts.inputs)
    order = everything.argsort(descending=True)[:5].tolist()
    assert shown.real.credits == tuple(CREDITS[i] for i in order)


def test_those_apart_are_each_the_farthest_from_all_before(shown: Explanation) -> None:
    assert shown.apart is not None
    assert len(shown.apart) == 4
    with torch.no_grad():
        every = shown.pack.prior(shown.kept.latents)
    before = list(shown.best.inputs)
    for chosen in shown.apart.inputs:

        def away(x: torch.Tensor) -> float:
            return min(float((x - other).square().mean()) for other in before)

        assert away(chosen) > 0
        assert away(chosen) == pytest.approx(max(map(away, every)), rel=1e-3)
        before.append(chosen)


def test_minimised_the_least_comes_first(runs: Path) -> None:
    run = FinishedRun.read(runs / "least")
    found = explain_run(run, run.load_pack(), 5)
    assert found is not None
    assert found.real is not None
    for group in (found.best, found.real):
        assert group.activations.tolist() == sorted(group.activations.tolist())
    assert float(found.best.activations.max()) < float(found.never_activations.mean())


def test_the_never_optimised_are_those_of_the_control(shown: Explanation) -> None:
    control = shown.controls["never_optimised"]
    pack, plan = shown.pack, shown.plan
    fresh = explain_settings(pack, replace(plan, starts=2, report_points=(2,)), Settings())
    again = fresh.controls["never_optimised"]["activation_mean"]
    assert float(fresh.never_activations.mean()) == pytest.approx(again, abs=1e-4)
    assert control["n"] == len(shown.never_activations)


def test_the_histograms_give_the_score(shown: Explanation) -> None:
    told = activations(shown)
    real, made = told["sets"]["real"], told["sets"]["synthesised"]
    for found in told["sets"].values():
        assert sum(found["counts"]) == found["n"]
    squares = (made["mean"] - real["mean"]) ** 2 + (made["deviation"] - real["deviation"]) ** 2
    assert squares == pytest.approx(shown.row["activation_fid"], rel=1e-4)


def test_a_watched_ascent_is_the_ascent(shown_pack: Path) -> None:
    pack, settings = Pack.load(shown_pack), Settings(lr=0.3, l2=0.01)
    plan = Plan("vocal", "min", 3, (6,), 11)
    trace = watch(pack, plan, settings, 6, 3)
    ascent = Ascent(pack.prior, pack.classifier, pack.neuron("vocal"), settings, 3, 11, "min")
    ascent.advance(1)
    assert torch.equal(trace.activations[0], ascent.start_activations)
    ascent.advance(5)
    assert torch.equal(trace.activations[-1], ascent.kept_activations)
    assert torch.equal(trace.latents[-1], ascent.kept_latents)
    assert len(trace.latents) == len(trace.path)
    assert (trace.activations.diff(dim=0) <= 0).all()
    assert trace.best == int(ascent.kept_activations.argmin())


def test_page_and_figure_have_the_same_median() -> None:
    """Of an even number of starts PyTorch's own is the lower of the middle two, NumPy's is not."""
    trace = Trace(torch.tensor([[4.0, 1.0, 2.0, 9.0], [5.0, 1.0, 3.0, 9.0]]), torch.zeros(2, 4), 1)
    assert trace.median.tolist() == np.median(trace.activations.numpy(), axis=1).tolist()
    assert ascent(trace)["median"] == [3.0, 4.0]


def test_labels_beside_lines_that_end_together_stand_apart(shown: Explanation) -> None:
    mean = float(shown.target.mean())
    (axes,) = ascent_figure(shown, Trace(torch.full((3, 2), mean), torch.zeros(2, 4), 1)).axes
    low, high = sorted(label.xyann[1] for label in axes.texts)
    assert high - low >= 10  # points, of type of 8


def test_what_diverged_is_not_in_the_chart_of_scores(shown: Explanation) -> None:
    row = {**shown.row, shown.objective.metric: DIVERGED_PENALTY, "starts": 0}
    row["ci95"] = [DIVERGED_PENALTY, DIVERGED_PENALTY]
    one, *others = shown.others
    before, after = (
        [level["name"] for level in page._levels(replace(shown, others=rows))]
        for rows in (shown.others, ((one[0], row, one[2]), *others))
    )
    assert one[0] == "runner-up-2"
    assert before[:2] == ["best setting", "runner-up, place 2"]
    assert after == [before[0], *before[2:]]


@pytest.mark.parametrize(
    ("made", "real"),
    [((12.336, 1.118), (11.482, 1.8047)), ((-301.2345, 4.0), (-301.1021, 4.03)), ((1, 0), (1, 0))],
)
def test_the_formula_adds_up_as_printed(
    made: tuple[float, float], real: tuple[float, float]
) -> None:
    names = ("mean", "deviation")
    sets = {"real": dict(zip(names, real, strict=True))}
    sets["synthesised"] = dict(zip(names, made, strict=True))
    squares, _, fid = page.formula(sets).replace("−", "-").partition(" = ")
    worked_out = eval(squares.replace("²", "**2"))
    assert number(worked_out) == fid
    assert len(squares) < 50


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 40, 1000])
def test_the_path_goes_from_the_first_step_to_the_last(steps: int) -> None:
    path = path_of(steps)
    assert path == sorted(set(path))
    assert (path[0], path[-1]) == (1, steps)
    assert len(path) <= 6


def test_given_settings_are_scored_like_a_trial(shown_pack: Path) -> None:
    pack, plan = Pack.load(shown_pack), Plan("vocal", starts=6, report_points=(5,), seed=2)
    found = explain_settings(pack, plan, Settings(lr=0.3))
    assert found.row["activation_fid"] == frechet_distance(found.kept.activations, found.target)
    low, high = found.row["ci95"]
    assert low <= found.row["activation_fid"] <= high
    assert found.run is None
    assert facts(found)["searched"] is False


def test_settings_that_diverge_are_refused(shown_pack: Path) -> None:
    pack, plan = Pack.load(shown_pack), Plan("vocal", starts=3, report_points=(2,))
    with torch.no_grad():
        pack.classifier.fc9.bias.fill_(torch.nan)
    with pytest.raises(UserError, match="diverges at these settings"):
        explain_settings(pack, plan, Settings())


def test_settings_that_diverge_from_where_they_started_are_refused(shown_pack: Path) -> None:
    """Their starts have an example each, where they were before: none of the settings."""
    pack, plan = Pack.load(shown_pack), Plan("vocal", starts=3, report_points=(4,))
    trace = watch(pack, plan, Settings(lr=1e30), 4, 3)
    assert torch.isfinite(trace.activations[-1]).all()
    assert trace.diverged_share == 1
    with pytest.raises(UserError, match=r"settings \(lr=1e\+30, init_scale=1\.0\): try"):
        explain_settings(pack, plan, Settings(lr=1e30), controlled=False)


def test_given_settings_have_the_interval_that_a_search_gives(shown_pack: Path) -> None:
    """Also where real excerpts come in groups."""
    pack, plan = Pack.load(shown_pack), Plan("vocal", starts=4, report_points=(2,), seed=2)
    pack.reference.groups = torch.arange(len(pack.reference)) // 5
    found = explain_settings(pack, plan, Settings(lr=0.3), controlled=False)
    target = pack.reference.target(found.neuron, "max")
    kept = Target(found.kept.activations, found.kept.activations[:, None])
    interval = plan.measure().interval(kept, target, plan.seed)
    assert found.row["ci95"] == list(interval)
    assert interval != bootstrap_interval(kept.activations, target.activations, seed=plan.seed)


def test_trials_keep_their_courses(runs: Path) -> None:
    run = FinishedRun.read(runs / "most")
    rows = trial_rows(run)
    assert [row["trial"] for row in rows] == list(range(9))
    for row in rows:
        assert row["course"][-1] == [row["step"], row["activation_fid"]]
        scores = [score for _, score in row["course"]]
        assert scores == sorted(scores, reverse=True)
    assert {len(row["course"]) for row in rows} == {1, 3}


def test_a_search_stands_beside_others_with_as_many_examples_as_asked_for(
    shown: Explanation,
) -> None:
    media = Media(Renderer((80, 115)), (-16.0, 0.0), Path())
    assert len(page.side(shown, media)["cards"]) == 5
    assert len(page.side(shown, media, 4)["cards"]) == 4


def test_a_score_of_the_search_is_said_to_be_of_other_starts(shown: Explanation) -> None:
    media = Media(Renderer((80, 115)), (-16.0, 0.0), Path())
    told = {key: page._other(shown, media, key, row, group)["sure"]
            for key, row, group in shown.others}  # fmt: skip
    assert told["worst"].startswith("in the search, not re-scored: on other starts than")
    assert told["runner-up-2"].startswith("95 % interval")


def test_a_cross_is_whatever_did_not_run_to_the_end(runs: Path, shown: Explanation) -> None:
    assert set(page.OUTCOMES) == {FINISHED, STOPPED_EARLY, DIVERGED, FAILED, "unfinished"}
    rows = trial_rows(FinishedRun.read(runs / "most"))
    rows[0] = {**rows[0], "outcome": FAILED}
    figure = search_figure(shown, rows)
    (axes,) = figure.axes
    assert {text.get_text() for text in axes.texts} == set(TITLES.values())
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["best", "ran to the end", "did not run to the end"]
    ends = [line.get_marker() for line in axes.lines if line.get_marker() in ("o", "x")]
    assert ends[: len(rows)] == ["o" if row["outcome"] == FINISHED else "x" for row in rows]


@pytest.mark.filterwarnings("error")
def test_scores_that_are_all_0_have_an_axis(runs: Path, shown: Explanation) -> None:
    rows = trial_rows(FinishedRun.read(runs / "most"))
    rows = [{**row, "course": [[step, 0.0] for step, _ in row["course"]]} for row in rows]
    (axes,) = search_figure(replace(shown, controls={}), rows).axes
    assert axes.get_ylim()[0] < axes.get_ylim()[1]


@pytest.mark.filterwarnings("error")
def test_signs_that_no_font_has_are_no_warning(tmp_path: Path) -> None:
    with house_style():
        figure = new_figure(1)
    figure.suptitle("\N{MICROPHONE}")
    assert figure._repr_png_()
    with house_style():
        save(figure, tmp_path, "name")
