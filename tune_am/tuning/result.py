"""What a search comes to: result.json and best.safetensors (docs/result.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tune_am.packs.neuron import shown
from tune_am.packs.pack import Pack
from tune_am.tuning.budget import Budget
from tune_am.tuning.finalists import Candidate, Rescored, candidates
from tune_am.tuning.folder import RESULT_SCHEMA
from tune_am.tuning.importance import importances
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.pareto import on_front
from tune_am.tuning.record import DIVERGED, FAILED, STOPPED_EARLY, Record
from tune_am.tuning.result_format import ON_FRONT, save_made


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
        standings = [row.standing for row in rows]
    else:
        chosen = candidates(ledger.scored)
        ranking = [_search_row(candidate, plan.starts) for candidate in chosen]
        best = [ledger[each.number] for each in chosen]
        standings = [record.standing_at(record.step) for record in best]
    if ledger.objective.others:
        for row, front in zip(ranking, on_front(standings), strict=True):
            row[ON_FRONT] = front
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
    save_made(path, best.candidate.number, best.candidate.step, made)


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
    return {**row, **candidate.search_scores, "ci95": None, "starts": starts}


def _candidate_row(candidate: Candidate) -> dict[str, Any]:
    return {
        "trial": candidate.number,
        "settings": candidate.settings.to_dict(),
        "step": candidate.step,
        **{f"search_{metric}": score for metric, score in candidate.search_scores.items()},
    }


def _trial_row(record: Record) -> dict[str, Any]:
    return {
        "trial": record.number,
        "outcome": record.outcome or "unfinished",
        "step": record.step,
        **record.scores,
        "settings": record.settings.to_dict(),
    }


def _count(records: Sequence[Record], outcome: str) -> int:
    return sum(record.outcome == outcome for record in records)
