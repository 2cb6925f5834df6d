"""What a campaign comes to: result.json and the last screen (docs/result.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tune_am.am.objectives import Objective, objective
from tune_am.am.settings import Settings
from tune_am.counting import counted, plural
from tune_am.packs.neuron import shown
from tune_am.tuning import result
from tune_am.tuning.campaign.pace import ascending_seconds
from tune_am.tuning.campaign.rescoring import Verdict
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.clock import Clock
from tune_am.tuning.folder import RESULT_SCHEMA, UNITS
from tune_am.tuning.job import Job
from tune_am.tuning.label import settings_title
from tune_am.tuning.result_format import columns
from tune_am.tuning.watching.progress import number
from tune_am.tuning.watching.summary import ended

# Neurons on the last screen; the page has all.
SHOWN = 10


def of_unit(
    unit: Unit, job: Job, verdict: Verdict | None, mlflow: dict[str, str]
) -> dict[str, Any]:
    """result.json of one unit, as of a search on it alone. seconds: those of its ascents."""
    rows, controls = (None, None) if verdict is None else ([verdict.best], verdict.controls)
    starts = unit.plan.starts
    seconds = sum(ascending_seconds(record, starts) for record in unit.ledger.scored)
    return result.build(
        unit.ledger,
        replace(job.budget, plan=unit.plan),
        job.pack,
        job.space.name,
        seconds,
        rows,
        controls,
        mlflow,
    )


def build(
    job: Job,
    units: Sequence[Unit],
    results: Mapping[str, dict[str, Any]],
    verdicts: Mapping[str, Verdict],
    clock: Clock,
    mlflow: dict[str, str],
) -> dict[str, Any]:
    """result.json of the campaign. results: those of its units."""
    first = results[units[0].name]
    alike = ["direction", "objective", "pack", "prior", "space", "seed", "device", "starts"]
    alike += ["report_points"]
    summed = [name for name in first if name.startswith("trials_")] + ["sample_steps"]
    ascending = sum(one["seconds"] for one in results.values())
    ascending += sum(verdict.seconds for verdict in verdicts.values())
    scored = [unit for unit in units if unit.ledger.scored]
    return {
        "schema": RESULT_SCHEMA,
        "complete": len(verdicts) == len(scored) > 0,
        "neuron": shown(job.budget.plan.neuron),
        **{name: first[name] for name in alike},
        **{name: sum(one[name] for one in results.values()) for name in summed},
        "seconds": round(clock.seconds, 1),
        "ascent_share": round(ascending / clock.worker_seconds, 3),
        UNITS: [_row(unit, results[unit.name]) for unit in units],
        "mlflow": mlflow,
    }


def _row(unit: Unit, of: Mapping[str, Any]) -> dict[str, Any]:
    best, controls = of["best"], of["controls"]
    return {
        "neuron": unit.name,
        "folder": f"{UNITS}/{unit.folder.path.name}",
        "trials_total": of["trials_total"],
        "sample_steps": of["sample_steps"],
        "distance": distance(of["objective"], best, controls.get("real_vs_real") or unit.floor),
        "best": best,
        "controls": controls,
    }


def distance(
    scored_by: str, best: Mapping[str, Any] | None, floor: Mapping[str, Any]
) -> float | None:
    """Of the best from the goal, in multiples of the noise floor's: what can be compared between
    neurons. The root of the ratio where the score is a square."""
    if best is None or not floor:
        return None
    made = objective(scored_by)
    away = made.distance(best[made.metric])
    least = made.distance(made.floor(floor) or 0.0)
    return away / least if least > 0 else None


def metrics(content: Mapping[str, Any]) -> dict[str, float]:
    """The campaign's own metrics in MLflow."""
    found = [row["distance"] for row in content[UNITS] if row["distance"] is not None]
    values = {
        "trials": content["trials_total"],
        "seconds": content["seconds"],
        "stopped_early": content["trials_stopped_early"],
        "neurons": len(content[UNITS]),
        "neurons_scored": sum(row["best"] is not None for row in content[UNITS]),
        "ascent_share": content["ascent_share"],
    }
    if found:
        values["mean_distance"] = sum(found) / len(found)
    return {name: float(value) for name, value in values.items()}


def table(results: Mapping[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """All trials of all units as columns, the neuron among them."""
    return columns(
        [{"neuron": name, **row} for name, of in results.items() for row in of["trials"]]
    )


def summary(content: Mapping[str, Any]) -> str:
    """The result on one screen: the neurons that came nearest to their noise floor, and the least
    near."""
    rows = [row for row in content[UNITS] if row["best"] is not None]
    if not rows:
        return "No trial got as far as a score."
    made = objective(content["objective"])
    rows.sort(key=lambda row: (row["distance"] is None, row["distance"]))
    few = rows if len(rows) <= SHOWN else [*rows[: SHOWN // 2], None, *rows[-(SHOWN // 2) :]]
    widths = max(13, *(len(row["neuron"]) for row in few if row)) + 1, max(14, len(made.label))
    lines = ["", f"  {'neuron':{widths[0]}}{made.label:>{widths[1]}}{'noise floor':>13}"]
    lines[-1] += f"{'x floor':>10}{'trials':>8}"
    lines += ["  ..." if row is None else _line(row, made, widths) for row in few]
    if made.squared:
        lines.append(f"  x floor: the square root of {made.label} / noise floor")
    lines += ["", _account(content, rows), *_agreed(rows)]
    return "\n".join(lines)


def _line(row: Mapping[str, Any], made: Objective, widths: tuple[int, int]) -> str:
    floor = row["controls"].get("real_vs_real")
    values = number(row["best"][made.metric]), number(made.floor(floor)) if floor else "-"
    return (
        f"  {row['neuron']:{widths[0]}}{values[0]:>{widths[1]}}{values[1]:>13}"
        f"{number(row['distance']):>10}{row['trials_total']:>8}"
    )


def _account(content: Mapping[str, Any], rows: Sequence[Any]) -> str:
    kind = "result" if content["complete"] else "score in the search, not scored again"
    neurons = counted(len(content[UNITS]), "neuron")
    return (
        f"{len(rows)} of {neurons} {plural(len(rows), 'has', 'have')} a {kind}; "
        f"{counted(content['trials_total'], 'trial')}, {ended(content)},\n"
        f"{counted(content['sample_steps'], 'sample-step')}, {content['seconds']:.0f} s, "
        f"{content['ascent_share']:.0%} of it in ascent"
    )


def _agreed(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The setting that is best for most neurons, in a line; none where each has its own."""
    votes = Counter(settings_title(Settings.from_dict(row["best"]["settings"])) for row in rows)
    most, count = votes.most_common(1)[0]
    return [f"Best for {count} of them: {most}"] if count > 1 else []
