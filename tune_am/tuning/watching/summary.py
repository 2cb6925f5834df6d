"""The result on one screen."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tune_am.am.objectives import (
    ACTIVATION_FID,
    DIVERGED_PENALTY,
    LAYER_FID,
    OBJECTIVES,
    Objective,
    objective,
)
from tune_am.counting import counted
from tune_am.tuning.result_format import ON_FRONT, TITLES, settings_read
from tune_am.tuning.watching.progress import number


def summary(result: dict[str, Any]) -> str:
    """The result on one screen."""
    if result["best"] is None:
        return "No trial got as far as a score."
    made = objective(result["objective"])
    width = max(14, len(made.label))
    titles = f"{made.label:>{width}}   {'95 % interval':18}"
    titles += "  ".join(f"{each.label:>{_wide(each)}}" for each in _beside(made))
    lines = ["", f"{'':20}{titles}  step  trial"]

    def line(name: str, row: dict[str, Any]) -> str:
        return _line(name, row, made, width)

    lines += [line("best", result["best"])]
    for place, row in enumerate(result["runners_up"], start=2):
        lines.append(line(f"{place}.", row))
    for name, words in TITLES.items():
        if name in result["controls"]:
            lines.append(line(words, result["controls"][name]))
    if result["best"][made.metric] >= DIVERGED_PENALTY:
        lines += ["", "No setting could be scored: what it gave diverged, or is beyond 1e30."]
    ahead = [row for row in result["runners_up"] if _below(row, result["best"], made)]
    if ahead:
        lines += [
            "",
            f"Of the settings that {made.label} cannot tell apart, the best is the one with "
            f"surely the {made.second.best_is} {made.second.label}.",
        ]
    if made.others:
        lines += ["", _front(result)]
    near = [
        f"{place}."
        for place, row in enumerate(result["runners_up"], start=2)
        if row.get("collapse", 0) > 0
    ]
    if near:
        lines += ["", f"Less far apart than the diversity asked for: {', '.join(near)}"]
    settings = settings_read(result["best"]["settings"])
    lines += [
        "",
        _wrapped("Best setting", [f"{name} {_short(value)}" for name, value in settings.items()]),
    ]
    if (collapse := result["best"].get("collapse", 0)) > 0:
        lines.append(
            "No setting keeps the constraint: the best one's examples are "
            f"{1 - collapse:.0%} as far apart as the diversity asked for."
        )
    if result["importances"]:
        shares = [f"{name} {share:.0%}" for name, share in result["importances"].items()]
        lines.append(_wrapped("What mattered", shares[:6]))
    lines.append(
        f"{counted(result['trials_total'], 'trial')}, {ended(result)}, "
        f"{counted(result['sample_steps'], 'sample-step')}, {result['seconds']:.0f} s"
    )
    return "\n".join(lines)


def ended(content: Mapping[str, Any]) -> str:
    """How the trials ended that did not come to their end."""
    early, diverged = content["trials_stopped_early"], content["trials_diverged"]
    told = [f"{early} stopped early", f"{diverged} diverged"]
    for name, what in (("trials_failed", "failed"), ("trials_unfinished", "cut off")):
        if content.get(name):
            told.append(f"{content[name]} {what}")
    return ", ".join(told)


def _below(row: dict[str, Any], best: dict[str, Any], made: Objective) -> bool:
    """Whether `row`, scored again, has a better score than the `best`."""
    if not row["ci95"] or best.get("collapse", 0) > 0 or row.get("collapse", 0) > 0:
        return False
    return made.loss(row[made.metric]) < made.loss(best[made.metric])


def _beside(made: Objective) -> tuple[Objective, ...]:
    """What stands beside the score: the other objectives, or else the layer's distance, unless that
    is it."""
    other = OBJECTIVES[LAYER_FID if made.name != LAYER_FID else ACTIVATION_FID]
    return made.others or (other,)


def _wide(beside: Objective) -> int:
    return max(10, len(beside.label))


def _front(result: dict[str, Any]) -> str:
    """Which rows are on the front."""
    rows = [result["best"], *result["runners_up"]]
    names = ["best", *(f"{place}." for place in range(2, len(rows) + 1))]
    on = [name for name, row in zip(names, rows, strict=True) if row[ON_FRONT]]
    return _wrapped("On the Pareto front, no other being better by every objective", on)


def _line(name: str, row: dict[str, Any], made: Objective, width: int) -> str:
    ci95 = row.get("ci95")
    interval = f"{number(ci95[0])} to {number(ci95[1])}" if ci95 else "not re-scored"
    if ci95 and ci95[0] == ci95[1] == made.worst:
        interval = "too few examples"
    cells = [(row.get(each.metric), _wide(each)) for each in _beside(made)]
    beside = "  ".join(f"{'' if value is None else number(value):>{wide}}" for value, wide in cells)
    step, trial = row.get("step", ""), row.get("trial", "")
    score = f"{number(row[made.metric]):>{width}}"
    return f"  {name:18}{score}   {interval:18}{beside}  {step:>4}  {trial:>5}".rstrip()


def _wrapped(title: str, items: Sequence[str]) -> str:
    """A list of items in lines of at most 80 columns, none broken."""
    whole = [item.replace(" ", "\N{NO-BREAK SPACE}") for item in items]
    text = textwrap.fill(
        f"{title}: {', '.join(whole)}", 80, subsequent_indent="  ", break_on_hyphens=False
    )
    return text.replace("\N{NO-BREAK SPACE}", " ")


def _short(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)
