"""report.html of a campaign: a table of its neurons, each with its best example."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tune_am.am.objectives import Objective
from tune_am.choices import SIGNS
from tune_am.counting import counted, plural
from tune_am.packs.pack import Pack
from tune_am.report import provenance, template, words
from tune_am.report.finished import FinishedRun
from tune_am.report.folder import PAGE
from tune_am.report.media import picture_uri
from tune_am.report.page import axes_of
from tune_am.report.renderer import Renderer
from tune_am.tuning.folder import BEST, UNITS
from tune_am.tuning.result_format import TITLES, made_of


def campaign_page(run: FinishedRun, pack: Pack, renderer: Renderer, out: Path) -> str:
    """The page of the campaign `run`, for the folder `out`."""
    result, made = run.result, run.objective
    examples = {
        row["neuron"]: _example(run.path / row["folder"], row["best"], result)
        for row in result[UNITS]
    }
    inputs = [found[0] for found in examples.values() if found is not None]
    limits = renderer.limits(torch.stack(inputs)) if inputs else (0.0, 1.0)
    rows = [
        _row(run.path, out, place, row, examples[row["neuron"]], made, renderer, limits)
        for place, row in enumerate(result[UNITS])
    ]
    rows.sort(key=lambda row: (row["distance"] is None, row["distance"]))
    return template.fill(
        "campaign.html",
        data={},
        title=f"What {'silences' if result['direction'] == 'min' else 'excites'} "
        f"{result['neuron']}",
        result=result,
        score=made,
        answer=_answer(result, made),
        most=words.how(result["direction"])[0],
        axes=axes_of(renderer, limits),
        rows=rows,
        commands=[
            ("The campaign:", run.command),
            (
                f"The page of one neuron, here {rows[0]['neuron']}:",
                shlex.join(["python", "-m", "tune_am.explain", str(run.path / rows[0]["folder"])]),
            ),
        ],
        provenance=[
            ("seed", str(result["seed"])),
            *provenance.searched(run),
            ("pack", f"{pack.name}, {pack.hash}"),
        ],
        footer=provenance.footer(pack),
    )


def _answer(result: Mapping[str, Any], made: Objective) -> list[str]:
    rows = result[UNITS]
    spent = (
        f"That took {counted(result['trials_total'], 'trial')}, "
        f"{counted(result['sample_steps'], 'sample-step', form=',')} and {result['seconds']:.0f} s."
    )
    scored = [row for row in rows if row["best"] is not None]
    comparable = [row for row in scored if words.comparable(row["best"], row["controls"])]
    near = [row for row in comparable if words.as_real(row["best"], row["controls"], made)]
    apart = [
        row
        for row in comparable
        if words.scored(row["controls"]["random_classifier"], made)
        and words.apart(row["best"], row["controls"]["random_classifier"], made)
    ]
    have = f"{len(scored)} of {counted(len(rows), 'neuron')} {plural(len(scored), 'has', 'have')}"
    if not result["complete"]:
        stopped = "It was stopped before their settings were scored again: nothing says how good"
        return [f"{have} a score. {stopped} they are.", spent]
    return [
        f"{have} a result. The examples of "
        f"{_neurons(near)} are as near to the real excerpts as those are to each other; those of "
        f"{_neurons(apart)} are clearly nearer than examples by a classifier that learnt nothing.",
        spent,
    ]


def _neurons(rows: Sequence[object]) -> str:
    return counted(len(rows), "neuron") if rows else "no neuron"


def _row(
    run: Path,
    out: Path,
    place: int,
    row: Mapping[str, Any],
    example: tuple[Tensor, float] | None,
    made: Objective,
    renderer: Renderer,
    limits: tuple[float, float],
) -> dict[str, Any]:
    best, controls = row["best"], row["controls"]
    page = Path(row["folder"]) / "report" / PAGE
    picture = None
    if example is not None:
        picture = picture_uri(renderer.codes(example[0][None], limits)[0], renderer.colours)
    return {
        "neuron": row["neuron"],
        "folder": row["folder"],
        "place": place,
        "link": Path(relpath(run / page, out)).as_posix() if (run / page).exists() else None,
        "picture": picture,
        "activation": None if example is None else example[1],
        "distance": row["distance"],
        "score": None if best is None else best[made.metric],
        "ci95": None if best is None else best["ci95"],
        "floor": made.floor(controls["real_vs_real"]) if "real_vs_real" in controls else None,
        "levels": {
            name: controls[name][made.metric] if name in controls else None for name in TITLES
        },
        "trials": row["trials_total"],
        "step": None if best is None else best["step"],
        "best": best,
    }


def _example(
    folder: Path, best: Mapping[str, Any] | None, result: Mapping[str, Any]
) -> tuple[Tensor, float] | None:
    """The input [*input_shape] that excites the neuron most, of those kept, and its activation."""
    if best is None:
        return None
    made = made_of(folder / BEST, best["trial"], best["step"], "inputs", "activations")
    if made is None or not len(made[1]):
        return None
    inputs, activations = made
    i = int((SIGNS[result["direction"]] * activations).argmax())
    return inputs[i].clone(), float(activations[i])
