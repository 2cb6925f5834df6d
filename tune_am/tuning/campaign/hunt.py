"""A campaign as a session runs it, by what `tuning.hunt.Single` says of each method."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tune_am.counting import counted
from tune_am.tuning.campaign import result
from tune_am.tuning.campaign.pace import rescoring_seconds
from tune_am.tuning.campaign.rescoring import Verdict, floors, judge, starts_of
from tune_am.tuning.campaign.scheduler import CampaignScheduler
from tune_am.tuning.campaign.searcher import CampaignSearcher
from tune_am.tuning.campaign.unit import Unit, UnitTrials
from tune_am.tuning.clock import Clock
from tune_am.tuning.job import Job
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import Listener
from tune_am.tuning.run import Halt, run, to_run
from tune_am.tuning.watching.progress import Progress

_FLOORS = "real_vs_real"  # the ledger's note of that control of every unit


class Campaign:
    """The searches on all neurons of a job, which share workers, trials' lessons and a budget."""

    summary = staticmethod(result.summary)
    metrics = staticmethod(result.metrics)

    def __init__(self, job: Job) -> None:
        self.job = job
        objective = job.budget.plan.scored_by
        # Without trials of its own: those are in the ledgers of the units.
        self.notes = Ledger(job.folder.journal, job.title, job.config.seed, objective)
        units = [Unit.open(job, plan) for plan in job.plans]
        self._units = {unit.name: unit for unit in units}
        self.trials = UnitTrials(self._units, objective)
        self._verdicts: dict[str, Verdict] = {}
        self._results: dict[str, dict[str, Any]] = {}

    def reserve(self) -> float:
        return rescoring_seconds(self._units, self.job.budget)

    def run(self, halt: Halt, listeners: Sequence[Listener], view: Progress) -> list[str]:
        job = self.job
        if not self._measure_floors(view, halt.event):
            return []
        left = to_run(self.trials, job.budget)
        if left <= 0:
            return []
        searcher = CampaignSearcher(self._units, job.space, job.config.seed, listeners)
        scheduler = CampaignScheduler(self._units, job.budget, halt)
        return run(searcher, scheduler, job.budget, left, job.folder.ray, halt, view.trouble)

    def score_again(self, view: Progress, halt: threading.Event) -> None:
        units = [unit for unit in self._units.values() if unit.ledger.scored]
        starts = starts_of(self.job.budget.plan)
        neurons = counted(len(units), "neuron")
        text = f"Scoring the best setting of {neurons} again on {starts} fresh starts"
        view.event("rescore", text, {"neurons": len(units), "settings": 1, "starts": starts})
        self._verdicts = judge(units, self.job.budget, halt, view.rescoring) or {}

    def write(self, clock: Clock, mlflow: dict[str, str]) -> dict[str, Any]:
        job = self.job
        for unit in self._units.values():
            verdict = self._verdicts.get(unit.name)
            self._results[unit.name] = of = result.of_unit(unit, job, verdict, mlflow)
            unit.folder.write_result(of)
        units = list(self._units.values())
        content = result.build(job, units, self._results, self._verdicts, clock, mlflow)
        job.folder.write_result(content)
        return content

    def table(self, content: dict[str, Any]) -> Mapping[str, list[Any]]:
        return result.table(self._results or self._read())

    def _measure_floors(self, view: Progress, halt: threading.Event) -> bool:
        """Once for all units: a resumed campaign finds them noted. False when halted."""
        known = self.notes.noted(_FLOORS)
        if known is None:
            units = counted(len(self._units), "neuron")
            text = f"Measuring the noise floor of {units}: real excerpts against real ones"
            view.event("floors", text, {"neurons": len(self._units)})
            known = floors(list(self._units.values()), self.job.budget, halt)
            if known is None:
                return False
            self.notes.note(_FLOORS, known)
        for name, unit in self._units.items():
            unit.floor.update(known[name])
        return True

    def _read(self) -> dict[str, dict[str, Any]]:
        """The units' results as an earlier session wrote them."""
        return {name: unit.folder.read_result() for name, unit in self._units.items()}
