"""The trials of a search, run by Ray Tune until they are done or told to stop."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.tuning import environment
from tune_am.tuning.budget import Budget
from tune_am.tuning.early_stopping.schedulers import stopping_rule
from tune_am.tuning.failure import cause
from tune_am.tuning.label import file_name, search_title, trial_title
from tune_am.tuning.ledger import Ledger, Trials
from tune_am.tuning.record import Listener
from tune_am.tuning.searcher import LedgerSearcher, Proposer
from tune_am.tuning.space import Space
from tune_am.tuning.trial import NUMBER, SETTINGS, TASK, AscentTrial


class Halt(tune.Stopper):
    """Ends the run when `event` is set or the time is up; trials end with their current step.

    seconds: until then, of which the trials leave as many as `reserve` says at the time, half of
    them at most.
    """

    def __init__(
        self,
        event: threading.Event,
        seconds: float | None = None,
        reserve: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.event = event
        self._seconds = math.inf if seconds is None else seconds
        self._begun = time.monotonic()
        self._reserve = reserve
        self.hopeless = False  # set where every trial fails
        self.refused = False  # set where the space refuses to go on
        self.up = False  # set where the time was

    @property
    def early(self) -> bool:
        """Whether the run broke off."""
        return self.hopeless or self.refused

    @property
    def seconds_left(self) -> float:
        """For trials."""
        if math.isinf(self._seconds):
            return math.inf
        reserve = min(self._reserve(), self._seconds / 2)
        return self._seconds - reserve - (time.monotonic() - self._begun)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        self.up = self.up or self.seconds_left < 0
        return self.event.is_set() or self.hopeless or self.up

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles it into a snapshot that nobody reads; an event has no pickle


class Failures(tune.Callback):
    """Says at once why the first trial failed, and ends a run in which the first `MOST` all did."""

    MOST = 3

    def __init__(self, halt: Halt, told: Callable[[str], None]) -> None:
        self._halt, self._told = halt, told
        self._ended = 0
        self.tracebacks: list[str] = []  # of trials that failed for good

    def on_trial_complete(self, iteration: int, trials: Any, trial: Trial, **info: Any) -> None:
        self._ended += 1

    def on_trial_error(self, iteration: int, trials: Any, trial: Trial, **info: Any) -> None:
        # Not `get_error`, which looks where the file is copied to when the trial ends.
        self.tracebacks.append(Path(trial.error_file).read_text(encoding="utf-8", errors="replace"))
        if len(self.tracebacks) == 1:
            self._told(f"trial {trial.config[NUMBER]} failed: {cause(self.tracebacks[0])}")
        self._halt.hopeless = not self._ended and len(self.tracebacks) >= self.MOST


class Waiting(tune.Callback):
    """Says so once where no worker starts, as on a cluster that others use."""

    SECONDS = 60

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._until = time.monotonic() + self.SECONDS

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._until = math.inf

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        if time.monotonic() > self._until:
            self._until = math.inf
            why = "what a trial needs may be taken by others (`ray status` tells)"
            self._told(f"no worker has started within {self.SECONDS} s: {why}; the search waits")


class RuleScheduler(FIFOScheduler):
    """Stops the trials that the budget's rule stops, by what the ledger has of all; without a rule,
    none."""

    def __init__(self, ledger: Ledger, budget: Budget) -> None:
        super().__init__()
        self._ledger = ledger
        self._rule = stopping_rule(budget.scheduler, budget.plan.report_points)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stops = self._rule is not None and self._rule.stops(
            self._ledger, trial.config[NUMBER], result
        )
        return TrialScheduler.STOP if stops else TrialScheduler.CONTINUE


def run_trials(
    ledger: Ledger,
    space: Space,
    budget: Budget,
    task: dict[str, Any],
    folder: Path,
    halt: Halt,
    listeners: Sequence[Listener] = (),
    told: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """Run what is left of the search's trials; the traceback of each that failed.

    folder: for Ray's own files. told: hears why trials fail.
    """
    left = to_run(ledger, budget)
    if left <= 0:
        return []
    searcher = LedgerSearcher(ledger, space, task, listeners)
    return run(searcher, RuleScheduler(ledger, budget), budget, left, folder, halt, told)


def to_run(trials: Trials, budget: Budget) -> int:
    """How many are left."""
    return budget.trials - sum(record.counts for record in trials.records)


def run(
    searcher: Proposer,
    scheduler: FIFOScheduler,
    budget: Budget,
    trials: int,
    folder: Path,
    halt: Halt,
    told: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """Run so many trials of `searcher`; the traceback of each that failed.

    folder: for Ray's own files. told: hears why the first failed, and why the space ended the run.
    """
    environment.prepare()
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(budget.workers)  # workers start side by side
    failures = Failures(halt, told)
    # Not `tune.Tuner`, which pickles searcher, ledger and all for a restore that nobody asks for.
    tune.run(
        AscentTrial,
        name=f"tune-{time.time_ns():x}",
        storage_path=str(folder.absolute()),
        resources_per_trial=budget.resources,
        num_samples=trials,
        search_alg=searcher,
        scheduler=scheduler,
        max_concurrent_trials=budget.workers,
        reuse_actors=True,
        stop=halt,
        callbacks=[failures, Waiting(told)],
        max_failures=1,
        raise_on_failed_trial=False,
        trial_name_creator=lambda trial: trial_title(
            _plan(trial), Settings.from_dict(trial.config[SETTINGS])
        ),
        trial_dirname_creator=lambda trial: file_name(
            f"{search_title(_plan(trial))}-{trial.config[NUMBER]:04d}"
        ),
        verbose=0,
        # The other leaves an empty object in a notebook.
        progress_reporter=tune.CLIReporter(),
    )
    if searcher.refused is not None:
        halt.refused = True
        told(f"the search ends early: {searcher.refused}")
    return failures.tracebacks


def _plan(trial: Any) -> Plan:
    return Plan(**trial.config[TASK]["plan"])
