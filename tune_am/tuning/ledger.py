"""All that a search knows, on disk as it happens.

An Optuna study in the run folder holds every trial: what was drawn, every report, how it ended. The
rungs of ASHA, the resume, MLflow's catching up and the result are all read from it. Ray's own
experiment snapshots are not used for that: they are written every few seconds, so a kill loses
trials that had ended; they are pickles; and they forget ASHA's rungs. The study is an append-only
journal, synced at every event.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from tune_am.am.objectives import DEFAULT, Objective
from tune_am.am.score import STEP
from tune_am.am.settings import Settings
from tune_am.tuning.defaults import SAMPLER
from tune_am.tuning.record import FAILED, Record
from tune_am.tuning.sampling.samplers import draw
from tune_am.tuning.space import Space, quiet_optuna

_SETTINGS, _COURSE = "settings", "course"


class Trials(ABC):
    """What is looked at while trials run: the ledger of a search, or those of a campaign."""

    objective: Objective

    @property
    @abstractmethod
    def records(self) -> list[Record]:
        """In the order of their numbers."""

    @property
    def unfinished(self) -> list[Record]:
        """Trials begun and not ended, as after a kill."""
        return [record for record in self.records if record.outcome is None]

    @property
    def scored(self) -> list[Record]:
        return [record for record in self.records if record.score is not None]

    @property
    @abstractmethod
    def bests(self) -> list[Record]:
        """The best trial of each neuron that has a score."""

    @property
    @abstractmethod
    def leaders(self) -> list[Record]:
        """The trials to look at, the best first."""

    @abstractmethod
    def best_beside(self, record: Record) -> Record | None:
        """The best trial on the neuron of `record`."""


class Ledger(Trials):
    """The trials of one search. Opening it again goes on where it was left.

    neuron: which one, if it is one of many. sampler: what proposes settings, a name of
    `tune_am.tuning.sampling.samplers`.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        seed: int,
        objective: Objective = DEFAULT,
        neuron: str = "",
        sampler: str = SAMPLER,
    ) -> None:
        _mend(path)
        self.objective = objective
        self.neuron = neuron
        self.sampler = sampler
        self._seed = seed
        # An open-lock, not the default symlink: some file systems of containers have no symlinks.
        self._storage = JournalStorage(
            JournalFileBackend(str(path), JournalFileOpenLock(str(path)))
        )
        with quiet_optuna():
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=name,
                directions=[each.direction for each in objective.every],
                load_if_exists=True,
            )
            if self._study.metric_names is None:  # for optuna-dashboard
                self._study.set_metric_names([each.metric for each in objective.every])
        self._records: dict[int, Record] = {}
        self._ids: dict[int, int] = {}  # number -> Optuna's trial id
        for trial in self._study.get_trials(deepcopy=False):
            if _SETTINGS in trial.user_attrs:
                self._ids[trial.number] = trial._trial_id
                self._records[trial.number] = record = _record(trial, objective, neuron)
                if not trial.state.is_finished():
                    self._tell(record)  # what a kill kept from being told

    @property
    def name(self) -> str:
        return self._study.study_name

    @property
    def records(self) -> list[Record]:
        return [self._records[number] for number in sorted(self._records)]

    def __getitem__(self, number: int) -> Record:
        return self._records[number]

    @property
    def best(self) -> Record | None:
        """The trial that is best so far: by the first objective, of those that keep the
        constraints."""
        return min(self.scored, key=lambda record: record.standing, default=None)

    @property
    def bests(self) -> list[Record]:
        return [best] if (best := self.best) is not None else []

    @property
    def leaders(self) -> list[Record]:
        return sorted(self.scored, key=lambda record: record.standing)

    def best_beside(self, record: Record) -> Record | None:
        return self.best

    def enqueue(self, points: tuple[dict[str, Any], ...]) -> None:
        """Have these points tried first, but for those that are, or that wait to be; one whose
        trial failed is tried again."""
        trials = self._study.get_trials(deepcopy=False)
        held = [t for t in trials if t.state != TrialState.FAIL]
        known = [trial.system_attrs.get("fixed_params", trial.params) for trial in held]
        for point in points:
            if point not in known:
                self._study.enqueue_trial(point)
                known.append(point)

    def ask(self, space: Space) -> Record:
        """A new trial, with the settings that the sampler proposes for it. Raises `SpaceError`
        when the space refuses whatever is drawn."""
        with quiet_optuna():
            # A kill may have left a trial that was asked for and never drawn: it is drawn now.
            running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            undrawn = [trial._trial_id for trial in running if trial.number not in self._ids]
            left = optuna.trial.Trial(self._study, undrawn[0]) if undrawn else None
            which = self._seed, len(self._records)
            trial, settings = draw(self._study, space, self.sampler, *which, trial=left)
        trial.set_user_attr(_SETTINGS, settings.to_dict())
        drawn = trial.params, trial.distributions
        record = Record(trial.number, settings, (), None, *drawn, self.objective, self.neuron)
        self._ids[trial.number] = trial._trial_id
        self._records[trial.number] = record
        return record

    def write(
        self, number: int, metrics: dict[str, float] | None = None, outcome: str | None = None
    ) -> bool:
        """Note a trial's metrics at a report point, its outcome, or both; False if nothing is new.

        A stopped trial is told PRUNED: its score is that of a shorter ascent, which TPE must not
        take for a full one. So is one that diverged after a report point that counts, as if it had
        been stopped at the last of these. One that diverged before is complete, at a finite
        penalty, and breaks a constraint.
        """
        record = self._records[number]
        fresh = metrics is not None and metrics[STEP] > record.step
        if record.outcome is not None or not (fresh or outcome):
            return False
        reports = (*record.reports, dict(metrics)) if fresh and metrics else record.reports
        record = replace(record, reports=reports, outcome=outcome)
        # Both in one line of the journal, so that a kill leaves both or neither.
        course = {"reports": list(reports), "outcome": outcome}
        self._storage.set_trial_user_attr(self._ids[number], _COURSE, course)
        self._tell(record)
        self._records[number] = record
        return True

    def note(self, key: str, value: Any) -> None:
        """Keep a fact about the whole search."""
        self._study.set_user_attr(key, value)

    def noted(self, key: str, default: Any = None) -> Any:
        return self._study.user_attrs.get(key, default)

    def _tell(self, record: Record) -> None:
        """Bring Optuna's own view of a running trial up to the record's; by step it has the score
        by the first objective only."""
        identity = self._ids[record.number]
        told = self._storage.get_trial(identity).intermediate_values
        for report in record.valid:
            if (step := int(report[STEP])) not in told:
                score = report[self.objective.metric]
                self._storage.set_trial_intermediate_value(identity, step, score)
        if record.outcome is None:
            return
        with quiet_optuna():
            trial = optuna.trial.Trial(self._study, identity)
            for name, value in record.constraints().items():
                trial.set_constraint(name, value)
            if record.outcome == FAILED or record.score is None:
                self._study.tell(record.number, state=TrialState.FAIL)
            elif not record.cut_short:
                self._study.tell(record.number, record.scores_at(record.step))
            elif not record.objective.others:
                self._study.tell(record.number, state=TrialState.PRUNED)
            else:  # Optuna itself stops no trial of several objectives
                last = record.scores_at(int(record.valid[-1][STEP]))
                state = TrialState.PRUNED
                self._storage.set_trial_state_values(identity, state, last)


def _record(trial: FrozenTrial, objective: Objective, neuron: str) -> Record:
    course = trial.user_attrs.get(_COURSE, {"reports": [], "outcome": None})
    return Record(
        trial.number,
        Settings.from_dict(trial.user_attrs[_SETTINGS]),
        tuple(course["reports"]),
        course["outcome"],
        trial.params,
        trial.distributions,
        objective,
        neuron,
    )


def _mend(path: Path) -> None:
    """Drop what a kill left of a line and of a lock; the run folder's own lock keeps others out."""
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        with path.open("rb+") as file:
            text = file.read()
            file.truncate(text.rfind(b"\n") + 1)
