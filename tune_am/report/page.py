"""report.html of one neuron."""

from __future__ import annotations

from typing import Any

from tune_am.am.objectives import DIVERGED_PENALTY, Objective
from tune_am.counting import counted, plural
from tune_am.report import provenance, template, words
from tune_am.report.config import FEW
from tune_am.report.data import facts
from tune_am.report.explanation import Explanation, Group
from tune_am.report.finished import FinishedRun
from tune_am.report.media import Media, legend
from tune_am.report.renderer import Renderer
from tune_am.tuning.record import DIVERGED, FAILED, FINISHED, STOPPED_EARLY
from tune_am.tuning.result_format import ON_FRONT, TITLES

# How a trial ended, wherever the page says it.
OUTCOMES = {
    FINISHED: "ran to the end",
    STOPPED_EARLY: "stopped early",
    DIVERGED: "diverged",
    FAILED: "failed",
    "unfinished": "cut off",
}


def report_page(
    shown: Explanation,
    media: Media,
    beside: Explanation | None,
    searched: dict[str, Any] | None,
    commands: dict[str, str],
) -> str:
    """The page. beside: the same neuron the other way round. searched: `data.search` of its run, if
    it has one. commands: what for -> a command."""
    stated = facts(shown)
    run = shown.run
    most, _ = words.how(shown.plan.direction)
    excerpts = shown.pack.excerpts
    return template.fill(
        "report.html",
        data=_for_scripts(shown, stated, searched),
        facts=stated,
        score=shown.objective,
        facts_run=None if run is None else run.result,
        question=words.question(stated),
        answer=words.answer(shown.row, shown.controls, shown.plan.direction, shown.objective),
        verdict=f"Here, {words.verdict(shown.row, shown.controls, shown.objective)}."
        if words.comparable(shown.row, shown.controls)
        else "",
        most=most,
        axes=axes_of(media.renderer, media.limits),
        best=media.cards(shown.best),
        apart=None if shown.apart is None else media.cards(shown.apart),
        real=None if shown.real is None else media.cards(shown.real),
        real_total=0 if excerpts is None else len(excerpts),
        reference_total=len(shown.pack.reference),
        compared=[float(end) for end in shown.target.aminmax()],
        never=media.cards(shown.never),
        path=_path(shown, media),
        formula=formula(stated["activations"]["sets"]),
        others=[_other(shown, media, key, row, group) for key, row, group in shown.others],
        ties=""
        if run is None
        else words.ties(shown.row, run.result["runners_up"], shown.objective),
        beside=None if beside is None else [side(one, media, FEW) for one in (shown, beside)],
        account="" if run is None else _account(run),
        outcomes=[] if searched is None else _outcomes(searched["trials"]),
        importances=[] if run is None else _importances(run.result["importances"]),
        unit=run is not None and run.of_campaign,
        controls_words=words.controls(shown.plan.direction, shown.objective),
        commands=commands.items(),
        provenance=provenance.rows(shown),
        limits=provenance.limits(shown, media.renderer.note),
        footer=provenance.footer(shown.pack),
    )


def axes_of(renderer: Renderer, limits: tuple[float, float]) -> dict[str, Any]:
    """How the page labels pictures."""
    return {
        "x": renderer.x,
        "y": renderer.y,
        "width": renderer.width,
        "height": renderer.height,
        "scale": renderer.scale,
        "low": limits[0],
        "high": limits[1],
        "legend": legend(renderer),
        "heard": renderer.heard,
    }


def side(shown: Explanation, media: Media, most: int | None = None) -> dict[str, Any]:
    """One of two or more explanations that stand side by side, with at most so many examples."""
    return {
        "title": f"{shown.neuron.name}, {shown.plan.direction}imised",
        "fid": shown.row[shown.objective.metric],
        "label": shown.objective.label,
        "sure": sure(shown.row, shown.objective),
        "mean": float(shown.kept.activations.mean()),
        "cards": media.cards(shown.best)[:most],
    }


def sure(row: dict[str, Any], objective: Objective) -> str:
    """How sure a score is, in words, and what others were asked for beside it."""
    ci95 = row.get("ci95")
    told = f"95 % interval {words.interval(ci95, objective)}"
    others = [f"{each.label} {words.number(row.get(each.metric))}" for each in objective.others]
    front = ["on the Pareto front"] if row.get(ON_FRONT) else []
    return "; ".join((told if ci95 else "in the search, not re-scored", *others, *front))


def formula(sets: dict[str, Any]) -> str:
    """The activation-FID worked out from the numbers that the histogram shows, with as many
    decimals as make what is printed add up."""
    pairs = [(sets["synthesised"][key], sets["real"][key]) for key in ("mean", "deviation")]
    fid = words.number(sum((one - other) ** 2 for one, other in pairs))
    fewest = words.decimals_of([value for pair in pairs for value in pair])
    for decimals in range(fewest, fewest + 10):
        rounded = [(round(one, decimals), round(other, decimals)) for one, other in pairs]
        if words.number(sum((one - other) ** 2 for one, other in rounded)) == fid:
            break
    squares = [f"({words.difference(one, other, decimals)})²" for one, other in pairs]
    return f"{' + '.join(squares)} = {fid}"


def _path(shown: Explanation, media: Media) -> list[dict[str, Any]]:
    if shown.path is None or shown.trace is None:
        return []
    return media.cards(shown.path, [f"step {step}" for step in shown.trace.path])


def _for_scripts(
    shown: Explanation, stated: dict[str, Any], searched: dict[str, Any] | None
) -> dict[str, Any]:
    made, charted = shown.objective, ("neuron", "activations", "ascent")
    return {
        "charts": {"": {key: stated[key] for key in charted}},
        "levels": _levels(shown),
        "front": _front(shown) if made.others else None,
        "score": {**_axis(made), "others": [_axis(each) for each in made.others]},
        "search": searched and {**searched, "penalty": DIVERGED_PENALTY, "outcomes": OUTCOMES},
    }


def _axis(made: Objective) -> dict[str, Any]:
    """How the page draws a score."""
    return {
        "metric": made.metric,
        "label": made.label,
        "scale": "root" if made.rooted else "linear",
        "maximise": made.maximise,
    }


def _front(shown: Explanation) -> dict[str, Any]:
    """The chart of the first two objectives: the best and the runners-up, and real excerpts against
    real ones, on as many examples."""
    first, second = shown.objective, shown.objective.others[0]
    rows = [("best", shown.row)]
    rows += [(_title(key).lower(), row) for key, row, _ in shown.others if key.startswith("runner")]
    if "real_vs_real" in shown.controls:
        rows.append((TITLES["real_vs_real"], shown.controls["real_vs_real"]))
    return {
        "titles": [f"{each.label} (the {each.best_is} is best)" for each in (first, second)],
        "joined": len(first.others) == 1,
        "scales": [_axis(each)["scale"] for each in (first, second)],
        "points": [
            {
                "name": name.rpartition("place ")[2],
                "kind": "real" if "settings" not in row else "made" if row[ON_FRONT] else "plain",
                "on": row.get(ON_FRONT, False),
                "scores": [row[each.metric] for each in (first, second)],
                "words": f"{name}: {first.label} {words.number(row[first.metric])}, "
                f"{sure(row, first)}",
            }
            for name, row in rows
            if words.scored(row, first)
        ],
    }


def _levels(shown: Explanation) -> list[dict[str, Any]]:
    """Rows of the chart of scores: the best, the runners-up, the controls; those without a score,
    which diverged, would leave the axis no room for the others."""
    made, metric = shown.objective, shown.objective.metric
    rows = [("best setting", shown.row, "made")]
    for key, row, _ in shown.others:
        if key.startswith("runner"):
            rows.append((_title(key).lower(), row, "plain"))
    kinds = {"never_optimised": "never", "random_classifier": "never", "real_vs_real": "real"}
    for name, title in TITLES.items():
        if name in shown.controls:
            rows.append((title, shown.controls[name], kinds[name]))
    return [
        {
            "name": name,
            "kind": kind,
            "fid": row[metric],
            "low": row["ci95"][0] if row.get("ci95") else None,
            "high": row["ci95"][1] if row.get("ci95") else None,
            "words": f"{name}: {made.label} {words.number(row[metric])}, {sure(row, made)}",
        }
        for name, row, kind in rows
        if words.scored(row, made)
    ]


def _other(
    shown: Explanation, media: Media, key: str, row: dict[str, Any], group: Group
) -> dict[str, Any]:
    told = sure(row, shown.objective)
    if shown.row["ci95"] and not row.get("ci95"):
        told += ": on other starts than the scores with an interval"
    return {
        "title": _title(key),
        "settings": words.settings_in_words(row["settings"]),
        "step": row["step"],
        "ended": _reached(row),
        "fid": row[shown.objective.metric],
        "sure": told,
        "cards": media.cards(group),
    }


def _reached(row: dict[str, Any]) -> str:
    """Where the ascent ended, of a trial as the search left it."""
    if "reached" not in row:
        return ""
    if row["outcome"] == STOPPED_EARLY:
        return f"; the search stopped it at step {row['reached']}"
    return f"; it ran to step {row['reached']}" if row["reached"] > row["step"] else ""


def _title(key: str) -> str:
    return "Worst setting" if key == "worst" else f"Runner-up, place {key.rpartition('-')[2]}"


def _account(run: FinishedRun) -> str:
    """What was spent, in a sentence."""
    result = run.result
    ended = {word: result[f"trials_{key}"] for key, word in OUTCOMES.items() if key != FINISHED}
    told = [f"{count} {word}" for word, count in ended.items() if count] or ["all to the end"]
    points = ", ".join(map(str, result["report_points"]))
    steps = plural(len(result["report_points"]), "step")
    trials = result["trials_total"]
    return (
        f"{counted(trials, 'setting')} of the space {result['space']} "
        f"{plural(trials, 'was', 'were')} tried ({', '.join(told)}), "
        f"{counted(result['starts'], 'start')} each, scored at {steps} {points}: "
        f"{counted(result['sample_steps'], 'sample-step', form=',')}. {_taken(run)} "
        f"{result['seconds']:.0f} s on {result['device']}."
    )


def _taken(run: FinishedRun) -> str:
    if run.of_campaign:
        return "Of the time of its campaign's workers they took"
    if run.result["complete"]:
        return "With re-scoring and controls it took"
    return "Until it was stopped it took"


def _importances(shares: dict[str, float]) -> list[tuple[str, float]]:
    """The settings that matter at all, the first first."""
    return [(name, share) for name, share in shares.items() if share >= 0.005]


def _outcomes(trials: list[dict[str, Any]]) -> list[tuple[str, str]]:
    there = {trial["outcome"] for trial in trials}
    return [(key, label) for key, label in OUTCOMES.items() if key in there]
