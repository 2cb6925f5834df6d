"""One neuron of a campaign, and the trials of all of them as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_am.am.controls import Control
from tune_am.am.objectives import Objective
from tune_am.am.plan import Plan
from tune_am.packs.neuron import direction_file, shown
from tune_am.tuning import account
from tune_am.tuning.campaign.rules import Course
from tune_am.tuning.folder import UNITS, RunFolder
from tune_am.tuning.job import Job
from tune_am.tuning.label import file_name
from tune_am.tuning.ledger import Ledger, Trials
from tune_am.tuning.record import FAILED, Record
from tune_am.tuning.task import task


@dataclass(frozen=True)
class Unit:
    """A neuron with its ledger and run folder, as if it had been searched on alone.

    layer: in which it is. task: what its trials have in common. floor: its control `real_vs_real`,
    with which the scores of different neurons become comparable; filled in when it is measured.
    """

    name: str
    layer: str
    plan: Plan
    ledger: Ledger
    folder: RunFolder
    task: dict[str, Any]
    floor: Control = field(default_factory=dict)

    @classmethod
    def open(cls, job: Job, plan: Plan) -> Unit:
        """The unit of `job`, with all trials that it has already."""
        name = shown(plan.neuron)
        folder = RunFolder(job.folder.path / UNITS / file_name(name))
        if not folder.exists():
            asked = account.asked(job)
            config = {**asked["config"], "neuron": name}
            if (file := direction_file(plan.neuron)) is not None:  # for whoever explains the unit
                folder.keep(file)
            folder.create({**asked, "config": config, "campaign": name}, job.space.source)
        ledger = Ledger(
            folder.journal, job.title_of(plan), job.config.seed, plan.scored_by, neuron=name
        )
        whole = job.budget.plan  # the workers serve all units
        work = task(job.pack, plan, folder.trials, job.config.trust_code, whole)
        return cls(name, job.pack.neuron(plan.neuron).layer, plan, ledger, folder, work)

    @property
    def course(self) -> Course:
        """Where it stands; a trial counts with the score that it ended with."""
        records, objective = self.ledger.records, self.ledger.objective
        ended = [record for record in records if record.outcome is not None]
        scores = tuple(None if r.outcome == FAILED or r.violation else r.score for r in ended)
        floor = objective.floor(self.floor) or 0.0
        return Course(floor, scores, len(records) - len(ended), objective)


class UnitTrials(Trials):
    """The ledgers of all units as one."""

    def __init__(self, units: Mapping[str, Unit], objective: Objective) -> None:
        self.objective = objective
        self._units = units

    @property
    def records(self) -> list[Record]:
        return [record for unit in self._units.values() for record in unit.ledger.records]

    @property
    def bests(self) -> list[Record]:
        return [record for unit in self._units.values() for record in unit.ledger.bests]

    @property
    def leaders(self) -> list[Record]:
        """The best of each neuron, the nearest to its noise floor first."""
        return sorted(self.bests, key=lambda best: self._units[best.neuron].course.distance)

    def best_beside(self, record: Record) -> Record | None:
        return self._units[record.neuron].ledger.best
