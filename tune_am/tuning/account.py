"""What is said of a search: on the screen, in MLflow, in the run folder."""

from __future__ import annotations

import shlex
from typing import Any

from tune_am.am.objectives import Objective, objective
from tune_am.counting import counted, plural
from tune_am.packs.neuron import shown
from tune_am.tuning import cluster
from tune_am.tuning.folder import UNITS
from tune_am.tuning.job import Job
from tune_am.tuning.label import file_name
from tune_am.tuning.tracking import runs, store
from tune_am.versions import versions

# What the numbers of a search depend on.
_PACKAGES = ("torch", "numpy", "ray", "optuna", "mlflow")


def asked(job: Job) -> dict[str, Any]:
    """What search.json keeps: enough to go on, and to say what was run."""
    config = {**job.config.to_dict(), "out": None, "mlflow_uri": job.kept_uri}
    config["pack"] = job.kept_pack
    about = {"id": job.id, "pack_hash": job.pack.hash, "versions": versions(*_PACKAGES)}
    about["budget"] = job.budget.spent_on
    typed = job.config.mlflow_uri is not None  # or of the environment, which may change
    return {"config": config, "command": job.command, **about, "mlflow_typed": typed}


def params(job: Job) -> dict[str, Any]:
    """In MLflow, where they cannot change: how many trials there were is a metric."""
    plan = job.budget.plan
    return {
        "neuron": shown(plan.neuron),
        **({"neurons": len(job.plans)} if job.several else {}),
        "direction": plan.direction,
        "objective": plan.objective,
        "pack": job.pack.name,
        "prior": job.pack.prior_kind,
        "space": job.space.name,
        "sampler": job.config.sampler,
        "scheduler": job.budget.scheduler,
        "diversity": job.config.diversity,
        "starts": plan.starts,
        "report_points": ",".join(map(str, plan.report_points)),
        "seed": plan.seed,
        "device": plan.device,
        "workers": job.budget.workers,
    }


def tags(job: Job) -> dict[str, Any]:
    return {
        **{name: value for name, value in params(job).items() if name in runs.SHARED},
        "pack.hash": job.pack.hash,
        "space.source": job.space.source[:5000],  # as long as MLflow lets a tag be
        "command": job.command,
        runs.FOLDER: str(job.folder.path),
        **{f"version.{name}": number for name, number in versions(*_PACKAGES).items()},
    }


def metrics(content: dict[str, Any]) -> dict[str, float]:
    """The search's own metrics in MLflow."""
    values = {"trials": content["trials_total"], "seconds": content["seconds"]}
    values["stopped_early"] = content["trials_stopped_early"]
    made = objective(content["objective"])
    rows = {"best": content["best"], **content["controls"]}
    for name, row in rows.items():
        if row is not None:
            for metric in (each.metric for each in made.every):
                values[f"{name}.{metric}"] = row[metric]
            if row["ci95"] is not None:
                values[f"{name}.ci95_low"], values[f"{name}.ci95_high"] = row["ci95"]
    return {name: float(value) for name, value in values.items()}


def facts(job: Job, log: runs.Tracking, dashboard: str | None) -> dict[str, Any]:
    return {
        **params(job),
        "trials": job.budget.trials,
        "folder": str(job.folder.path),
        "dashboard": dashboard,
        "optuna_dashboard": optuna_command(job),
        "report_points": list(job.budget.plan.report_points),
        "tracking_uri": store.redacted(log.uri),
        "mlflow": store.ui_command(log.uri),
        "run_id": log.run_id,
    }


def optuna_command(job: Job) -> str:
    """What a user types to see the trials in Optuna's own dashboard, while they run or later."""
    journal = job.folder.journal
    if job.several:  # a study for each neuron
        journal = job.folder.path / UNITS / file_name(shown(job.plans[0].neuron)) / journal.name
    return f"optuna-dashboard {shlex.quote(str(journal))}"


def opening(job: Job, log: runs.Tracking, dashboard: str | None) -> str:
    plan, budget = job.budget.plan, job.budget
    count = len(job.plans)
    points = plural(len(plan.report_points), "step")
    points = f"{points} {', '.join(map(str, plan.report_points))}"
    many = f" ({counted(count, 'neuron')})" if job.several else ""
    stops = ", none stopped early" if budget.scheduler == "none" else ""
    limit = f", at most {job.config.time_budget:.0f} s" if job.config.time_budget else ""
    rows = {
        "pack": f"{job.pack.name} ({job.pack.path})",
        "neuron": f"{shown(plan.neuron)}{many}, {plan.direction}imised",
        "objective": _objective(plan.scored_by),
        "prior": job.pack.prior_kind,
        "space": f"{job.space.name}, searched by {job.config.sampler} and {budget.scheduler}",
        "device": f"{plan.device}, {budget.workers} at a time",
        "budget": f"{counted(budget.trials, 'trial')} of {counted(plan.starts, 'start')}, "
        f"scored at {points}{stops}{limit}",
        **({"diversity": _diversity(job)} if job.config.diversity else {}),
        "run folder": str(job.folder.path),
        "Ray dashboard": _dashboard(dashboard),
        "Optuna": optuna_command(job) + (" (one for each neuron)" if job.several else ""),
        "MLflow": store.ui_command(log.uri),
    }
    return "\n".join(f"{name:14} {value}" for name, value in rows.items()) + "\n"


def _objective(first: Objective) -> str:
    told = f"{first.label}, the {first.best_is} is best"
    others = "".join(f"; {each.label} ({each.best_is})" for each in first.others)
    return f"{told}{others}: their Pareto front" if others else told


def _diversity(job: Job) -> str:
    share = f"{job.config.diversity:.0%} as far apart as random inputs"
    return f"{share}; what is less so comes after, whatever its score"


def _dashboard(address: str | None) -> str:
    if address is None:
        return "none (pip install 'ray[default]')"
    command = cluster.token_command()
    return f"{address} (asks for what `{command}` prints)" if command else address


def closing(job: Job, uri: str) -> str:
    folder = job.folder
    examples = f"\nExamples: {folder.best}" if folder.best.exists() else ""
    return f"\nResult:   {folder.result}{examples}\nMLflow:   {store.ui_command(uri)}"
