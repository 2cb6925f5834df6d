"""What a search comes to: result.json, best.safetensors and the last screen (docs/result.md)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from tune_am.am.neuron import shown
from tune_am.am.objectives import (
    OBJECTIVES,
    Objective,
    objective,
)
from tune_am.am.pack import Pack
from tune_am.am.stored import save_tensors
from tune_am.counting import counted
from tune_am.tuning.budget import Budget
from tune_am.tuning.folder import RESULT_SCHEMA
from tune_am.tuning.importance import importances
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.progress import number
from tune_am.tuning.record import DIVERGED, FAILED, STOPPED_EARLY, Record
from tune_am.tuning.rescore import Candidate, Rescored, candidates
from tune_am.whole import whole

# Of the controls, by their names.
TITLES = {
    "never_optimised": "never optimised",
    "random_classifier": "random classifier",
    "real_vs_real": "real against real",
}


def read(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that the ascent reads: adam has no momentum."""
    unread = ("momentum",) if settings.get("optimizer") == "adam" else ()
    return {name: value for name, value in settings.items() if name not in unread}


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's row with its settings beside the rest."""
    return {**{key: value for key, value in row.items() if key != "settings"}, **row["settings"]}


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Trials' rows as a table, `flat`."""
    table = [flat(row) for row in rows]
    return {name: [row[name] for row in table] for name in table[0]} if table else {}


def build(
    ledger: Ledger,
    budget: Budget,
    pack: Pack,
    space: str,
    seconds: float,
    rows: Sequence[Rescored] | None,
    controls: dict[str, Any] | None,
    mlflow: dict[str, str],
) -> dict[str, Any]:
    """The content of result.json. rows and controls are None for a search that was stopped."""
    records, plan = ledger.records, budget.plan
    if rows:
        ranking = [_rescored_row(row) for row in rows]
    else:
        ranking = [_search_row(candidate, plan.starts) for candidate in candidates(ledger.scored)]
    return {
        "schema": RESULT_SCHEMA,
        "complete": rows is not None and controls is not None,
        "neuron": shown(plan.neuron),
        "direction": plan.direction,
        "objective": plan.objective,
        "pack": {"name": pack.name, "path": str(pack.path.absolute()), "hash": pack.hash},
        "prior": pack.prior_kind,
        "space": space,
        "sampler": ledger.sampler,
        "scheduler": budget.scheduler,
        "apart": plan.apart,
        "seed": plan.seed,
        "device": plan.device,
        "starts": plan.starts,
        "report_points": list(plan.report_points),
        "trials_total": len(records),
        "trials_stopped_early": _count(records, STOPPED_EARLY),
        "trials_diverged": _count(records, DIVERGED),
        "trials_failed": _count(records, FAILED),
        "trials_unfinished": len(ledger.unfinished),
        "seconds": round(seconds, 1),
        "sample_steps": plan.starts * sum(record.step for record in records),
        "best": ranking[0] if ranking else None,
        "runners_up": ranking[1:],
        "controls": controls or {},
        # A campaign's few trials on one neuron would say nothing.
        "importances": {} if ledger.neuron else importances(ledger),
        "mlflow": mlflow,
        "trials": [_trial_row(record) for record in records],
    }


def save_best(path: Path, best: Rescored, pack: Pack) -> None:
    """latents [n, latent], inputs [n, *input_shape], activations [n] of the re-scored best."""
    made = {"latents": best.latents, "inputs": best.inputs(pack), "activations": best.activations}
    save_made(path, best.candidate, made)


def save_made(path: Path, candidate: Candidate, made: Mapping[str, Tensor]) -> None:
    """Write what was made by a setting, and of which trial and step it is."""
    with whole(path) as partial:
        save_tensors(made, partial, metadata=_which(candidate.number, candidate.step))


def made_of(path: Path, trial: int, step: int, *names: str) -> tuple[Tensor, ...] | None:
    """The tensors of these names that `save_made` wrote of this trial's step; None where there are
    none: a search that goes on after its end may be stopped with another best."""
    try:
        with safe_open(path, "pt") as file:
            if file.metadata() == _which(trial, step):
                return tuple(file.get_tensor(name) for name in names)
    except (OSError, SafetensorError):
        pass
    return None


def _which(trial: int, step: int) -> dict[str, str]:
    return {"trial": str(trial), "step": str(step)}


def summary(result: dict[str, Any]) -> str:
    """The result on one screen."""
    if result["best"] is None:
        return "No trial got as far as a score."
    made = objective(result["objective"])
    second = _second(made)
    width = max(14, len(made.label))
    titles = f"{made.label:>{width}}   {'95 % interval':18}{second.label:>10}"
    lines = ["", f"{'':20}{titles}  step  trial"]

    def line(name: str, row: dict[str, Any]) -> str:
        return _line(name, row, made, width)

    lines += [line("best", result["best"])]
    for place, row in enumerate(result["runners_up"], start=2):
        lines.append(line(f"{place}.", row))
    for name, words in TITLES.items():
        if name in result["controls"]:
            lines.append(line(words, result["controls"][name]))
    ahead = [row for row in result["runners_up"] if _below(row, result["best"], made)]
    if ahead:
        lines += [
            "",
            f"Of the settings that {made.label} cannot tell apart, the one with the lowest "
            f"{OBJECTIVES['layer_fid'].label} is the best.",
        ]
    near = [
        f"{place}."
        for place, row in enumerate(result["runners_up"], start=2)
        if row.get("collapse", 0) > 0
    ]
    if near:
        lines += ["", f"Less far apart than the diversity asked for: {', '.join(near)}"]
    settings = read(result["best"]["settings"])
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


def _second(made: Objective) -> Objective:
    """What stands beside the objective's score: the layer's distance, unless that is it."""
    return OBJECTIVES["layer_fid" if made.name != "layer_fid" else "activation_fid"]


def _line(name: str, row: dict[str, Any], made: Objective, width: int) -> str:
    ci95 = row.get("ci95")
    interval = f"{number(ci95[0])} to {number(ci95[1])}" if ci95 else "not re-scored"
    if ci95 and ci95[0] == ci95[1] == made.worst:
        interval = "too few examples"
    second = _second(made)
    beside = number(row[second.metric]) if second.metric in row else ""
    step, trial = row.get("step", ""), row.get("trial", "")
    score = f"{number(row[made.metric]):>{width}}"
    wide = max(10, len(second.label))
    return f"  {name:18}{score}   {interval:18}{beside:>{wide}}  {step:>4}  {trial:>5}".rstrip()


def _wrapped(title: str, items: Sequence[str]) -> str:
    """A list of items in lines of at most 80 columns, none broken."""
    whole = [item.replace(" ", "\N{NO-BREAK SPACE}") for item in items]
    text = textwrap.fill(
        f"{title}: {', '.join(whole)}", 80, subsequent_indent="  ", break_on_hyphens=False
    )
    return text.replace("\N{NO-BREAK SPACE}", " ")


def _short(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _rescored_row(row: Rescored) -> dict[str, Any]:
    return {
        **_candidate_row(row.candidate),
        **row.scores,
        "ci95": list(row.ci95),
        "starts": len(row.activations),
        "activation_mean": float(row.activations.mean()) if len(row.activations) else None,
        "pairwise_distance": row.distance,
        "collapse": row.collapse,
    }


def _search_row(candidate: Candidate, starts: int) -> dict[str, Any]:
    row = _candidate_row(candidate)
    score = {candidate.objective.metric: candidate.search_score}
    return {**row, **score, "ci95": None, "starts": starts}


def _candidate_row(candidate: Candidate) -> dict[str, Any]:
    return {
        "trial": candidate.number,
        "settings": candidate.settings.to_dict(),
        "step": candidate.step,
        f"search_{candidate.objective.metric}": candidate.search_score,
    }


def _trial_row(record: Record) -> dict[str, Any]:
    return {
        "trial": record.number,
        "outcome": record.outcome or "unfinished",
        "step": record.step,
        record.objective.metric: record.score,
        "settings": record.settings.to_dict(),
    }


def _count(records: Sequence[Record], outcome: str) -> int:
    return sum(record.outcome == outcome for record in records)
