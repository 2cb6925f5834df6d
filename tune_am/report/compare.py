"""report.html of several searches side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tune_am.am.objectives import DEFAULT
from tune_am.report import page, provenance, template, words
from tune_am.report.data import facts
from tune_am.report.explanation import Explanation, renamed
from tune_am.report.media import Media


@dataclass(frozen=True)
class Side:
    """One search of a comparison. title: tells it from the others."""

    title: str
    shown: Explanation


def sides(shown: Sequence[Explanation]) -> list[Side]:
    """The explanations with titles of their own, and keys of their own for their files."""
    names = [f"{one.neuron.name}, {one.plan.direction}imised" for one in shown]
    doubled = {name for name, count in Counter(names).items() if count > 1}
    return [
        Side(f"{name} ({_where(one)})" if name in doubled else name, renamed(one, str(i)))
        for i, (name, one) in enumerate(zip(names, shown, strict=True), start=1)
    ]


def compare_page(columns: Sequence[Side], media: Media, commands: dict[str, str]) -> str:
    """The page: one colour scale, one row of scores and one column of examples for each."""
    stated = [facts(side.shown) for side in columns]
    settings = [*stated[0]["best"]["settings"], "step"]
    flat = [{**one["best"]["settings"], "step": one["best"]["step"]} for one in stated]
    return template.fill(
        "compare.html",
        data={
            "charts": {
                f"-{i}": {key: one[key] for key in ("neuron", "activations")}
                for i, one in enumerate(stated, start=1)
            }
        },
        title="Compared: " + "; ".join(side.title for side in columns),
        sides=[_column(side, one, media) for side, one in zip(columns, stated, strict=True)],
        axes=page.axes_of(media.renderer, media.limits),
        of_activations=all(side.shown.objective.name == DEFAULT.name for side in columns),
        settings=[(name, [_shown(values[name]) for values in flat]) for name in settings],
        commands=commands.items(),
        provenance=[row for side in columns for row in _where_from(side)],
        footer=provenance.footer(columns[0].shown.pack),
    )


def _column(side: Side, stated: dict[str, Any], media: Media) -> dict[str, Any]:
    shown, run = side.shown, side.shown.run
    assert run is not None  # a comparison is of searches
    return {
        **page.side(shown, media),
        "title": side.title,
        "ci95": shown.row["ci95"],
        "score": shown.objective,
        "controls": shown.controls,
        "trials": run.result["trials_total"],
        "sample_steps": f"{run.result['sample_steps']:,}",
        "answer": words.answer(shown.row, shown.controls, shown.plan.direction, shown.objective),
        "most": words.how(shown.plan.direction)[0],
        "real": None if shown.real is None else media.cards(shown.real),
        "formula": page.formula(stated["activations"]["sets"]),
    }


def _where(shown: Explanation) -> str:
    return shown.run.path.name if shown.run is not None else ""


def _where_from(side: Side) -> list[tuple[str, str]]:
    run, pack = side.shown.run, side.shown.pack
    assert run is not None
    seed = side.shown.plan.seed
    return [(side.title, f"{run.command}; seed {seed}; pack {pack.name}, {pack.hash}")]


def _shown(value: Any) -> str:
    return words.number(value) if isinstance(value, float) else str(value)
