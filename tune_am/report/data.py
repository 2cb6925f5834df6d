"""What the page's charts draw, and `explain.json` says: plain numbers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tune_am.report.explanation import Explanation
from tune_am.report.finished import FinishedRun
from tune_am.report.trace import Trace
from tune_am.report.words import scored
from tune_am.tuning.result_format import TITLES

SCHEMA = 1
BINS = 36

# The course of a trial is thinned to at most so many steps: more cannot be told apart.
STEPS = 200


def facts(shown: Explanation) -> dict[str, Any]:
    """The content of explain.json."""
    pack, run = shown.pack, shown.run
    return {
        "schema": SCHEMA,
        "neuron": shown.neuron.name,
        "unit": shown.neuron.place,
        "direction": shown.plan.direction,
        "searched": run is not None,
        "pack": {"name": pack.name, "hash": pack.hash},
        "prior": pack.prior_kind,
        "run": None if run is None else str(run.path),
        "seed": shown.plan.seed,
        "best": shown.row,
        "others": [{"key": key, **row} for key, row, _ in shown.others],
        "controls": shown.controls,
        "activations": activations(shown),
        "ascent": None if shown.trace is None else ascent(shown.trace),
        "groups": {
            group.key: {
                "activations": group.activations.tolist(),
                "credits": list(group.credits),
            }
            for group in shown.groups
        },
    }


def activations(shown: Explanation) -> dict[str, Any]:
    """Histograms of what the score compares: common edges, and the counts of each set."""
    sets = {
        "real": shown.target,
        "synthesised": shown.kept.activations,
        "never": shown.never_activations,
    }
    everything = torch.cat([values.double().cpu() for values in sets.values()])
    low, high = float(everything.min()), float(everything.max())
    edges = torch.linspace(low, max(high, low + 1e-6), BINS + 1, dtype=torch.float64)
    return {
        "edges": edges.tolist(),
        "sets": {name: _histogram(values, edges) for name, values in sets.items()},
    }


def _histogram(values: Tensor, edges: Tensor) -> dict[str, Any]:
    values = values.double().cpu()
    counts, _ = torch.histogram(values, edges)
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "deviation": float(values.std()) if len(values) > 1 else 0.0,
        "counts": [int(count) for count in counts],
    }


def ascent(trace: Trace) -> dict[str, Any]:
    """The activation kept by each start, along the steps of the ascent."""
    steps = torch.linspace(1, trace.steps, min(STEPS, trace.steps)).round().long()
    kept = trace.activations[steps - 1]
    return {
        "steps": steps.tolist(),
        "starts": [[_finite(v) for v in start] for start in kept.T.tolist()],
        "median": [_finite(v) for v in trace.median[steps - 1].tolist()],
    }


def search(run: FinishedRun) -> dict[str, Any]:
    """Every trial with its course, and the settings that differ between trials."""
    result = run.result
    trials = trial_rows(run)
    names = list(result["best"]["settings"])
    varied = [
        name for name in names if len({repr(trial["settings"][name]) for trial in trials}) > 1
    ]
    return {
        "trials": trials,
        "varied": varied,
        "points": result["report_points"],
        "best": result["best"]["trial"],
        "levels": {
            words: result["controls"][name][run.objective.metric]
            for name, words in TITLES.items()
            if name in result["controls"] and scored(result["controls"][name], run.objective)
        },
    }


def trial_rows(run: FinishedRun) -> list[dict[str, Any]]:
    """Trials that were scored, with `score`, by the search's objective, and `course`: [step, best
    score so far] pairs."""
    metric, rows = run.objective.metric, []
    for row in run.result["trials"]:
        if row[metric] is None:
            continue
        reports = run.course(row["trial"])
        course = [[report["step"], report[metric]] for report in reports]
        # The ledger's word on how far it came: a stopped trial may have gone on a little.
        course = [point for point in course if point[0] <= row["step"]]
        course = course or [[row["step"], row[metric]]]
        rows.append({**row, "score": row[metric], "course": course})
    return rows


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
